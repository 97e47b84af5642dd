//! What a WhatsApp account holds: groups and people, made from the phone number alone.

use std::collections::HashMap;

use crate::{ids::hash, names::name, options::Options};

/// An account: the same phone number has the same groups and people on every run.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// Digits only.
    pub(crate) phone: String,
    pub(crate) push_name: String,
    /// Digits only; unlike the phone number, on purpose.
    pub(crate) lid: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) people: Vec<Person>,
}

/// A group the account is in.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// `…@g.us`
    pub(crate) id: String,
    pub(crate) subject: String,
    /// Where it was made, which decides its lesser traits.
    pub(crate) number: usize,
}

/// Somebody the account has met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Person {
    /// Digits only; `None` if only the LID is known.
    pub(crate) phone: Option<String>,
    /// Digits only.
    pub(crate) lid: Option<String>,
    /// What the address book calls them; `None` if they are not named there.
    pub(crate) name: Option<String>,
    /// What they call themselves.
    pub(crate) push_name: Option<String>,
    /// In the address book, rather than met in a group.
    pub(crate) saved: bool,
    pub(crate) blocked: bool,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) lid: &'a str,
    pub(crate) phone: Option<&'a str>,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Participant,
    Admin,
    SuperAdmin,
}

const PREFIXES: [&str; 8] = ["346", "7911", "49151", "90532", "9665", "9725", "8613", "1212"];
/// Founder of every group, and a member whose number is hidden.
const FOUNDER: (&str, &str) = ("111000000000111", "79110000000");
const HIDDEN: &str = "222000000000222";

impl Account {
    pub(crate) fn new(phone: &str, options: &Options) -> Self {
        let seed = hash(phone);
        let strangers = options.contacts.div_ceil(10);
        Self {
            phone: phone.to_owned(),
            push_name: ["Alice", "Bob", "Борис", "Zoë", "美咲"][usize::from(seed.to_le_bytes()[0] % 5)].to_owned(),
            lid: format!("90{:013}", seed % 10_000_000_000_000),
            groups: (0..options.groups).map(|number| Group::new(seed, number)).collect(),
            people: (0..options.contacts)
                .map(|number| Person::saved(seed, number))
                .chain((0..strangers).map(|number| Person::stranger(seed, options.contacts + number)))
                .collect(),
        }
    }

    pub(crate) fn set_groups(&mut self, groups: Vec<(String, String)>) {
        let groups = groups.into_iter().enumerate();
        self.groups = groups.map(|(number, (id, subject))| Group { id, subject, number }).collect();
    }

    /// With the beginning of its lists only.
    pub(crate) fn cut(&self, at_most: usize) -> Self {
        Self {
            groups: self.groups.iter().take(at_most).cloned().collect(),
            people: self.people.iter().take(at_most).cloned().collect(),
            phone: self.phone.clone(),
            push_name: self.push_name.clone(),
            lid: self.lid.clone(),
        }
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    /// Three members: who made it, one hidden behind a LID, and the account itself.
    pub(crate) fn members(&self) -> [Member<'_>; 3] {
        [
            Member { lid: FOUNDER.0, phone: Some(FOUNDER.1), role: Role::SuperAdmin },
            Member { lid: HIDDEN, phone: None, role: Role::Participant },
            Member { lid: &self.lid, phone: Some(&self.phone), role: Role::Admin },
        ]
    }

    /// Every known pair of LID and phone number, digits only, by LID.
    pub(crate) fn lids(&self) -> Vec<(&str, &str)> {
        let own = (self.lid.as_str(), self.phone.as_str());
        let people = self.people.iter().filter_map(|person| Some((person.lid.as_deref()?, person.phone.as_deref()?)));
        let mut lids: Vec<_> = [FOUNDER, own].into_iter().chain(people).collect();
        lids.sort_unstable();
        lids.dedup();
        lids
    }
}

impl Group {
    fn new(seed: u64, number: usize) -> Self {
        Self { id: format!("120363{:05}{number:07}@g.us", seed % 100_000), subject: name(number), number }
    }

    /// Only admins may write or change it.
    pub(crate) fn restricted(&self) -> bool {
        self.number % 5 == 2
    }
}

impl Person {
    fn saved(seed: u64, number: usize) -> Self {
        let called = name(number);
        Self {
            phone: Some(phone(seed, number)),
            lid: number.is_multiple_of(3).then(|| lid(seed, number)),
            push_name: (number % 4 != 1).then(|| format!("{} ~", called.to_lowercase())),
            name: (number % 17 != 16).then_some(called),
            saved: true,
            blocked: number % 29 == 28,
        }
    }

    fn stranger(seed: u64, number: usize) -> Self {
        let hidden = number.is_multiple_of(2);
        Self {
            phone: (!hidden).then(|| phone(seed, number)),
            lid: hidden.then(|| lid(seed, number)),
            push_name: Some(format!("stranger {number}")),
            ..Self::default()
        }
    }
}

fn phone(seed: u64, number: usize) -> String {
    format!("{}{:02}{number:06}", PREFIXES[number % PREFIXES.len()], seed % 100)
}

fn lid(seed: u64, number: usize) -> String {
    format!("{:07}{number:07}", 1_000_000 + seed % 8_000_000)
}

/// The accounts that phones have been seen with.
#[derive(Debug, Default)]
pub(crate) struct Accounts(HashMap<String, std::sync::Arc<Account>>);

impl Accounts {
    pub(crate) fn get(&mut self, phone: &str, options: &Options) -> &mut std::sync::Arc<Account> {
        self.0.entry(phone.to_owned()).or_insert_with(|| std::sync::Arc::new(Account::new(phone, options)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_hundred_thousand_groups_and_people_all_differ() {
        let options = Options { groups: 100_000, contacts: 100_000, ..Options::default() };

        let account = Account::new("34600111222", &options);

        let groups: HashSet<_> = account.groups.iter().map(|group| &group.id).collect();
        let phones: HashSet<_> = account.people.iter().filter_map(|person| person.phone.as_ref()).collect();
        assert_eq!(groups.len(), 100_000);
        assert_eq!(phones.len(), 105_000);
    }

    #[test]
    fn an_account_is_the_same_each_time_and_another_phone_has_others() {
        let options = Options::default();
        let ids = |phone: &str| Account::new(phone, &options).groups.into_iter().map(|g| g.id).collect::<Vec<_>>();

        assert_eq!(ids("34600111222"), ids("34600111222"));
        assert_ne!(ids("34600111222"), ids("34600111223"));
    }
}
