//! Contacts: from what an engine lists to the people a user knows.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::parse::hidden;
use crate::{ChatId, ChatKind, Me, UNKNOWN_NAME};

/// A person a user can write to.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their chat.
    pub id: ChatId,
    /// The best name known; the number if there is none, [`UNKNOWN_NAME`] if even that is hidden.
    pub name: String,
    /// Whether the engine counts them among the account's own contacts, rather than people met in groups.
    pub is_mine: bool,
}

/// An entry of an engine's contact list, translated but not judged: everything but the id may be missing.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedContact {
    /// Who or what it is; engines list groups and oneself too.
    pub id: ChatId,
    /// The hidden id of the same person, if the engine names it here.
    pub lid: Option<ChatId>,
    /// The name in the phone's address book.
    pub name: Option<String>,
    /// The name the person gave themselves.
    pub pushname: Option<String>,
    /// The address book's short form.
    pub short_name: Option<String>,
    /// A business's verified name.
    pub verified_name: Option<String>,
    /// `Some(false)`: the engine says this is nobody's contact, merely someone met in a group.
    pub is_my_contact: Option<bool>,
    /// The account itself.
    pub is_me: bool,
    /// Blocked by the user.
    pub is_blocked: bool,
}

/// That a hidden id and a phone number's id are the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LidTwin {
    /// The `@lid` id.
    pub lid: ChatId,
    /// The `@c.us` id.
    pub phone: ChatId,
}

hidden!(Contact, ListedContact);

impl Contact {
    /// The people among `listed`: without groups, channels, broadcasts, oneself and blocked people; each person once,
    /// their hidden twin merged in. In no particular order.
    pub fn from_listed(mut listed: Vec<ListedContact>, twins: &[LidTwin], me: Option<&Me>) -> Vec<Self> {
        let mut phone_of: HashMap<ChatId, ChatId> =
            twins.iter().map(|twin| (twin.lid.clone(), twin.phone.clone())).collect();
        for entry in &listed {
            if let (ChatKind::Person, Some(lid)) = (entry.id.kind(), &entry.lid) {
                phone_of.entry(lid.clone()).or_insert_with(|| entry.id.clone());
            }
        }
        let resolve = |id: &ChatId| phone_of.get(id).unwrap_or(id).clone();

        // The entry by number speaks first: its names are the address book's.
        listed.sort_by_key(|entry| entry.id.kind() == ChatKind::HiddenPerson);
        let mut people: BTreeMap<ChatId, Person> = BTreeMap::new();
        let mut left_out: HashSet<ChatId> = HashSet::new();
        if let Some(me) = me {
            left_out.extend([Some(&me.id), me.lid.as_ref()].into_iter().flatten().map(resolve));
        }
        for entry in listed {
            if !matches!(entry.id.kind(), ChatKind::Person | ChatKind::HiddenPerson) {
                continue;
            }
            let id = resolve(&entry.id);
            if entry.is_me || entry.is_blocked {
                left_out.insert(id);
            } else {
                people.entry(id).or_default().add(entry);
            }
        }
        people
            .into_iter()
            .filter(|(id, _)| !left_out.contains(id))
            .map(|(id, person)| Self { name: person.name(&id), is_mine: person.is_mine(), id })
            .collect()
    }
}

/// What all entries of one person say together.
#[derive(Default)]
struct Person {
    /// By rank: address book, self-given, short, verified. The first entry that has one wins.
    names: [Option<String>; 4],
    /// What those entries say that say anything.
    is_my_contact: Option<bool>,
}

impl Person {
    fn add(&mut self, entry: ListedContact) {
        let names = [entry.name, entry.pushname, entry.short_name, entry.verified_name];
        for (known, new) in self.names.iter_mut().zip(names) {
            if known.is_none() {
                *known = new.filter(|name| !name.trim().is_empty());
            }
        }
        // One twin that is a contact makes the person one.
        self.is_my_contact = match (self.is_my_contact, entry.is_my_contact) {
            (Some(a), Some(b)) => Some(a || b),
            (a, b) => a.or(b),
        };
    }

    fn name(&self, id: &ChatId) -> String {
        let number = || id.phone_digits().map(str::to_owned);
        self.names.iter().flatten().next().cloned().or_else(number).unwrap_or_else(|| UNKNOWN_NAME.to_owned())
    }

    fn is_mine(&self) -> bool {
        self.is_my_contact.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, name: Option<&str>) -> ListedContact {
        ListedContact {
            id: id.parse().unwrap(),
            lid: None,
            name: name.map(str::to_owned),
            pushname: None,
            short_name: None,
            verified_name: None,
            is_my_contact: None,
            is_me: false,
            is_blocked: false,
        }
    }

    fn twin(lid: &str, phone: &str) -> LidTwin {
        LidTwin { lid: lid.parse().unwrap(), phone: phone.parse().unwrap() }
    }

    fn people(listed: Vec<ListedContact>, twins: &[LidTwin]) -> Vec<(String, String)> {
        let me = Me { id: "100@c.us".parse().unwrap(), lid: Some("900@lid".parse().unwrap()) };
        let contacts = Contact::from_listed(listed, twins, Some(&me));
        contacts.into_iter().map(|contact| (contact.id.into(), contact.name)).collect()
    }

    #[test]
    fn groups_channels_oneself_and_blocked_people_are_left_out() {
        let blocked = ListedContact { is_blocked: true, ..listed("7000@c.us", Some("Spam")) };
        let entries = vec![
            listed("1@g.us", Some("group")),
            listed("2@newsletter", Some("channel")),
            listed("status@broadcast", None),
            listed("100@c.us", Some("me")),
            listed("900@lid", Some("me, hidden")),
            blocked,
            listed("7001@lid", Some("Spam, hidden")),
            listed("7911@s.whatsapp.net", Some("Ann")),
        ];
        assert_eq!(people(entries, &[twin("7001@lid", "7000@c.us")]), [("7911@c.us".into(), "Ann".into())]);
    }

    #[test]
    fn a_hidden_twin_is_merged_into_the_known_phone_and_gives_it_a_name() {
        let mut hidden = listed("111@lid", None);
        hidden.pushname = Some("annie".into());
        let merged = people(vec![hidden, listed("7911@c.us", None)], &[twin("111@lid", "7911@c.us")]);
        assert_eq!(merged, [("7911@c.us".into(), "annie".into())]);
    }

    #[test]
    fn a_twin_named_in_the_entry_itself_is_merged_too_and_its_names_come_second() {
        let known = ListedContact { lid: Some("111@lid".parse().unwrap()), ..listed("7911@c.us", Some("Ann")) };
        assert_eq!(people(vec![listed("111@lid", Some("x")), known], &[]), [("7911@c.us".into(), "Ann".into())]);
    }

    #[test]
    fn names_fall_back_to_the_number_and_then_to_unknown() {
        let mut short = listed("3@c.us", Some(" "));
        short.short_name = Some("Sh".into());
        short.verified_name = Some("Verified".into());
        let names = people(vec![short, listed("7912@c.us", None), listed("222@lid", Some(""))], &[]);
        assert_eq!(
            names,
            [
                ("222@lid".into(), UNKNOWN_NAME.into()),
                ("3@c.us".into(), "Sh".into()),
                ("7912@c.us".into(), "7912".into())
            ]
        );
    }

    #[test]
    fn only_an_engine_that_says_so_makes_somebody_a_stranger() {
        let stranger = ListedContact { is_my_contact: Some(false), ..listed("7913@c.us", Some("S")) };
        let contacts = Contact::from_listed(vec![stranger, listed("7914@c.us", Some("T"))], &[], None);
        assert_eq!(contacts.iter().map(|contact| contact.is_mine).collect::<Vec<_>>(), [false, true]);
    }
}
