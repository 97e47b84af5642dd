//! A bus for replicas that are one process.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::ports::{EventBus, Heard, Notice};

/// Carries notices within a process: for a database that only one process may have, and the last part of the way on a bus
/// between processes.
#[derive(Clone, Debug)]
pub struct LocalBus(broadcast::Sender<Heard>);

impl LocalBus {
    /// How many notices a listener may be behind before it hears of a gap.
    const CAPACITY: usize = 4096;

    /// Tells everybody in this process.
    pub fn tell(&self, heard: Heard) {
        // It fails where nobody listens, who then misses nothing.
        let _ = self.0.send(heard);
    }
}

impl Default for LocalBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(Self::CAPACITY))
    }
}

impl EventBus for LocalBus {
    fn publish(&self, notice: Notice) {
        self.tell(Heard::Notice(notice));
    }

    fn listen(&self) -> BoxStream<'static, Heard> {
        let next = async |mut heard: broadcast::Receiver<Heard>| match heard.recv().await {
            Ok(one) => Some((one, heard)),
            Err(RecvError::Lagged(_)) => Some((Heard::Gap, heard)),
            Err(RecvError::Closed) => None,
        };
        stream::unfold(self.0.subscribe(), next).boxed()
    }
}
