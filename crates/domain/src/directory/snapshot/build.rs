//! From groups or contacts in any order to a snapshot.

use super::codec::Content;
use super::entry::{PackedId, User};
use super::read::{Head, Place};
use super::{Block, Snapshot};
use crate::fold::fold_into;
use crate::{Contact, Epoch, Group, ListKind};

/// What a client can see of one entry.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row<'a> {
    // In the order in which they decide about entries of equal folded names.
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) is_mine: bool,
}

impl<'a> From<&'a Group> for Row<'a> {
    fn from(group: &'a Group) -> Self {
        Self { id: group.id.as_str(), name: &group.name, is_mine: true }
    }
}

impl<'a> From<&'a Contact> for Row<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self { id: contact.id.as_str(), name: &contact.name, is_mine: contact.is_mine }
    }
}

impl Snapshot {
    /// Entries are counted in 32 bits. What is left out beyond them would be a list of 100 GB before it gets here, and WAHA's
    /// answers are bounded in megabytes.
    const MAX_ENTRIES: usize = u32::MAX as usize;

    /// The list of these groups.
    pub fn of_groups(epoch: Epoch, groups: &[Group]) -> Self {
        Self::of_rows(ListKind::Groups, epoch, groups.iter().map(Row::from))
    }

    /// The list of these contacts.
    pub fn of_contacts(epoch: Epoch, contacts: &[Contact]) -> Self {
        Self::of_rows(ListKind::Contacts, epoch, contacts.iter().map(Row::from))
    }

    fn of_rows<'a>(kind: ListKind, epoch: Epoch, rows: impl ExactSizeIterator<Item = Row<'a>>) -> Self {
        let mut folded = String::new();
        let mut keyed = Vec::with_capacity(rows.len());
        for row in rows.take(Self::MAX_ENTRIES) {
            let start = folded.len();
            fold_into(&mut folded, row.name);
            keyed.push((start..folded.len(), row));
        }
        let key = |index: u32| {
            let (range, row) = &keyed[index as usize];
            (&folded[range.clone()], row)
        };
        // The first bytes of a name decide most comparisons without a look at the names.
        let mut order: Vec<(u128, u32)> = (0..).take(keyed.len()).map(|index| (prefix(key(index).0), index)).collect();
        order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(&key(b.1))));

        let mut builder = Builder::new(kind, epoch);
        builder.names.reserve(folded.len() + keyed.len());
        for (_, index) in order {
            let (folded, row) = key(index);
            builder.push(folded, row);
        }
        builder.finish()
    }
}

/// The first sixteen bytes: texts that differ in them are in their order.
fn prefix(text: &str) -> u128 {
    let mut first = [0; 16];
    let len = text.len().min(first.len());
    first[..len].copy_from_slice(&text.as_bytes()[..len]);
    u128::from_be_bytes(first)
}

/// Lays entries end to end, in the order in which they come.
pub(super) struct Builder {
    kind: ListKind,
    epoch: Epoch,
    content: Content,
    names: String,
    numbers: String,
    texts: String,
    heads: Vec<u8>,
    blocks: Vec<Block>,
    len: u32,
    mine: u32,
}

impl Builder {
    pub(super) fn new(kind: ListKind, epoch: Epoch) -> Self {
        Self {
            kind,
            epoch,
            content: Content::new(kind, epoch),
            names: String::new(),
            numbers: String::new(),
            texts: String::new(),
            heads: Vec::new(),
            blocks: Vec::new(),
            len: 0,
            mine: 0,
        }
    }

    /// `folded` is the row's name, folded.
    pub(super) fn push(&mut self, folded: &str, row: &Row<'_>) {
        self.content.push(row);
        if Block::bit(self.len) == 1 {
            self.blocks.push(Block {
                names: self.names.len(),
                numbers: self.numbers.len(),
                texts: self.texts.len(),
                heads: self.heads.len(),
                mine_before: self.mine,
                mine: 0,
            });
        }
        if let (true, Some(block)) = (row.is_mine, self.blocks.last_mut()) {
            block.mine |= Block::bit(self.len);
            self.mine += 1;
        }

        let id = PackedId::of(row.id);
        self.names.extend([folded, "\n"]);
        self.numbers.extend([id.phone().unwrap_or_default(), "\n"]);
        let name = (row.name != folded).then(|| self.push_text(row.name));
        let user = match id.user {
            User::Phone(_) => Place::Phone,
            User::Number(number) => Place::Number(number),
            User::Text(text) => Place::Text(self.push_text(text)),
        };
        Head { name, kind: id.kind, user }.write(&mut self.heads);
        self.len += 1;
    }

    fn push_text(&mut self, text: &str) -> usize {
        self.texts.push_str(text);
        text.len()
    }

    pub(super) fn finish(self) -> Snapshot {
        Snapshot {
            kind: self.kind,
            epoch: self.epoch,
            version: self.content.version(),
            names: self.names.into(),
            numbers: self.numbers.into(),
            texts: self.texts.into(),
            heads: self.heads.into(),
            blocks: self.blocks.into(),
            len: self.len,
            mine: self.mine,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::snapshot::View;
    use crate::directory::snapshot::testing::{EPOCH, contact, contacts, contacts_of, group, groups};
    use crate::fold;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn contacts_come_back_by_folded_name_then_id(contacts in contacts(0..80)) {
            let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
            let mut expected = contacts;
            expected.sort_by_key(|c| (fold(&c.name), c.id.clone(), c.name.clone(), c.is_mine));
            prop_assert_eq!(snapshot.len(View::All), expected.len());
            prop_assert_eq!(snapshot.len(View::Mine), expected.iter().filter(|contact| contact.is_mine).count());
            prop_assert_eq!(contacts_of(&snapshot), expected);
        }

        #[test]
        fn groups_come_back_by_folded_name_then_id_and_each_is_found_by_its_id(groups in groups(0..80)) {
            let snapshot = Snapshot::of_groups(EPOCH, &groups);
            for group in &groups {
                prop_assert_eq!(&snapshot.group(&group.id).unwrap().id, &group.id);
            }
            let mut expected = groups;
            expected.sort_by_key(|group| (fold(&group.name), group.id.clone(), group.name.clone()));
            prop_assert_eq!(snapshot.len(View::Mine), expected.len());
            prop_assert_eq!(snapshot.groups().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn the_version_is_that_of_the_content_whatever_its_order(
            (given, shuffled) in contacts(0..40).prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        ) {
            let [given, shuffled] = [given, shuffled].map(|contacts| Snapshot::of_contacts(EPOCH, &contacts));
            prop_assert_eq!(given.version(), shuffled.version());
        }
    }

    #[test]
    fn whatever_a_client_could_see_changes_the_version() {
        let of = |contacts: &[Contact]| Snapshot::of_contacts(EPOCH, contacts).version();
        let base = [contact("1@c.us", "Ana", true), contact("2@c.us", "Ben", true)];
        let same = of(&base);
        let first = |changed| of(&[changed, base[1].clone()]);
        let others = [
            ("a name", first(contact("1@c.us", "ana", true))),
            ("an id", first(contact("1@lid", "Ana", true))),
            ("whose contact it is", first(contact("1@c.us", "Ana", false))),
            ("one fewer", of(&base[..1])),
            ("one twice", of(&[&base[..], &base[..1]].concat())),
            ("none", of(&[])),
            ("the epoch", Snapshot::of_contacts(EPOCH.next(), &base).version()),
        ];
        for (what, version) in others {
            assert_ne!(version, same, "{what}");
        }
        assert_ne!(of(&[]), Snapshot::of_groups(EPOCH, &[]).version(), "the kind");
    }

    #[test]
    fn a_version_outlives_the_build_that_made_it() {
        // Stored lists and clients' versions are worth nothing once this changes.
        let groups = [group("120363000000000002@g.us", "Ñandú"), group("34600111222-1612345678@g.us", "")];
        let version = Snapshot::of_groups(EPOCH, &groups).version();
        assert_eq!(version.to_string(), "d8930d7d419f69615eb2e369fd2d3bb4");
    }

    #[test]
    fn names_that_are_no_names_come_back_unchanged() {
        let long = "Ä".repeat(10_000);
        let names = ["", " ", "\n", "a\nb\n", "\0", "a\0", "\u{301}", "👩‍👩‍👧", "\u{fdfa}", long.as_str()];
        let contacts: Vec<Contact> =
            (1..).zip(names).map(|(n, name)| contact(&format!("{n}@c.us"), name, true)).collect();
        let mut back = contacts_of(&Snapshot::of_contacts(EPOCH, &contacts));
        back.sort_by_key(|contact| contacts.iter().position(|given| given.id == contact.id));
        assert_eq!(back, contacts);
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let snapshot = Snapshot::of_contacts(EPOCH, &[]);
        assert_eq!((snapshot.len(View::All), snapshot.len(View::Mine), snapshot.bytes()), (0, 0, 0));
        assert_eq!(snapshot.groups().count(), 0);
        assert_eq!(snapshot.group(&"1@g.us".parse().unwrap()), None);
    }

    #[test]
    fn a_usual_entry_takes_at_most_60_bytes() {
        let number = |n: u64| 10_000_000_000 + n * 7_919_000;
        let contacts: Vec<Contact> =
            (0..1000).map(|n| contact(&format!("{}@c.us", number(n)), &format!("María Núñez {n:04}"), true)).collect();
        let groups: Vec<Group> = (0..1000)
            .map(|n| group(&format!("120363{:012}@g.us", number(n)), &format!("Equipo Málaga {n:04}")))
            .collect();
        for snapshot in [Snapshot::of_contacts(EPOCH, &contacts), Snapshot::of_groups(EPOCH, &groups)] {
            let bytes = snapshot.bytes() / snapshot.len(View::All);
            assert!(bytes <= 60, "{bytes} bytes an entry in {snapshot:?}");
        }
    }

    #[test]
    fn no_log_can_hold_a_name_or_a_number() {
        let snapshot = Snapshot::of_contacts(EPOCH, &[contact("34600111222@c.us", "Ana", true)]);
        let entry = snapshot.iter().next().unwrap();
        let logged = format!("{snapshot:?} {entry:?} {:?}", entry.id());
        assert!(!logged.contains("Ana") && !logged.contains("34600"), "{logged}");
    }
}
