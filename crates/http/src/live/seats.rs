//! How many streams a user may have.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard_domain::UserId;
use tokio::sync::oneshot;

/// Users and their open streams, the oldest first.
pub(super) struct Seats {
    taken: Arc<Mutex<HashMap<UserId, VecDeque<Taken>>>>,
    most: usize,
    numbers: AtomicU64,
}

struct Taken {
    number: u64,
    /// Dropped to end the stream.
    _held: oneshot::Sender<()>,
}

/// A stream's place among those of its user; given back when dropped.
pub(super) struct Seat {
    user: UserId,
    number: u64,
    held: oneshot::Receiver<()>,
    taken: Arc<Mutex<HashMap<UserId, VecDeque<Taken>>>>,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most: most.max(1), numbers: AtomicU64::new(0) }
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        lock(&self.taken).values().map(VecDeque::len).sum()
    }

    /// A place for one more stream. If there are too many then, the oldest loses its place.
    pub(super) fn take(&self, user: &UserId) -> Seat {
        let (holder, held) = oneshot::channel();
        let mut users = lock(&self.taken);
        let seats = users.entry(user.clone()).or_default();
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        seats.push_back(Taken { number, _held: holder });
        if seats.len() > self.most {
            seats.pop_front();
        }
        drop(users);
        Seat { user: user.clone(), number, held, taken: Arc::clone(&self.taken) }
    }
}

impl Seat {
    /// Returns when the place is lost.
    pub(super) async fn lost(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.held).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut users = lock(&self.taken);
        if let Some(seats) = users.get_mut(&self.user) {
            seats.retain(|taken| taken.number != self.number);
            if seats.is_empty() {
                users.remove(&self.user);
            }
        }
    }
}

fn lock<T>(taken: &Mutex<T>) -> MutexGuard<'_, T> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_lost(seat: &mut Seat) -> bool {
        seat.lost().now_or_never().is_some()
    }

    #[test]
    fn the_oldest_stream_makes_room_for_the_newest_of_its_user_only() {
        let (seats, ana, ben) = (Seats::new(2), "ana".parse().unwrap(), "ben".parse().unwrap());
        let mut bens = seats.take(&ben);
        let (mut first, mut second) = (seats.take(&ana), seats.take(&ana));
        assert!(!is_lost(&mut first));
        let mut third = seats.take(&ana);
        assert_eq!([&mut first, &mut second, &mut third, &mut bens].map(is_lost), [true, false, false, false]);
    }

    #[test]
    fn whoever_lost_a_place_and_leaves_late_takes_nobody_elses_with_them() {
        let (seats, ana) = (Seats::new(1), "ana".parse().unwrap());
        let first = seats.take(&ana);
        drop(seats.take(&ana));
        let mut third = seats.take(&ana);
        drop(first);
        assert!(!is_lost(&mut third));
    }

    #[test]
    fn a_place_that_is_given_back_is_free_and_nothing_is_kept_of_a_user_who_left() {
        let (seats, ana) = (Seats::new(2), "ana".parse().unwrap());
        let (mut first, second) = (seats.take(&ana), seats.take(&ana));
        drop(second);
        let mut third = seats.take(&ana);
        assert_eq!([&mut first, &mut third].map(is_lost), [false, false]);
        assert_eq!(seats.taken(), 2);
        let fourth = seats.take(&ana);
        assert!(is_lost(&mut first));
        drop((first, third, fourth));
        assert!(lock(&seats.taken).is_empty());
    }
}
