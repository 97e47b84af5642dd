//! Stored lists, with anything in the place of anything.

use switchboard_fuzz::Target;

use super::*;
use crate::directory::snapshot::View;
use crate::directory::snapshot::testing::{EPOCH, GROUP_IDS, IDS, contact, contacts_of, group};
use crate::{Limit, SearchTerm};

const WORDS: [&str; 8] = ["\u{1}\u{6}1@c.us", "\0\u{5}1@lid", "\u{1}\u{6}1@g.us", "José", "ﬁ", "\n", "\u{7f}", "\u{0}"];

#[test]
fn whatever_is_stored_is_a_list_or_damaged() {
    let groups: Vec<_> = GROUP_IDS.iter().map(|id| group(id, "Família\nAmigos")).collect();
    let contacts: Vec<_> = IDS.iter().map(|id| contact(id, "José Straße", id.len() % 2 == 0)).collect();
    let lists = [Snapshot::of_groups(EPOCH, &groups), Snapshot::of_contacts(EPOCH, &contacts)];
    let content = lists.iter().map(|list| unpack(&list.encode()).unwrap());
    let stored = lists.iter().map(Snapshot::encode);
    let limit = Limit::clamped(3).unwrap();
    Target::new("snapshot").seeds(content.chain(stored)).words(WORDS).run(|input| {
        // As what is compressed, so that its hash is right, and as what is stored.
        let mut data = vec![FORMAT];
        data.extend((input.len() as u64).to_le_bytes());
        data.extend(lz4_flex::block::compress(input));
        let version = ListVersion::of_hash(Sha256::digest(input));
        for kind in [ListKind::Groups, ListKind::Contacts] {
            let _ = Snapshot::decode(kind, version, input);
            let Ok(list) = Snapshot::decode(kind, version, &data) else { continue };
            assert_eq!(list.version(), version);
            let back = Snapshot::decode(kind, version, &list.encode()).unwrap();
            assert!(contacts_of(&back) == contacts_of(&list) && back.groups().eq(list.groups()));
            for view in [View::All, View::Mine] {
                let mut pages = 0;
                let mut cursor = Some(0);
                while let Some(from) = cursor {
                    let page = list.page(view, from, limit);
                    pages += list.entries(&page).len();
                    cursor = page.next_cursor();
                }
                assert_eq!(pages, list.len(view), "all pages together are the list");
                let found = list.search(view, &SearchTerm::parse("jose").unwrap());
                assert!(found.total() <= list.len(view));
            }
        }
    });
}
