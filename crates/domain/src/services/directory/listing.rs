//! A page of a list, and how much it is worth.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{Entry, Limit, ListVersion, Picked, SearchTerm, Snapshot};

/// Which entries of a list a client wants.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// At most this many.
    pub limit: Limit,
    /// From this offset on.
    pub cursor: u64,
    /// Only those found by this.
    pub search: Option<SearchTerm>,
    /// Only from this version of the list, so that pages fit together.
    pub version: Option<String>,
}

/// A page of a list, and how much it is worth.
#[derive(Debug)]
pub struct Listing {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) picked: Picked,
    /// When WAHA was asked for it.
    pub synced_at: DateTime<Utc>,
    /// Whether it is older than it should be: WAHA could not be asked, or nobody asked for a while.
    pub stale: bool,
    /// Whether WhatsApp may still be filling it after a pairing.
    pub syncing: bool,
    /// Whether WhatsApp may have cut it at its cap.
    pub possibly_truncated: bool,
}

impl Listing {
    /// The entries, in the list's order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.snapshot.entries(&self.picked)
    }

    /// The offset of the next page; `None` on the last one.
    pub fn next_cursor(&self) -> Option<u64> {
        self.picked.next_cursor()
    }

    /// How many entries there are on all pages together.
    pub fn total(&self) -> u64 {
        self.picked.total()
    }

    /// Names the list's content; equal content has equal versions, on every replica.
    pub fn version(&self) -> ListVersion {
        self.snapshot.version()
    }
}
