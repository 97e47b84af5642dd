//! Everything that is tested across crates, in one binary.

/// Runs each of these on an app of its own, on every database.
#[cfg(test)]
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

// `cfg(test)` goes without saying here; said, it tells clippy that an `unwrap` below is an assertion.
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod model;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod typescript;
#[cfg(test)]
mod user_api;
