//! The documented User API through the routes that main mounts, on every database.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

mod adopt;
mod audit;
mod connect;
mod directory;
mod erase;
mod freshness;
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

pub(crate) use keys::have_key;

/// What WAHA sends with a report, to show that it is WAHA's.
fn signature(key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
