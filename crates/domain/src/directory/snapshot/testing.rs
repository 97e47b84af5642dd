//! What the tests of snapshots share.

use proptest::prelude::*;
use proptest::sample::select;

use super::{Entry, Snapshot};
use crate::{Contact, Epoch, Group};

/// Ids of every kind that is packed in a way of its own, and those next to them.
pub(super) const IDS: [&str; 15] = [
    "123@c.us",
    "1@c.us",
    "007@c.us",
    "34600111222@c.us",
    "99999999999999999999999@c.us",
    "abc@c.us",
    "1-2@c.us",
    "111@lid",
    "0111@lid",
    "0@lid",
    "18446744073709551615@lid",
    "18446744073709551616@lid",
    "12@newsletter",
    "a@b@c.us",
    "status@broadcast",
];

pub(super) const GROUP_IDS: [&str; 6] = [
    "120363000000000002@g.us",
    "34600111222-1612345678@g.us",
    "+1@g.us",
    "0120363@g.us",
    "18446744073709551616@g.us",
    "abc@g.us",
];

pub(super) fn contact(id: &str, name: &str, is_mine: bool) -> Contact {
    Contact { id: id.parse().unwrap(), name: name.to_owned(), is_mine }
}

pub(super) fn group(id: &str, name: &str) -> Group {
    Group { id: id.parse().unwrap(), name: name.to_owned() }
}

pub(super) fn contacts_of(snapshot: &Snapshot) -> Vec<Contact> {
    snapshot.iter().filter_map(|entry: Entry<'_>| entry.to_contact()).collect()
}

/// Names in many scripts, with the same words again and again, and things that are no words.
pub(super) fn names() -> impl Strategy<Value = String> {
    let word = select(&[
        "Ana",
        "ana",
        "ANÁ",
        "José",
        "Straße",
        "strasse",
        "ﬁn",
        "İstanbul",
        "ısı",
        "Ёлка",
        "елка",
        "ΟΔΟΣ",
        "مُحَمَّد",
        "محمد",
        "שָׁלוֹם",
        "東京",
        "がく",
        "ｶﾗｵｹ",
        "가다",
        "🚀",
        "👩‍👩‍👧",
        "\u{301}",
        "%",
        "_",
        "'",
        "\\",
        "\n",
        "\r\n",
        "\0",
        "+34",
        "600",
        "34600",
        "６００",
        "٣٤",
        "1",
        "Equipo 12",
    ]);
    let words = prop::collection::vec(prop_oneof![4 => word.prop_map(str::to_owned), 1 => "\\PC{0,6}"], 0..5);
    (words, select(&["", " ", "-"])).prop_map(|(words, between)| words.join(between))
}

fn ids() -> impl Strategy<Value = String> {
    prop_oneof![
        select(&IDS).prop_map(str::to_owned),
        "[1-9][0-9]{0,14}@c\\.us",
        "34600[0-9]{3}@c\\.us",
        "[0-9]{1,20}@lid",
        "[!-~&&[^@:]]{1,120}@lid",
    ]
}

/// Contacts, most of them somebody's.
pub(super) fn contacts(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Contact>> {
    let parts = (ids(), names(), prop::bool::weighted(0.7));
    prop::collection::vec(parts.prop_map(|(id, name, is_mine)| contact(&id, &name, is_mine)), count)
}

/// Groups with ids of every kind.
pub(super) fn groups(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Group>> {
    let id =
        prop_oneof![select(&GROUP_IDS).prop_map(str::to_owned), "12036[0-9]{13}@g\\.us", "[0-9]{11}-[0-9]{10}@g\\.us"];
    prop::collection::vec((id, names()).prop_map(|(id, name)| group(&id, &name)), count)
}

pub(super) const EPOCH: Epoch = Epoch(7);
