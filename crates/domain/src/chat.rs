//! WhatsApp's ids (JIDs): who or what a chat is with.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::parse::text_newtype;
use crate::{ParseError, PhoneNumber};

/// The id of a chat: `user@server`, in WAHA's form.
///
/// Parsing turns the engines' raw form `N[:device]@s.whatsapp.net` into `N@c.us`, so that one person has one id.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChatId(String);

text_newtype!(personal ChatId);

/// What kind of chat an id names, by its server part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKind {
    /// A person known by phone number (`@c.us`).
    Person,
    /// A person whose number WhatsApp hides (`@lid`). Never derive a number from it.
    HiddenPerson,
    /// A group (`@g.us`).
    Group,
    /// A channel, a broadcast list, or something newer than this code.
    Other,
}

impl ChatKind {
    /// The part of an id that this kind does not tell, and the kind.
    pub(crate) fn split(id: &str) -> (&str, Self) {
        match id.rsplit_once('@') {
            Some((user, "c.us")) => (user, Self::Person),
            Some((user, "lid")) => (user, Self::HiddenPerson),
            Some((user, "g.us")) => (user, Self::Group),
            _ => (id, Self::Other),
        }
    }

    /// What an id of this kind ends with.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Person => "@c.us",
            Self::HiddenPerson => "@lid",
            Self::Group => "@g.us",
            Self::Other => "",
        }
    }
}

impl ChatId {
    /// Longer ids do not exist; the bound keeps hostile ones out of memory and indexes.
    pub(crate) const MAX_BYTES: usize = 128;

    /// What the id names.
    pub fn kind(&self) -> ChatKind {
        ChatKind::split(&self.0).1
    }

    /// The digits of the phone number of a [`ChatKind::Person`]; `None` for all others.
    pub fn phone_digits(&self) -> Option<&str> {
        self.0.strip_suffix("@c.us").filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The phone number of a [`ChatKind::Person`], if it is one.
    pub fn phone(&self) -> Option<PhoneNumber> {
        self.phone_digits()?.parse().ok()
    }
}

impl FromStr for ChatId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const REFUSED: ParseError = ParseError { expected: "a WhatsApp id, like 34600111222@c.us" };
        let (user, server) = text.rsplit_once('@').ok_or(REFUSED)?;
        let printable = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic());
        if text.len() > Self::MAX_BYTES || !printable(user) || !printable(server) {
            return Err(REFUSED);
        }
        let (user, server) = match server {
            "s.whatsapp.net" | "c.us" => (without_device(user), "c.us"),
            "lid" => (without_device(user), "lid"),
            other => (user, other),
        };
        if user.is_empty() {
            return Err(REFUSED);
        }
        Ok(Self([user, "@", server].concat()))
    }
}

/// `7911:12` is device 12 of 7911.
fn without_device(user: &str) -> &str {
    user.split_once(':').map_or(user, |(person, _)| person)
}

/// A chat id holds a phone number: `{:?}` shows only its server part, so that no log can hold it.
impl std::fmt::Debug for ChatId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChatId(…@{})", self.0.rsplit_once('@').map_or("", |(_, server)| server))
    }
}

/// The id of a group: a [`ChatId`] on `@g.us`. Those of old groups begin with the number of whoever made them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupId(ChatId);

impl GroupId {
    /// The text, as it is stored and sent.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for GroupId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const REFUSED: ParseError = ParseError { expected: "a WhatsApp group id, like 120363000000000000@g.us" };
        let chat: ChatId = text.parse().map_err(|_| REFUSED)?;
        if chat.kind() == ChatKind::Group { Ok(Self(chat)) } else { Err(REFUSED) }
    }
}

impl TryFrom<String> for GroupId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<GroupId> for String {
    fn from(id: GroupId) -> Self {
        id.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_id_whatever_the_engine_calls_them() {
        for text in ["7911@c.us", "7911@s.whatsapp.net", "7911:12@s.whatsapp.net"] {
            let chat: ChatId = text.parse().unwrap();
            assert_eq!(chat.as_str(), "7911@c.us", "{text}");
            assert_eq!(chat.phone_digits(), Some("7911"));
        }
    }

    #[test]
    fn a_hidden_id_has_no_phone_number() {
        let chat: ChatId = "111:3@lid".parse().unwrap();
        assert_eq!((chat.as_str(), chat.kind(), chat.phone_digits()), ("111@lid", ChatKind::HiddenPerson, None));
    }

    #[test]
    fn only_a_group_id_is_a_group_id() {
        assert!("120363@g.us".parse::<GroupId>().is_ok());
        for text in ["7911@c.us", "", "@g.us", "a b@g.us", "120363", "120363@", ":1@lid"] {
            assert!(text.parse::<GroupId>().is_err(), "{text:?}");
        }
    }
}
