//! The directory's models: what a list of groups or contacts is, apart from where it comes from and where it is kept.

mod changes;
mod event;
mod kind;
mod snapshot;
mod version;

pub(crate) use changes::GroupChanges;
pub use event::{GroupChange, GroupEvent};
pub use kind::ListKind;
pub use snapshot::{Damaged, Entries, Entry, IdText, Matches, Picked, Snapshot, View};
pub use version::ListVersion;
