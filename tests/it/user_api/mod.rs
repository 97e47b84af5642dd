//! The documented User API through the routes that main mounts, on every database.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

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
mod keys;
mod live;
mod paging;
mod reconcile;
mod reports;
mod session;
mod status;
mod stream;
mod upstream;
mod workers;

/// What WAHA sends with a report, to show that it is WAHA's.
fn signature(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
