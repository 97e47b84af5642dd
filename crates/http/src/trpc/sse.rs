//! Server-sent events, for `httpSubscriptionLink`: a greeting, then what the subscription yields, and a sign of life where
//! it yields nothing for a while.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::output::Data;
use super::{Error, Output, Transformer, envelope};

/// What a subscription yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<O> {
    /// A value, and the id by which a client that connects again says that it has seen it: not empty, and without line
    /// breaks and NUL, since `EventSource` would not take it.
    Tracked {
        /// The id.
        id: String,
        /// The value.
        data: O,
    },
    /// The subscription is over. Without this, a client connects again.
    Return,
    /// The subscription has failed and is over, unless the code is one that clients retry: those with the number -32603.
    Failed(Error),
}

/// How both ends of a subscription find out that the other is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how long a silence the client is sent a sign of life.
    pub ping: Duration,
    /// After how long a silence the client connects again: longer than that.
    pub reconnect: Duration,
}

impl Default for KeepAlive {
    /// Two pings may be lost, and proxies commonly close what has been silent for a minute.
    fn default() -> Self {
        Self { ping: Duration::from_secs(15), reconnect: Duration::from_secs(45) }
    }
}

/// What a subscription yields, made ready to be sent.
pub(super) type Events = BoxStream<'static, Event<Data>>;

impl<O: Output> Event<O> {
    pub(super) fn ready(self) -> Event<Data> {
        match self {
            Self::Tracked { id, data } => match Data::of(&data) {
                Ok(data) => Event::Tracked { id, data },
                Err(error) => Event::Failed(error),
            },
            Self::Return => Event::Return,
            Self::Failed(error) => Event::Failed(error),
        }
    }
}

/// After how long clients connect again: browsers differ if they are not told.
const RETRY_MILLIS: u32 = 3000;

/// The empty data is needed: `EventSource` drops events without.
const PING: &[u8] = b"event: ping\ndata: \n\n";
const RETURN: &[u8] = b"event: return\ndata: \n\n";

/// The body of an answer, an event at a time. That there is no subscription is an event, too.
pub(super) fn body(
    events: Result<Events, Error>,
    path: String,
    transformer: Transformer,
    keep_alive: Option<KeepAlive>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let silence = keep_alive.map_or(Duration::MAX, |keep_alive| keep_alive.ping);
    let events = events.unwrap_or_else(|error| stream::once(ready(Event::Failed(error))).boxed());
    let written = stream::unfold(Some((events, path)), move |open| async move {
        let (mut events, path) = open?;
        let mut guarded = AssertUnwindSafe(&mut events).catch_unwind();
        let event = match timeout(silence, guarded.next()).await {
            Err(_) => return Some((Bytes::from_static(PING), Some((events, path)))),
            // The panic hook has reported the panic.
            Ok(next) => next?.unwrap_or_else(|_| {
                tracing::error!(procedure = path, "a subscription panicked");
                Event::Failed(Error::internal())
            }),
        };
        Some(match event {
            Event::Tracked { id, data } if can_be_sent(&id) => (tracked(&id, &data, transformer), Some((events, path))),
            Event::Tracked { .. } => {
                tracing::error!(procedure = path, "the id of an event cannot be sent");
                (failed(&Error::internal(), &path, transformer), None)
            }
            Event::Return => (Bytes::from_static(RETURN), None),
            Event::Failed(error) => (failed(&error, &path, transformer), None),
        })
    });
    stream::once(ready(connected(keep_alive))).chain(written)
}

fn can_be_sent(id: &str) -> bool {
    !id.is_empty() && !id.contains(['\0', '\r', '\n'])
}

/// The greeting, plain JSON for every client. Without it clients never say that they have started.
fn connected(keep_alive: Option<KeepAlive>) -> Bytes {
    let options = keep_alive.map_or(String::new(), |keep_alive| {
        format!(r#""reconnectAfterInactivityMs":{}"#, keep_alive.reconnect.as_millis())
    });
    format!("event: connected\ndata: {{{options}}}\nretry: {RETRY_MILLIS}\n\n").into()
}

fn tracked(id: &str, data: &Data, transformer: Transformer) -> Bytes {
    let mut event = String::with_capacity(data.len() + id.len() + 64);
    event.push_str("data: ");
    envelope::write_data(&mut event, data, transformer);
    // Writing to a string cannot fail.
    let _ = write!(event, "\nid: {id}\n\n");
    event.into()
}

fn failed(error: &Error, path: &str, transformer: Transformer) -> Bytes {
    format!("event: serialized-error\ndata: {}\n\n", envelope::error(error, path, transformer)).into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::trpc::{Code, Date};

    fn tracked(id: &str, data: Json) -> Event<Json> {
        Event::Tracked { id: id.to_owned(), data }
    }

    fn subscribed<O: Output + 'static>(events: impl Stream<Item = Event<O>> + Send + 'static) -> Events {
        events.map(Event::ready).boxed()
    }

    /// All that is sent, an item for each write.
    async fn sent(events: Events, transformer: Transformer) -> Vec<String> {
        let body = body(Ok(events), "user.x".to_owned(), transformer, None);
        body.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect().await
    }

    #[tokio::test]
    async fn each_event_is_one_write_after_the_greeting() {
        let events = [tracked("1", json!({"a": "é\r\n\n"})), tracked("2.x y", json!(null)), Event::Return];

        let sent = sent(subscribed(stream::iter(events)), Transformer::Plain).await;

        assert_eq!(
            sent,
            [
                "event: connected\ndata: {}\nretry: 3000\n\n",
                "data: {\"a\":\"é\\r\\n\\n\"}\nid: 1\n\n",
                "data: null\nid: 2.x y\n\n",
                "event: return\ndata: \n\n",
            ]
        );
    }

    #[tokio::test]
    async fn data_and_errors_of_a_superjson_client_are_documents_and_the_greeting_is_not() {
        let event = Event::Tracked { id: "1".to_owned(), data: Date(chrono::DateTime::UNIX_EPOCH) };
        let failure = Event::Failed(Error::of(Code::NotFound));

        let sent = sent(subscribed(stream::iter([event, failure])), Transformer::Superjson).await;

        assert_eq!(sent[0], "event: connected\ndata: {}\nretry: 3000\n\n");
        let document = r#"{"json":"1970-01-01T00:00:00.000Z","meta":{"values":["Date"],"v":1}}"#;
        assert_eq!(sent[1], format!("data: {document}\nid: 1\n\n"));
        assert!(
            sent[2].starts_with("event: serialized-error\ndata: {\"json\":{\"message\":\"NOT_FOUND\""),
            "{}",
            sent[2]
        );
        assert!(sent[2].contains("\"path\":\"user.x\""), "{}", sent[2]);
    }

    #[tokio::test]
    async fn nothing_follows_the_end() {
        for end in [Event::Return, Event::Failed(Error::of(Code::Conflict))] {
            let sent = sent(subscribed(stream::iter([end, tracked("1", json!(1))])), Transformer::Plain).await;
            assert_eq!(sent.len(), 2, "{sent:?}");
        }
    }

    #[tokio::test]
    async fn a_stream_that_just_ends_ends_silently_so_that_clients_come_back() {
        let sent = sent(subscribed(stream::iter([tracked("1", json!(1))])), Transformer::Plain).await;

        assert_eq!(sent.last().unwrap(), "data: 1\nid: 1\n\n");
    }

    #[tokio::test]
    async fn an_id_that_clients_would_not_take_is_an_error_of_ours() {
        for id in ["", "a\nb", "a\rb", "a\0b"] {
            let events = [tracked(id, json!("secret")), tracked("1", json!(1))];
            let sent = sent(subscribed(stream::iter(events)), Transformer::Plain).await;
            assert_eq!(sent.len(), 2, "{id:?}: {sent:?}");
            assert!(sent[1].contains("INTERNAL_SERVER_ERROR") && !sent[1].contains("secret"), "{}", sent[1]);
        }
    }

    #[tokio::test]
    async fn a_stream_that_panics_ends_with_an_error_that_does_not_tell_why() {
        let events = stream::iter([1, 0]).map(|n| if n == 0 { panic!("the cause") } else { tracked("1", json!(n)) });

        let sent = sent(subscribed(events), Transformer::Plain).await;

        assert_eq!(sent.len(), 3, "{sent:?}");
        assert!(sent[2].contains("INTERNAL_SERVER_ERROR") && !sent[2].contains("the cause"), "{}", sent[2]);
    }

    #[tokio::test]
    async fn an_output_that_is_no_json_ends_the_subscription() {
        struct Broken;
        impl serde::Serialize for Broken {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("broken"))
            }
        }
        impl Output for Broken {}
        let event = Event::Tracked { id: "1".to_owned(), data: Broken };

        let sent = sent(subscribed(stream::iter([event])), Transformer::Plain).await;

        assert!(sent.len() == 2 && sent[1].contains("INTERNAL_SERVER_ERROR"), "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_pings_and_only_silence() {
        let (events, receiver) = mpsc::unbounded_channel();
        let received = stream::unfold(receiver, async |mut events| Some((events.recv().await?, events)));
        let keep_alive = KeepAlive { ping: Duration::from_secs(10), reconnect: Duration::from_millis(30_500) };
        let body = body(Ok(subscribed(received)), "user.x".to_owned(), Transformer::Plain, Some(keep_alive));
        let started = Instant::now();
        tokio::spawn(async move {
            for (seconds, event) in [(4, tracked("1", json!(1))), (9, tracked("2", json!(2))), (25, Event::Return)] {
                sleep(Duration::from_secs(seconds)).await;
                events.send(event).unwrap();
            }
        });

        let sent: Vec<_> = body
            .map(|bytes| {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                (started.elapsed().as_secs(), text.lines().next().unwrap().to_owned(), text)
            })
            .collect()
            .await;

        let times: Vec<_> = sent.iter().map(|(seconds, line, _)| (*seconds, line.as_str())).collect();
        assert_eq!(
            times,
            [
                (0, "event: connected"),
                (4, "data: 1"),
                (13, "data: 2"),
                (23, "event: ping"),
                (33, "event: ping"),
                (38, "event: return"),
            ]
        );
        assert_eq!(sent[0].2, "event: connected\ndata: {\"reconnectAfterInactivityMs\":30500}\nretry: 3000\n\n");
        assert_eq!(sent[3].2, "event: ping\ndata: \n\n");
    }

    #[test]
    fn a_ping_comes_long_before_clients_lose_patience() {
        let KeepAlive { ping, reconnect } = KeepAlive::default();
        assert!(ping * 3 <= reconnect);
    }

    #[test]
    fn ten_thousand_of_them_fit_in_a_process() {
        let body = body(Ok(subscribed(stream::pending::<Event<Json>>())), String::new(), Transformer::Plain, None);
        assert!(size_of_val(&body) <= 1024, "{}", size_of_val(&body));
    }
}
