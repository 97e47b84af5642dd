//! One entry of a snapshot, and its id in few bytes.

use std::fmt::{self, Write as _};

use crate::parse::hidden;
use crate::{ChatId, ChatKind, Contact, Group, ListKind};

/// An entry of a [`Snapshot`](super::Snapshot), which it borrows from.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub(super) list: ListKind,
    pub(super) name: &'a str,
    pub(super) id: PackedId<'a>,
    pub(super) is_mine: bool,
}

impl<'a> Entry<'a> {
    /// The name as it is shown.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The id.
    pub fn id(&self) -> IdText {
        let mut text = IdText { bytes: [0; ChatId::MAX_BYTES], len: 0 };
        write!(text, "{}", self.id).expect("an id is not longer than what it was packed from");
        text
    }

    /// The digits of the phone number; empty where none is known.
    pub fn number(&self) -> &'a str {
        self.id.phone().unwrap_or_default()
    }

    /// Whether it is in [`View::Mine`](super::View::Mine).
    pub fn is_mine(&self) -> bool {
        self.is_mine
    }

    /// The entry of a list of groups.
    pub fn to_group(&self) -> Option<Group> {
        let id = self.id().as_str().parse().ok().filter(|_| self.list == ListKind::Groups)?;
        Some(Group { id, name: self.name.to_owned() })
    }

    /// The entry of a list of contacts.
    pub fn to_contact(&self) -> Option<Contact> {
        let id = self.id().as_str().parse().ok().filter(|_| self.list == ListKind::Contacts)?;
        Some(Contact { id, name: self.name.to_owned(), is_mine: self.is_mine })
    }
}

/// It is a name and a number: `{:?}` hides them, so that no log can hold them.
impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(…)")
    }
}

/// The text of an id, without a heap allocation.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; ChatId::MAX_BYTES],
    len: usize,
}

impl IdText {
    /// The text.
    pub fn as_str(&self) -> &str {
        // Nothing but whole texts is ever written into it.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl fmt::Write for IdText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

hidden!(IdText);

/// An id, taken apart into what takes few bytes. Equal ids are taken apart equally.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedId<'a> {
    pub(super) kind: ChatKind,
    pub(super) user: User<'a>,
}

/// What the kind of an id does not tell of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum User<'a> {
    /// The phone number of a [`ChatKind::Person`]: kept where it is searched, and only there.
    Phone(&'a str),
    /// Decimal digits that are a number's only way to be written.
    Number(u64),
    /// Anything else.
    Text(&'a str),
}

impl<'a> PackedId<'a> {
    pub(super) fn of(id: &'a str) -> Self {
        let (user, kind) = ChatKind::split(id);
        let user = if !user.bytes().all(|b| b.is_ascii_digit()) {
            User::Text(user)
        } else if kind == ChatKind::Person {
            User::Phone(user)
        } else {
            user.parse().ok().filter(|_| !user.starts_with('0')).map_or(User::Text(user), User::Number)
        };
        Self { kind, user }
    }

    pub(super) fn phone(self) -> Option<&'a str> {
        if let User::Phone(digits) = self.user { Some(digits) } else { None }
    }
}

impl fmt::Display for PackedId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.user {
            User::Phone(user) | User::Text(user) => f.write_str(user)?,
            User::Number(user) => write!(f, "{user}")?,
        }
        f.write_str(self.kind.suffix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::snapshot::testing::IDS;

    #[test]
    fn an_id_is_the_same_after_packing() {
        let long = format!("{}@g.us", "9".repeat(ChatId::MAX_BYTES - 5));
        for text in IDS.into_iter().chain([long.as_str()]) {
            let id: ChatId = text.parse().unwrap();
            let entry = Entry { list: ListKind::Contacts, name: "", id: PackedId::of(id.as_str()), is_mine: true };
            assert_eq!(entry.id().as_str(), text);
            assert_eq!(entry.id.kind, id.kind(), "{text}");
            assert_eq!(entry.number(), id.phone_digits().unwrap_or_default(), "{text}");
        }
    }

    #[test]
    fn a_usual_id_is_packed_into_a_number() {
        for (text, number) in [("120363000000000002@g.us", 120_363_000_000_000_002), ("111@lid", 111)] {
            assert!(PackedId::of(text).user == User::Number(number), "{text}");
        }
    }
}
