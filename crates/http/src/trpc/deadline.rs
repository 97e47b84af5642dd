//! The time that calls may take.

use std::pin::pin;

use futures_util::future::poll_immediate;
use tokio::time::{Instant, timeout_at};

use super::{Code, Error};

/// What comes of it by then.
///
/// # Errors
/// [`too_long`], if nothing does.
pub(crate) async fn by<F: Future>(until: Option<Instant>, future: F) -> Result<F::Output, Error> {
    let mut future = pin!(future);
    // Most are there at once, and need no timer.
    if let Some(output) = poll_immediate(&mut future).await {
        return Ok(output);
    }
    match until {
        Some(until) => timeout_at(until, future).await.map_err(|_elapsed| too_long()),
        None => Ok(future.await),
    }
}

/// The call is not waited for any longer. What it has begun goes on: whoever asks again finds it under way, or done.
pub(crate) fn too_long() -> Error {
    let message = "This takes longer than anybody waits, and may still be done: look again in a moment";
    Error::new(Code::GatewayTimeout, message).with_reason("deadline")
}
