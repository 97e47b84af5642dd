//! The keys of an identity provider: fetched, held, renewed (RFC 7517).

mod key_set;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Algorithm;
use switchboard_domain::ports::Clock;
use tokio::sync::{Notify, watch};

pub(super) use self::key_set::Key;
use self::key_set::{Found, KeySet};
use super::NotSignedIn;

/// Where the keys are.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The document as it is now: at most [`Jwks::MAX_BYTES`]. It is given up after [`Jwks::DEADLINE`].
    ///
    /// # Errors
    /// [`KeysOutOfReach`] if it cannot be had.
    async fn fetch(&self) -> Result<Vec<u8>, KeysOutOfReach>;
}

/// Why there is no document: for the log, and so without anything secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeysOutOfReach(pub String);

/// A document holds no key with which a token could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON Web Key Set with a public key for RS256, ES256 or EdDSA")]
pub struct NoUsableKey;

/// The keys that are held. They are renewed as long as somebody runs [`SignIn::keep_fresh`](super::SignIn::keep_fresh).
pub struct Jwks {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    held: watch::Sender<Held>,
    /// As in `held`, for those who look with every request.
    generation: AtomicU64,
    /// Somebody showed a token that is signed with another key.
    wanted: Notify,
}

struct Held {
    keys: KeySet,
    /// How often they have changed.
    generation: u64,
    /// Whether they were ever had.
    is_known: bool,
    /// When they may be fetched again.
    next_at: DateTime<Utc>,
}

/// Which key a token is checked with.
pub(super) enum Wanted {
    /// That one, of that generation of keys.
    Key(Arc<Key>, u64),
    /// It may be among newer ones.
    Unknown,
    /// None that there will ever be.
    Never(&'static str),
}

impl Jwks {
    /// The largest document that is read.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// How long it may take to come.
    pub const DEADLINE: Duration = Duration::from_secs(5);
    /// How often the keys are renewed: how long one that was withdrawn is still believed at most, if they can be had.
    pub const EVERY: Duration = Duration::from_mins(5);
    /// How far apart any two fetches are, whatever is shown. After one that failed, the next follows at once.
    pub const APART: Duration = Duration::from_secs(30);

    /// Keys from there; none are held yet.
    pub fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Self {
        let held = Held { keys: KeySet::default(), generation: 0, is_known: false, next_at: DateTime::<Utc>::MIN_UTC };
        Self { source, clock, held: watch::Sender::new(held), generation: AtomicU64::new(0), wanted: Notify::new() }
    }

    /// Whether a document would do.
    ///
    /// # Errors
    /// [`NoUsableKey`] if not.
    pub fn check(document: &[u8]) -> Result<(), NoUsableKey> {
        let keys = KeySet::parse(document).map_err(|_| NoUsableKey)?;
        if keys.is_empty() { Err(NoUsableKey) } else { Ok(()) }
    }

    /// Fetches the keys, again and again, for ever: in one task, so that one fetch at a time is under way.
    pub(super) async fn keep_fresh(&self) {
        loop {
            let patience = if self.fetch().await { Self::EVERY.saturating_sub(Self::APART) } else { Duration::ZERO };
            self.clock.sleep(Self::APART).await;
            tokio::select! {
                () = self.clock.sleep(patience) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Returns whether they were had. Those that are held stay until others can be.
    async fn fetch(&self) -> bool {
        let fetched = tokio::select! {
            biased;
            fetched = self.source.fetch() => fetched,
            () = self.clock.sleep(Self::DEADLINE) => Err(KeysOutOfReach("no answer in time".to_owned())),
        };
        let fetched = fetched.and_then(|document| {
            KeySet::parse(&document).map_err(|error| KeysOutOfReach(format!("not a JSON Web Key Set: {error}")))
        });
        let is_had = fetched.is_ok();
        self.held.send_modify(|held| {
            held.next_at = self.clock.now() + TimeDelta::from_std(Self::APART).unwrap_or_default();
            match fetched {
                Ok(keys) => held.take(keys),
                Err(error) => {
                    tracing::warn!(%error, held = held.keys.len(), "the keys of the identity provider cannot be fetched");
                }
            }
            // Under the lock of `held`: the two are never the wrong way round.
            self.generation.store(held.generation, Ordering::Release);
        });
        is_had
    }

    /// How often the keys have changed. What was checked with the keys of another generation is to be checked again.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The key of that id for that algorithm; the only one for it, if a token names none.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Wanted {
        let held = self.held.borrow();
        match held.keys.find(kid, algorithm) {
            Found::Key(key) => Wanted::Key(key, held.generation),
            Found::Mismatch => Wanted::Never("the key is for another algorithm"),
            Found::Ambiguous => Wanted::Never("it does not say which of several keys"),
            Found::None => Wanted::Unknown,
        }
    }

    /// Whether that is one of the keys that are held, whatever else is said of it by now.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.held.borrow().keys.has(key)
    }

    /// Waits for keys that are newer than those that are held, unless they were fetched a moment ago.
    ///
    /// # Errors
    /// [`NotSignedIn::Unavailable`] if there never were any.
    pub(super) async fn renewed(&self) -> Result<(), NotSignedIn> {
        // From here on each fetch that ends is seen.
        let mut held = self.held.subscribe();
        self.wanted.notify_one();
        let is_pausing = self.clock.now() < held.borrow().next_at;
        if !is_pausing {
            tokio::select! {
                // The sender is `self`.
                _ = held.changed() => {}
                () = self.clock.sleep(Self::DEADLINE) => {}
            }
        }
        let held = held.borrow();
        if held.is_known {
            return Ok(());
        }
        let retry_after = (held.next_at - self.clock.now()).to_std().unwrap_or_default().min(Self::APART);
        Err(NotSignedIn::Unavailable { retry_after: retry_after.max(Duration::from_secs(1)) })
    }
}

impl Held {
    fn take(&mut self, keys: KeySet) {
        if keys.is_empty() {
            tracing::warn!("the identity provider has no key that can be used: nobody can sign in with its tokens");
        }
        if !self.is_known || keys != self.keys {
            self.keys = keys;
            self.generation += 1;
            self.is_known = true;
            tracing::info!(keys = self.keys.len(), "the identity provider has other keys than before");
        }
    }
}

#[cfg(test)]
mod tests;
