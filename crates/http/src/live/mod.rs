//! Streams of a session's state: who may have how many, what they carry, and when they end.

mod events;
mod seats;
mod state;

use std::sync::Arc;
use std::time::Duration;

use switchboard_domain::SessionName;
use switchboard_domain::ports::Clock;
use switchboard_domain::services::Watcher;
use tokio::sync::watch;

pub(crate) use self::events::answer as events;
use self::seats::{Seat, Seats};
pub(crate) use self::state::StateOutput;
use crate::State;
use crate::auth::{Principal, Standing};
use crate::trpc::{self, Code};

/// The open streams of this process.
pub struct Live {
    seats: Seats,
    clock: Arc<dyn Clock>,
    stopping: watch::Sender<bool>,
}

impl Live {
    /// Streams a user may have open, unless said otherwise: a few windows on a few devices.
    pub const STREAMS_PER_USER: usize = 10;

    /// No streams yet, and at most so many a user.
    pub fn new(streams_per_user: usize, clock: Arc<dyn Clock>) -> Self {
        Self { seats: Seats::new(streams_per_user), clock, stopping: watch::Sender::new(false) }
    }

    /// How many streams are open.
    pub fn open(&self) -> usize {
        self.seats.taken()
    }

    /// Ends all streams, and those that are opened from now on: the process stops, and clients come back to another one.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Whether the process is about to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}

/// What a stream tells.
pub(crate) enum Told {
    /// The session is like this now.
    State(StateOutput),
    /// That was the last state: the user has logged out.
    Over,
    /// The stream ends against the client's will.
    Refused(trpc::Error),
    /// The process stops.
    Stopping,
}

/// One open stream.
pub(crate) struct Stream {
    state: Arc<State>,
    watcher: Watcher,
    seat: Seat,
    stopping: watch::Receiver<bool>,
    standing: Standing,
}

impl Stream {
    /// Opens a stream of the principal's session of that name. If they have too many, their oldest ends.
    ///
    /// # Errors
    /// Those of [`switchboard_domain::services::WatchSession::run`].
    pub(crate) async fn open(
        state: Arc<State>,
        principal: Arc<Principal>,
        name: &SessionName,
    ) -> Result<Self, switchboard_domain::Error> {
        let watcher = state.services.watch.run(&principal.user, name).await?;
        let (seat, stopping) = (state.live.seats.take(&principal.user), state.live.stopping.subscribe());
        let standing = Standing::new(principal, &state.sign_in);
        Ok(Self { state, watcher, seat, stopping, standing })
    }

    /// What there is to tell next. Nothing is lost if the caller does not wait for it.
    pub(crate) async fn next(&mut self) -> Told {
        let Self { state, watcher, seat, stopping, standing } = self;
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => Told::Stopping,
            () = seat.lost() => Told::Refused(displaced()),
            why = standing.lost(&state.sign_in) => Told::Refused(why.into()),
            state = watcher.next() => state.map_or(Told::Over, |state| Told::State(StateOutput::from(&*state))),
        }
    }

    /// The same; `None` if there is nothing to tell for that long.
    pub(crate) async fn next_within(&mut self, silence: Duration) -> Option<Told> {
        let clock = Arc::clone(&self.state.live.clock);
        tokio::select! {
            biased;
            told = self.next() => Some(told),
            () = clock.sleep(silence) => None,
        }
    }
}

/// The user has opened more streams than they may have, and this was the oldest.
pub(crate) fn displaced() -> trpc::Error {
    let message = "Too many streams are open: this one made room for a newer one";
    trpc::Error::new(Code::TooManyRequests, message).with_reason("too_many_streams")
}
