//! The documented User API through the routes that main mounts, on every database.

/// Runs each of these on an app of its own, on every database.
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(support::stores::Stores::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(stores) = support::stores::Stores::postgres().await {
                    super::$name(stores).await;
                }
            })+
        }
    };
}

mod connect;
mod directory;
mod freshness;
mod isolation;
mod paging;
mod reports;
mod session;
mod stream;
mod upstream;
