//! How entries lie in a snapshot's buffers, and how they are read from there.

use memchr::memchr;

use super::entry::{Entry, PackedId, User};
use super::varint;
use super::{Block, Snapshot};
use crate::ChatKind;

/// What the buffers of text do not say about one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How many bytes of text are its name as it is shown; `None` if that is its folded name.
    pub(super) name: Option<usize>,
    /// On which server it is.
    pub(super) kind: ChatKind,
    /// Where the rest of its id is.
    pub(super) user: Place,
}

/// Where the part of an id is that its kind does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the line of the phone number.
    Phone,
    /// It is here.
    Number(u64),
    /// It is so many bytes of text, after the name's.
    Text(usize),
}

impl Head {
    /// A byte of tags, then the numbers they call for.
    pub(super) fn write(self, heads: &mut Vec<u8>) {
        let kind = match self.kind {
            ChatKind::Person => 0,
            ChatKind::HiddenPerson => 1,
            ChatKind::Group => 2,
            ChatKind::Other => 3,
        };
        let user = match self.user {
            Place::Phone => 0,
            Place::Number(_) => 1,
            Place::Text(_) => 2,
        };
        heads.push(kind | user << 2 | u8::from(self.name.is_some()) << 4);
        if let Some(len) = self.name {
            varint::write(heads, len);
        }
        match self.user {
            Place::Phone => {}
            // WhatsApp's numbers would fill as many bytes of a shorter form.
            Place::Number(number) => heads.extend(number.to_le_bytes()),
            Place::Text(len) => varint::write(heads, len),
        }
    }

    fn read(heads: &mut &[u8]) -> Option<Self> {
        let tags = *heads.split_off_first()?;
        let kind = match tags & 0b11 {
            0 => ChatKind::Person,
            1 => ChatKind::HiddenPerson,
            2 => ChatKind::Group,
            _ => ChatKind::Other,
        };
        let name = if tags >> 4 == 0 { None } else { Some(varint::read(heads)?) };
        let user = match tags >> 2 & 0b11 {
            0 => Place::Phone,
            1 => {
                let (number, rest) = heads.split_first_chunk()?;
                *heads = rest;
                Place::Number(u64::from_le_bytes(*number))
            }
            _ => Place::Text(varint::read(heads)?),
        };
        Some(Self { name, kind, user })
    }
}

/// Reads a snapshot's entries one after the other.
pub(super) struct Reader<'a> {
    snapshot: &'a Snapshot,
    /// Which entry is next.
    ordinal: u32,
    // What is left of each buffer from that entry on.
    names: &'a str,
    numbers: &'a str,
    texts: &'a str,
    heads: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From the first entry on.
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            ordinal: 0,
            names: &snapshot.names,
            numbers: &snapshot.numbers,
            texts: &snapshot.texts,
            heads: &snapshot.heads,
        }
    }

    /// The next entry, until there is none.
    pub(super) fn read(&mut self) -> Option<Entry<'a>> {
        let head = Head::read(&mut self.heads)?;
        let folded = take_line(&mut self.names)?;
        let digits = take_line(&mut self.numbers)?;
        let name = match head.name {
            Some(len) => take(&mut self.texts, len)?,
            None => folded,
        };
        let user = match head.user {
            Place::Phone => User::Phone(digits),
            Place::Number(number) => User::Number(number),
            Place::Text(len) => User::Text(take(&mut self.texts, len)?),
        };
        let is_mine = self.snapshot.is_mine(self.ordinal);
        self.ordinal += 1;
        Some(Entry { list: self.snapshot.kind, name, id: PackedId { kind: head.kind, user }, is_mine })
    }

    /// The entry of that ordinal, which is not before the last one read.
    pub(super) fn read_at(&mut self, ordinal: u32) -> Option<Entry<'a>> {
        // In the present block nothing is nearer than where the reader stands.
        if Block::of(ordinal) != Block::of(self.ordinal) {
            self.jump_to_block_of(ordinal);
        }
        while self.ordinal < ordinal {
            self.read()?;
        }
        self.read()
    }

    fn jump_to_block_of(&mut self, ordinal: u32) {
        let block = &self.snapshot.blocks[Block::of(ordinal)];
        self.ordinal = ordinal - ordinal % u16::BITS;
        self.names = &self.snapshot.names[block.names..];
        self.numbers = &self.snapshot.numbers[block.numbers..];
        self.texts = &self.snapshot.texts[block.texts..];
        self.heads = &self.snapshot.heads[block.heads..];
    }
}

fn take_line<'a>(text: &mut &'a str) -> Option<&'a str> {
    let line = take(text, memchr(b'\n', text.as_bytes())?)?;
    *text = &text[1..];
    Some(line)
}

fn take<'a>(text: &mut &'a str, len: usize) -> Option<&'a str> {
    let (taken, rest) = text.split_at_checked(len)?;
    *text = rest;
    Some(taken)
}
