//! Pages of a snapshot.

use std::ops::Range;

use super::read::Reader;
use super::{Block, Entry, Snapshot, View};
use crate::Limit;

/// The entries of one page, found but not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Which entries of the snapshot, ascending.
    ordinals: Box<[u32]>,
    total: u64,
    next_cursor: Option<u64>,
}

impl Picked {
    /// How many entries there are on all pages together.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The offset of the next page; `None` on the last one.
    pub fn next_cursor(&self) -> Option<u64> {
        self.next_cursor
    }

    /// The page from the offset `cursor` on of a list of so many entries; past its end is an empty last page.
    pub(super) fn of(
        total: usize,
        cursor: u64,
        limit: Limit,
        ordinals: impl FnOnce(Range<usize>) -> Box<[u32]>,
    ) -> Self {
        let start = usize::try_from(cursor).map_or(total, |start| start.min(total));
        let end = start.saturating_add(limit.get()).min(total);
        let next_cursor = (end < total).then_some(end as u64);
        Self { ordinals: ordinals(start..end), total: total as u64, next_cursor }
    }
}

impl Snapshot {
    /// A page of all entries of the view. What lies before it is not looked at.
    pub fn page(&self, view: View, cursor: u64, limit: Limit) -> Picked {
        Picked::of(self.len(view), cursor, limit, |range| match view {
            View::All => (0..self.len).skip(range.start).take(range.len()).collect(),
            View::Mine => self.mine_from(range.start).take(range.len()).collect(),
        })
    }

    /// The ordinals of the entries that are mine, without the first few.
    fn mine_from(&self, skipped: usize) -> impl Iterator<Item = u32> {
        // The last block that does not begin too late; an empty list has none.
        let first = self.blocks.partition_point(|block| block.mine_before as usize <= skipped).saturating_sub(1);
        let before = self.blocks.get(first).map_or(0, |block| block.mine_before as usize);
        let ordinals = (0..self.len).step_by(Block::ENTRIES).skip(first).zip(&self.blocks[first..]);
        ordinals
            .filter(|(_, block)| block.mine != 0)
            .flat_map(|(start, block)| {
                (start..).take(Block::ENTRIES).filter(|ordinal| block.mine & Block::bit(*ordinal) != 0)
            })
            .skip(skipped - before)
    }

    /// The entries of a page of this snapshot, read one after the other.
    ///
    /// Of a page of another snapshot they are just some entries.
    pub fn entries<'a>(&'a self, picked: &'a Picked) -> Entries<'a> {
        let known = picked.ordinals.partition_point(|ordinal| *ordinal < self.len);
        Entries { reader: Reader::new(self), ordinals: picked.ordinals[..known].iter() }
    }
}

/// The entries of a page: see [`Snapshot::entries`].
pub struct Entries<'a> {
    reader: Reader<'a>,
    ordinals: std::slice::Iter<'a, u32>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.reader.read_at(*self.ordinals.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ordinals.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// Its entries are names and numbers: see [`Entry`].
impl std::fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entries").field("left", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Contact;
    use crate::directory::snapshot::testing::{EPOCH, contact, contacts, contacts_of, group};

    fn limit(limit: u64) -> Limit {
        Limit::clamped(limit).unwrap()
    }

    fn read(snapshot: &Snapshot, picked: &Picked) -> Vec<Contact> {
        snapshot.entries(picked).filter_map(|entry| entry.to_contact()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn paging_gives_each_entry_of_a_view_once_in_order(contacts in contacts(0..100), size in 1u64..110) {
            let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
            for view in [View::Mine, View::All] {
                let mut expected = contacts_of(&snapshot);
                expected.retain(|contact| view == View::All || contact.is_mine);
                let mut seen = Vec::new();
                let mut cursor = Some(0);
                while let Some(offset) = cursor {
                    let page = snapshot.page(view, offset, limit(size));
                    prop_assert_eq!(page.total(), expected.len() as u64);
                    prop_assert_eq!(snapshot.entries(&page).len(), read(&snapshot, &page).len());
                    seen.extend(read(&snapshot, &page));
                    cursor = page.next_cursor();
                    prop_assert_eq!(cursor, (seen.len() < expected.len()).then_some(offset + size));
                }
                prop_assert_eq!(seen, expected);
            }
        }

        #[test]
        fn a_page_from_anywhere_is_that_part_of_the_view(
            contacts in contacts(0..200), offsets in prop::collection::vec(0usize..210, 30)
        ) {
            let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
            let all = contacts_of(&snapshot);
            let mine: Vec<Contact> = all.iter().filter(|contact| contact.is_mine).cloned().collect();
            for (view, entries) in [(View::All, all), (View::Mine, mine)] {
                for offset in &offsets {
                    let page = snapshot.page(view, *offset as u64, limit(3));
                    let expected: Vec<Contact> = entries.iter().skip(*offset).take(3).cloned().collect();
                    prop_assert_eq!(read(&snapshot, &page), expected);
                }
            }
        }
    }

    #[test]
    fn past_the_end_is_an_empty_last_page() {
        for contacts in [vec![], vec![contact("1@c.us", "Ana", true)]] {
            let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
            for (view, cursor) in [(View::Mine, 1), (View::All, 1), (View::Mine, u64::MAX), (View::All, u64::MAX)] {
                let page = snapshot.page(view, cursor, limit(10));
                assert_eq!((page.total(), page.next_cursor()), (contacts.len() as u64, None));
                assert_eq!(snapshot.entries(&page).len(), 0);
            }
        }
    }

    #[test]
    fn few_contacts_are_found_among_many_strangers() {
        let contacts: Vec<Contact> =
            (0..5000).map(|n| contact(&format!("{n}@lid"), &format!("{n:04}"), n % 1999 == 1)).collect();
        let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
        let pages = (0..4).map(|cursor| read(&snapshot, &snapshot.page(View::Mine, cursor, limit(1))));
        let names: Vec<String> = pages.flatten().map(|contact| contact.name).collect();
        assert_eq!(names, ["0001", "2000", "3999"]);
    }

    #[test]
    fn a_page_of_another_snapshot_is_no_panic() {
        let contacts: Vec<Contact> = (0..50).map(|n| contact(&format!("{n}@lid"), "Ana", true)).collect();
        let page = Snapshot::of_contacts(EPOCH, &contacts).page(View::All, 10, limit(30));
        let other = Snapshot::of_groups(EPOCH, &vec![group("1@g.us", "Ana"); 20]);
        assert_eq!(other.entries(&page).len(), 10);
        assert_eq!(other.entries(&page).count(), 10);
    }
}
