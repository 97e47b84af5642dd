//! How often what is asked for is in memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something was looked for in a memory since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// How often it was there.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
}

/// Counts that.
#[derive(Default)]
pub(super) struct HitCounter {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl HitCounter {
    /// What was looked for, counted.
    pub(super) fn count<T>(&self, found: Option<T>) -> Option<T> {
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(super) fn so_far(&self) -> Hits {
        Hits { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }
}
