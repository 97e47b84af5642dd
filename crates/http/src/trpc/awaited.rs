//! A call that somebody waits for, unless they hang up.

use super::{Code, Error};

/// Whoever is told what comes of a call: once, and that its client hung up if it is dropped before anything came of it.
pub(crate) struct Awaited<F: FnMut(Option<&Error>)> {
    tell: F,
    is_told: bool,
}

impl<F: FnMut(Option<&Error>)> Awaited<F> {
    pub(crate) fn new(tell: F) -> Self {
        Self { tell, is_told: false }
    }

    /// It came to this; no error is success.
    pub(crate) fn came_to(mut self, error: Option<&Error>) {
        self.is_told = true;
        (self.tell)(error);
    }
}

impl<F: FnMut(Option<&Error>)> Drop for Awaited<F> {
    fn drop(&mut self) {
        if !self.is_told {
            (self.tell)(Some(&Error::of(Code::ClientClosedRequest)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use serde_json::json;
    use tracing::Span;

    use super::super::{Call, ConnectionParams, Observer, Request, Router};
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(Option<&'static str>, Option<Code>)>>);

    impl Observer<()> for Heard {
        fn span(&self, (): &(), _: Option<&Call<'static>>) -> Span {
            Span::none()
        }

        fn called(&self, (): &(), call: Option<&Call<'static>>, _: &Span, error: Option<&Error>, _: Duration) {
            self.0.lock().unwrap().push((call.map(|call| call.path), error.map(Error::code)));
        }

        fn refused(&self, _: &Error) {}
    }

    #[test]
    fn each_call_is_told_of_once_and_who_hung_up_is_told_of_too() {
        let heard = Arc::new(Heard::default());
        let router = Router::new(|(): &(), _| Ok(()))
            .mutation("done", async |(), (): ()| Ok(json!(null)))
            .mutation("under way", async |(), (): ()| std::future::pending::<Result<serde_json::Value, Error>>().await)
            .observed_by(heard.clone());
        let call = |path| {
            let request = Request {
                method: "POST",
                path,
                query: "",
                content_type: Some("application/json"),
                trpc_accept: None,
                accept: None,
                last_event_id: None,
                body: Ok(Bytes::new()),
            };
            router.handle(|_: &ConnectionParams| (), &request).now_or_never().map(|response| response.status)
        };
        assert_eq!((call("done"), call("under%20way")), (Some(200), None));
        let told = [(Some("done"), None), (Some("under way"), Some(Code::ClientClosedRequest))];
        assert_eq!(*heard.0.lock().unwrap(), told);
    }
}
