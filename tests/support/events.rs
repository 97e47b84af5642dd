//! Streams of a session's state, as their clients read them.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;
use tokio::time::timeout;

/// The two ways to watch a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// `GET /v1/sessions/{name}/events`
    Rest,
    /// `user.onSessionStatus`
    Trpc,
}

impl Door {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Rest, Self::Trpc];
}

/// What a stream tells, whichever way it is watched.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A state, and the id of its event.
    State {
        /// The id.
        id: String,
        /// The state.
        state: Value,
    },
    /// Nothing but that it lives.
    SignOfLife,
    /// That it is over for good: `end`, or tRPC's `return`.
    Over,
    /// That it ends against the client's will, with this HTTP status.
    Refused(u64),
    /// The server closed it without a word.
    Closed,
}

/// A stream that is open.
#[derive(Debug)]
pub struct LiveStream {
    response: Response,
    unread: String,
    /// After how many milliseconds a client comes back, as it was told last.
    pub retry: Option<u64>,
}

impl LiveStream {
    /// Longer than anything takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Opens it.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn open(request: RequestBuilder) -> Self {
        let response = timeout(Self::PATIENCE, request.send()).await.expect("in time").expect("the server answers");
        assert_eq!(response.status(), 200, "{response:?}");
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers().get(name).expect(name), value);
        }
        Self { response, unread: String::new(), retry: None }
    }

    /// What it tells next.
    ///
    /// # Panics
    /// If it tells nothing for long, or nothing that can be understood.
    pub async fn told(&mut self) -> Told {
        timeout(Self::PATIENCE, self.next()).await.expect("the stream tells something")
    }

    /// The same, if there is something within that time.
    pub async fn told_within(&mut self, time: Duration) -> Option<Told> {
        timeout(time, self.next()).await.ok()
    }

    /// The next state, and its id.
    ///
    /// # Panics
    /// If the stream ends instead.
    pub async fn tracked(&mut self) -> (String, Value) {
        loop {
            match self.told().await {
                Told::State { id, state } => return (id, state),
                Told::SignOfLife => {}
                other => panic!("{other:?} instead of a state"),
            }
        }
    }

    /// The next state.
    ///
    /// # Panics
    /// If the stream ends instead.
    pub async fn state(&mut self) -> Value {
        self.tracked().await.1
    }

    /// The first state that is so.
    ///
    /// # Panics
    /// If none is for long.
    pub async fn until(&mut self, so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        let searching = async {
            loop {
                let state = self.state().await;
                if so(&state) {
                    return state;
                }
                seen.push(state["status"].to_string());
            }
        };
        let found = timeout(Self::PATIENCE, searching).await;
        found.unwrap_or_else(|_| panic!("no such state after {seen:?}"))
    }

    /// How it ends, whatever states it tells before that.
    ///
    /// # Panics
    /// If it does not.
    pub async fn ending(&mut self) -> Told {
        loop {
            match self.told().await {
                Told::State { .. } | Told::SignOfLife => {}
                end => return end,
            }
        }
    }

    async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.block().as_deref().and_then(|block| self.read(block)) {
                return told;
            }
            if !self.unread.contains("\n\n") {
                match self.response.chunk().await {
                    Ok(Some(chunk)) => self.unread.push_str(std::str::from_utf8(&chunk).expect("whole characters")),
                    Ok(None) | Err(_) => return Told::Closed,
                }
            }
        }
    }

    /// The lines of the next event, if they are here.
    fn block(&mut self) -> Option<String> {
        let (block, rest) = self.unread.split_once("\n\n")?;
        let (block, rest) = (block.to_owned(), rest.to_owned());
        self.unread = rest;
        Some(block)
    }

    /// What an event says; `None` for one that clients keep to themselves.
    fn read(&mut self, block: &str) -> Option<Told> {
        let field = |name: &str| {
            let of_line = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(|v| v.trim_start().to_owned());
            block.lines().find_map(of_line)
        };
        if let Some(retry) = field("retry") {
            self.retry = Some(retry.parse().expect("milliseconds"));
        }
        let data = || serde_json::from_str::<Value>(&field("data").expect("events without data are dropped"));
        let event = field("event");
        Some(match event.as_deref() {
            // tRPC's values have no name.
            Some("status") | None if field("id").is_some() => {
                Told::State { id: field("id")?, state: data().expect("a state is JSON") }
            }
            None if block.starts_with(':') => Told::SignOfLife,
            Some("ping") => Told::SignOfLife,
            Some("end" | "return") => {
                assert!(field("data").is_some(), "events without data are dropped");
                Told::Over
            }
            Some("error") => Told::Refused(data().expect("a problem")["status"].as_u64().expect("a status")),
            Some("serialized-error") => {
                let error = data().expect("an error");
                Told::Refused(error["data"]["httpStatus"].as_u64().expect("a status"))
            }
            Some("connected") | None => return None,
            Some(other) => panic!("{other}: no such event\n{block}"),
        })
    }
}
