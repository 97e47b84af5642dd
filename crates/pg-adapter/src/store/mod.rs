//! The storage ports in diesel: everything that is the same on PostgreSQL and on SQLite.
//!
//! Compiled once in each adapter, against `crate::engine`, so that each query is checked against the connection that
//! runs it. What only one database does is outside this folder.
//!
//! A caller may be dropped at any `await`, and a transaction left open must not go back to the pool. So a write is one
//! statement, wherever it can be, and a transaction is begun and ended within one [`Checkout::run`].

mod api_keys;
mod audit_log;
mod campaigns;
mod checkout;
mod database;
mod deployment;
pub(crate) mod error;
mod groups;
mod leases;
mod overview;
mod pairing;
mod rows;
pub(crate) mod schema;
mod sessions;
mod snapshots;
mod strays;
mod task_leases;
mod turns;
mod users;
mod workers;

pub(crate) use checkout::Checkout;
pub(crate) use turns::Turns;
