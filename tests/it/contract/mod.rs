//! What each storage port promises, written once and run on every store: in memory, on SQLite, on PostgreSQL.

/// Runs each of these on a store of its own, on every kind of store.
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&support::stores::Stores::memory()).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&support::stores::Stores::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                if let Some(stores) = support::stores::Stores::postgres().await {
                    super::$name(&stores).await;
                }
            })+
        }
    };
}

mod api_key_repository;
mod audit_log;
mod campaign_repository;
mod deployment_repository;
mod event_bus;
mod fixtures;
mod group_repository;
mod lease_repository;
mod migrations;
mod on_worker;
mod overview;
mod pg_event_bus;
mod pg_tls;
mod postgres_only;
mod schema;
mod session_lookup;
mod session_repository;
mod snapshot_store;
mod sqlite_only;
mod strays;
mod task_leases;
mod users;
mod web_sessions;
mod workers;
