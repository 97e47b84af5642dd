//! A list as it was at one moment: sorted, folded, immutable, and small.

mod build;
mod codec;
mod entry;
mod page;
mod read;
mod search;
#[cfg(test)]
mod testing;
mod varint;

pub use self::codec::Damaged;
use self::entry::PackedId;
pub use self::entry::{Entry, IdText};
pub use self::page::{Entries, Picked};
use self::read::Reader;
pub use self::search::Matches;
use crate::{Epoch, Group, GroupId, ListKind, ListVersion};

/// A list of groups or of contacts as it was at one moment, by folded name, then id.
///
/// Its entries lie end to end in four buffers, one for each kind of content, so that a search is one pass over text that
/// is nothing but names, or nothing but numbers. One `Block` every 16 entries tells where in the buffers they start; from
/// there to an entry the buffers are read on.
pub struct Snapshot {
    kind: ListKind,
    epoch: Epoch,
    version: ListVersion,
    /// Folded names, a line each.
    names: Box<str>,
    /// The digits of phone numbers, a line each; an empty one where there is no number to be known.
    numbers: Box<str>,
    /// What neither of these nor `heads` can say: names as they are shown, unless they are their own folded form, and ids
    /// that are not numbers.
    texts: Box<str>,
    /// How the rest is to be read: see `Head`.
    heads: Box<[u8]>,
    blocks: Box<[Block]>,
    len: u32,
    mine: u32,
}

/// Which entries of a list are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Without people whom the engine does not count among the account's contacts. All groups are the account's.
    Mine,
    /// With them.
    All,
}

/// Where some entries start, and which of them are [`View::Mine`].
///
/// The offsets are `usize`: a `u32` would save one byte an entry, and ask what to do with a list that outgrows it.
#[derive(Clone, Copy)]
struct Block {
    names: usize,
    numbers: usize,
    texts: usize,
    heads: usize,
    mine_before: u32,
    /// A bit for each entry, the first is the lowest.
    mine: u16,
}

impl Snapshot {
    /// Which list it is.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// Which pairing of the session it belongs to.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The name of its content: the kind, the epoch, and in order all that a client can see of the entries.
    pub fn version(&self) -> ListVersion {
        self.version
    }

    /// How many entries the view has.
    pub fn len(&self, view: View) -> usize {
        match view {
            View::Mine => self.mine as usize,
            View::All => self.len as usize,
        }
    }

    /// How much memory it holds, without the few bytes of itself.
    pub fn bytes(&self) -> usize {
        self.names.len() + self.numbers.len() + self.texts.len() + self.heads.len() + size_of_val(&*self.blocks)
    }

    /// The group of that id. Looks at every entry: lists of groups are short.
    pub fn group(&self, id: &GroupId) -> Option<Group> {
        let id = PackedId::of(id.as_str());
        self.iter().find(|entry| entry.id == id)?.to_group()
    }

    /// All groups, to apply changes to; none if it is a list of contacts.
    pub fn groups(&self) -> impl Iterator<Item = Group> {
        self.iter().filter_map(|entry| entry.to_group())
    }

    fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut reader = Reader::new(self);
        std::iter::from_fn(move || reader.read())
    }

    fn is_mine(&self, ordinal: u32) -> bool {
        self.blocks[Block::of(ordinal)].mine & Block::bit(ordinal) != 0
    }
}

impl Block {
    const ENTRIES: usize = u16::BITS as usize;

    /// The index of the block that has the entry.
    fn of(ordinal: u32) -> usize {
        ordinal as usize / Self::ENTRIES
    }

    /// The bit of the entry in its block.
    fn bit(ordinal: u32) -> u16 {
        1 << (ordinal % u16::BITS)
    }
}

/// Its entries are names and numbers: `{:?}` shows none, so that no log can hold them.
impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("kind", &self.kind)
            .field("epoch", &self.epoch)
            .field("version", &self.version)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
