//! A list as it was at one moment: sorted, folded, immutable.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};

use crate::{Contact, Epoch, Group, SearchTerm, fold};

/// A list as WAHA gave it, in the order in which it is paged.
pub(super) struct Snapshot<E> {
    pub(super) entries: Vec<E>,
    pub(super) version: String,
    pub(super) synced_at: DateTime<Utc>,
}

/// An entry of a list: what is shown of it, and how it is sorted and found.
pub(super) trait Entry: Send + Sync + 'static {
    /// What a client gets.
    type Item: for<'a> From<&'a Self> + Send + 'static;

    /// Folded name, then id: the order of the list.
    fn key(&self) -> (&str, &str);

    /// What else of it a client can see: with the key all that a version covers.
    fn shown(&self) -> (&str, bool);

    /// Whether a search finds it.
    fn matches(&self, term: &SearchTerm) -> bool;
}

impl<E: Entry> Snapshot<E> {
    /// Sorts the entries and names their content.
    pub(super) fn build(entries: impl Iterator<Item = E>, epoch: Epoch, synced_at: DateTime<Utc>) -> Self {
        let mut entries: Vec<E> = entries.collect();
        entries.sort_by(|a, b| a.key().cmp(&b.key()));
        // Fixed keys: the same content has the same version on every replica of the same build.
        let mut hasher = DefaultHasher::new();
        epoch.hash(&mut hasher);
        for entry in &entries {
            (entry.key(), entry.shown()).hash(&mut hasher);
        }
        Self { entries, version: format!("{:016x}", hasher.finish()), synced_at }
    }
}

/// A group and its folded name.
pub(super) struct GroupEntry {
    pub(super) group: Group,
    folded: String,
}

impl GroupEntry {
    pub(super) fn new(group: Group) -> Self {
        Self { folded: fold(&group.name), group }
    }
}

impl Entry for GroupEntry {
    type Item = Group;

    fn key(&self) -> (&str, &str) {
        (&self.folded, self.group.id.as_str())
    }

    fn shown(&self) -> (&str, bool) {
        (&self.group.name, true)
    }

    fn matches(&self, term: &SearchTerm) -> bool {
        term.matches_name(&self.folded)
    }
}

impl From<&GroupEntry> for Group {
    fn from(entry: &GroupEntry) -> Self {
        entry.group.clone()
    }
}

/// A contact and its folded name.
pub(super) struct ContactEntry {
    pub(super) contact: Contact,
    folded: String,
}

impl ContactEntry {
    pub(super) fn new(contact: Contact) -> Self {
        Self { folded: fold(&contact.name), contact }
    }
}

impl Entry for ContactEntry {
    type Item = Contact;

    fn key(&self) -> (&str, &str) {
        (&self.folded, self.contact.id.as_str())
    }

    fn shown(&self) -> (&str, bool) {
        (&self.contact.name, self.contact.is_mine)
    }

    fn matches(&self, term: &SearchTerm) -> bool {
        term.matches_name(&self.folded)
            || self.contact.id.phone_digits().is_some_and(|digits| term.matches_digits(digits))
    }
}

impl From<&ContactEntry> for Contact {
    fn from(entry: &ContactEntry) -> Self {
        entry.contact.clone()
    }
}
