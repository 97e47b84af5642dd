//! Which entries of a snapshot a search finds.

use memchr::{memchr, memchr_iter, memmem};

use super::{Block, Picked, Snapshot, View};
use crate::{Limit, SearchTerm};

/// What a search found in a snapshot: to be kept as long as its version, and paged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches(Box<[u32]>);

impl Matches {
    /// How many entries.
    pub fn total(&self) -> usize {
        self.0.len()
    }

    /// A page of them.
    pub fn page(&self, cursor: u64, limit: Limit) -> Picked {
        Picked::of(self.0.len(), cursor, limit, |range| self.0[range].into())
    }

    /// How much memory they hold, without the few bytes of themselves.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Snapshot {
    /// All entries of the view whose name or number has the term in it, in order.
    pub fn search(&self, view: View, term: &SearchTerm) -> Matches {
        let mut found = Vec::new();
        let mut find = |needle, lines: &str, start: fn(&Block) -> usize| {
            self.each_line_with(needle, lines, start, |ordinal| {
                if view == View::All || self.is_mine(ordinal) {
                    found.push(ordinal);
                }
            });
        };
        find(term.folded(), &self.names, |block| block.names);
        if let Some(digits) = term.digits() {
            find(digits, &self.numbers, |block| block.numbers);
            merge(&mut found);
        }
        Matches(found.into())
    }

    /// The ordinals of all lines that have `needle` in them, ascending; `start` is where a block's first line starts.
    fn each_line_with(&self, needle: &str, lines: &str, start: fn(&Block) -> usize, mut found: impl FnMut(u32)) {
        let finder = memmem::Finder::new(needle);
        let lines = lines.as_bytes();
        // The line `ordinal` begins at `at`.
        let (mut ordinal, mut at) = (0, 0);
        while let Some(distance) = finder.find(&lines[at..]) {
            let hit = at + distance;
            // From a hit back to the last line we know the lines are counted, but never more than those of one block.
            let block = ordinal / Block::ENTRIES;
            if self.blocks.get(block + 1).is_some_and(|next| start(next) <= hit) {
                let later = self.blocks[block + 1..].partition_point(|block| start(block) <= hit);
                ordinal = (block + later) * Block::ENTRIES;
                at = start(&self.blocks[block + later]);
            }
            ordinal += memchr_iter(b'\n', &lines[at..hit]).count();
            found(u32::try_from(ordinal).expect("entries are counted in 32 bits"));
            let Some(rest) = memchr(b'\n', &lines[hit..]) else { break };
            ordinal += 1;
            at = hit + rest + 1;
        }
    }
}

/// Makes one ascending run of two.
#[expect(clippy::stable_sort_primitive, reason = "this sort sees that there are two runs, the unstable one does not")]
fn merge(ordinals: &mut Vec<u32>) {
    ordinals.sort();
    ordinals.dedup();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::directory::snapshot::testing::{EPOCH, contact, contacts, contacts_of, group, names};
    use crate::{Contact, fold};

    fn search(snapshot: &Snapshot, view: View, term: &str) -> Vec<String> {
        let matches = snapshot.search(view, &SearchTerm::parse(term).unwrap());
        let page = matches.page(0, Limit::clamped(u64::MAX).unwrap());
        snapshot.entries(&page).map(|entry| entry.name().to_owned()).collect()
    }

    proptest! {
        // With the terms of each, 100 000 searches and more.
        #![proptest_config(ProptestConfig::with_cases(250))]

        #[test]
        fn a_search_finds_what_a_filter_would(
            contacts in contacts(1..60),
            others in prop::collection::vec(names(), 20),
            parts in prop::collection::vec((any::<Index>(), any::<Index>(), 1usize..8), 200),
        ) {
            let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
            let entries = contacts_of(&snapshot);
            let folded: Vec<String> = entries.iter().map(|contact| fold(&contact.name)).collect();
            let digits = |contact: &Contact| contact.id.phone_digits().unwrap_or_default().to_owned();
            let digits: Vec<String> = entries.iter().map(digits).collect();
            // Parts of names as they are and folded, and of numbers, plain and as people type them.
            let of_entries = parts.iter().enumerate().map(|(n, (entry, from, len))| {
                let entry = entry.index(entries.len());
                let text = match n % 4 {
                    0 => &entries[entry].name,
                    1 => &folded[entry],
                    _ => &digits[entry],
                };
                let from = from.index(text.chars().count() + 1);
                let part: String = text.chars().skip(from).take(*len).collect();
                if n % 4 == 3 { format!("+{part} ") } else { part }
            });
            for text in of_entries.chain(others) {
                let Some(term) = SearchTerm::parse(&text) else { continue };
                let expected: Vec<u32> = (0u32..)
                    .zip(folded.iter().zip(&digits))
                    .filter(|(_, (name, digits))| term.matches_name(name) || term.matches_digits(digits))
                    .map(|(ordinal, _)| ordinal)
                    .collect();
                let mine = expected.iter().copied().filter(|ordinal| entries[*ordinal as usize].is_mine);
                prop_assert_eq!(snapshot.search(View::Mine, &term), Matches(mine.collect()), "{:?}", text);
                prop_assert_eq!(snapshot.search(View::All, &term), Matches(expected.into()), "{:?}", text);
            }
        }
    }

    #[test]
    fn near_and_far_hits_are_found_in_a_long_list() {
        let name = |n: u32| if n % 997 < 3 { format!("{n:05} needle needle") } else { format!("{n:05} hay") };
        let contacts: Vec<Contact> = (0..10_000).map(|n| contact(&format!("{n}@lid"), &name(n), n % 2 == 0)).collect();
        let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
        let hits: Vec<u32> = (0..10_000).filter(|n| n % 997 < 3).collect();
        let term = SearchTerm::parse("needle").unwrap();
        assert_eq!(*snapshot.search(View::All, &term).0, *hits);
        let mine: Vec<u32> = hits.into_iter().filter(|n| n % 2 == 0).collect();
        assert_eq!(*snapshot.search(View::Mine, &term).0, *mine);
    }

    #[test]
    fn a_number_is_searched_as_a_number_and_a_name_as_a_name() {
        let contacts = [
            contact("34600111222@c.us", "a", true),
            contact("1@lid", "b 34600", true),
            contact("2@lid", "c +34 600", true),
            contact("34600@lid", "d", true),
            contact("34600-1@c.us", "e", true),
        ];
        let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
        assert_eq!(search(&snapshot, View::All, "34600"), ["a", "b 34600"]);
        assert_eq!(search(&snapshot, View::All, "３４６００"), ["a", "b 34600"]);
        assert_eq!(search(&snapshot, View::All, "+34 600"), ["a", "c +34 600"]);
        // The accent of a lone acute folds to a blank, which only a name can have.
        assert_eq!(search(&snapshot, View::All, "´34600"), ["a", "b 34600"]);
    }

    #[test]
    fn groups_are_found_by_name_only_and_never_across_two_names() {
        let groups = [group("12036@g.us", "ab"), group("12037@g.us", "cd"), group("12038@g.us", "b\nc 12")];
        let snapshot = Snapshot::of_groups(EPOCH, &groups);
        assert_eq!(search(&snapshot, View::Mine, "12"), ["b\nc 12"]);
        assert_eq!(search(&snapshot, View::Mine, "b\nc"), ["b\nc 12"]);
        assert_eq!(search(&snapshot, View::Mine, "b c"), ["b\nc 12"]);
        assert_eq!(search(&snapshot, View::Mine, "bc"), [""; 0]);
    }

    #[test]
    fn matches_are_paged_like_any_list() {
        let contacts: Vec<Contact> = (0..50).map(|n| contact(&format!("{n}@lid"), &format!("{n:02}"), true)).collect();
        let snapshot = Snapshot::of_contacts(EPOCH, &contacts);
        let matches = snapshot.search(View::All, &SearchTerm::parse("7").unwrap());
        assert_eq!((matches.total(), matches.bytes()), (5, 20));
        let page = matches.page(3, Limit::clamped(1).unwrap());
        assert_eq!((page.total(), page.next_cursor()), (5, Some(4)));
        assert_eq!(snapshot.entries(&page).map(|entry| entry.name().to_owned()).collect::<Vec<_>>(), ["37"]);
        assert_eq!(matches.page(5, Limit::clamped(1).unwrap()).next_cursor(), None);
    }
}
