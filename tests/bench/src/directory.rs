//! A list as the server gave it, whole, and what can be looked for in it.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::Value;
use switchboard_domain::fold;

/// Groups or contacts of one session.
pub(crate) struct Directory {
    entries: Vec<Entry>,
}

struct Entry {
    /// The folded name.
    name: String,
    /// Empty for a group.
    number: String,
}

impl Directory {
    pub(crate) fn new(items: &[Value]) -> anyhow::Result<Self> {
        let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let entries: Vec<_> = items
            .iter()
            .map(|item| Entry { name: fold(&text(item, "groupName")), number: text(item, "number") })
            .collect();
        entries.first().context("a list has entries")?;
        Ok(Self { entries })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries have this in their name or, if it is a number, in that.
    pub(crate) fn matches(&self, term: &str) -> usize {
        let is_number = term.bytes().all(|byte| byte.is_ascii_digit());
        let matches = |entry: &&Entry| entry.name.contains(term) || (is_number && entry.number.contains(term));
        self.entries.iter().filter(matches).count()
    }

    /// Different terms, at most `wanted`, each in one name or hardly more: whole names that nobody else has, and then
    /// the same without their first letters.
    pub(crate) fn rare(&self, wanted: usize) -> Vec<String> {
        let mut times: HashMap<&str, usize> = HashMap::new();
        for entry in &self.entries {
            *times.entry(&entry.name).or_default() += 1;
        }
        // Numbered names of the greatest length: a longer number would contain the shorter one.
        let digits = |name: &str| name.bytes().rev().take_while(u8::is_ascii_digit).count();
        let most = self.entries.iter().map(|entry| digits(&entry.name)).filter(|digits| *digits < 6).max();
        let mut names: Vec<&str> = times
            .into_iter()
            .filter(|(name, times)| *times == 1 && name.is_ascii() && Some(digits(name)) == most)
            .filter(|(name, _)| name.len() > most.unwrap_or_default() + 2 && name.trim() == *name)
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        let shortened = |left_out: usize| names.iter().filter_map(move |name| name.get(left_out..));
        let long_enough = |term: &&str| term.len() > digits(term) + 2 && term.trim() == *term;
        (0..4).flat_map(shortened).filter(long_enough).take(wanted).map(str::to_owned).collect()
    }

    /// Groups of up to three letters that at least two entries in a hundred have in their names.
    pub(crate) fn common(&self) -> Vec<String> {
        let mut times: HashMap<&[u8], usize> = HashMap::new();
        for entry in &self.entries {
            let name = entry.name.as_bytes();
            let windows = (1..=3).flat_map(|length| name.windows(length));
            let mut terms: Vec<_> = windows.filter(|term| term.iter().all(u8::is_ascii_lowercase)).collect();
            terms.sort_unstable();
            terms.dedup();
            for term in terms {
                *times.entry(term).or_default() += 1;
            }
        }
        let common = times.into_iter().filter(|(_, times)| times * 50 >= self.entries.len());
        let mut common: Vec<_> = common.map(|(term, _)| String::from_utf8_lossy(term).into_owned()).collect();
        common.sort_unstable();
        common
    }

    /// The last eight digits of numbers, which nobody shares.
    pub(crate) fn numbers(&self, wanted: usize) -> Vec<String> {
        let ends =
            self.entries.iter().filter_map(|entry| entry.number.len().checked_sub(8).map(|at| &entry.number[at..]));
        ends.take(wanted).map(str::to_owned).collect()
    }

    /// Terms that nobody is called.
    pub(crate) fn absent(wanted: usize) -> Vec<String> {
        (0..wanted).map(|number| format!("nobody {number:06}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn directory() -> Directory {
        let items: Vec<_> = ["Anna 10", "anna 11", "ANNA 1", "Bob", "Bob", "Šárka 12"]
            .iter()
            .enumerate()
            .map(|(index, name)| json!({ "groupName": name, "number": format!("34600{index:06}") }))
            .collect();
        Directory::new(&items).unwrap()
    }

    #[test]
    fn rare_terms_are_in_one_name() {
        let directory = directory();
        let rare = directory.rare(4);
        assert_eq!(rare, ["anna 10", "anna 11", "sarka 12", "nna 10"]);
        assert!(rare.iter().all(|term| directory.matches(term) == 1));
    }

    #[test]
    fn numbers_and_absent_terms_match_what_they_say() {
        let directory = directory();
        assert!(directory.numbers(9).iter().all(|term| directory.matches(term) == 1));
        assert!(Directory::absent(3).iter().all(|term| directory.matches(term) == 0));
        assert!(directory.common().contains(&"nna".to_owned()));
    }
}
