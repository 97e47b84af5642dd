//! The storage ports in diesel: everything that is the same on PostgreSQL and on SQLite.
//!
//! Compiled once in each adapter, against `crate::engine`, so that each query is checked against the connection that
//! runs it. What only one database does is outside this folder.
//!
//! Every write is one statement: a caller may be dropped at any `await`, and a transaction left open would stay on a
//! pooled connection.

mod campaigns;
mod checkout;
mod database;
mod deployment;
pub(crate) mod error;
mod groups;
mod leases;
mod overview;
mod rows;
mod schema;
mod sessions;

pub(crate) use checkout::Checkout;
