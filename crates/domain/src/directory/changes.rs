//! What WAHA told of groups since a list was fetched.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{GroupChange, GroupEvent};
use crate::{Group, GroupId, UNKNOWN_NAME};

/// The last that was told of each group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupChanges(BTreeMap<GroupId, Change>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    at: DateTime<Utc>,
    change: GroupChange,
}

impl GroupChanges {
    /// How many groups something is known of.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Remembers an event, unless a later one of the same group is known. Of two of the same moment, which WEBJS's whole
    /// seconds make likely, the one that arrived later counts.
    pub(crate) fn add(&mut self, event: GroupEvent) {
        let GroupEvent { at, group, change } = event;
        match self.0.get_mut(&group) {
            Some(known) if known.at > at => {}
            Some(known) => *known = Change { at, change: over(&known.change, change) },
            None => {
                self.0.insert(group, Change { at, change });
            }
        }
    }

    /// Remembers all of `later`.
    pub(crate) fn extend(&mut self, later: &Self) {
        for (group, Change { at, change }) in &later.0 {
            self.add(GroupEvent { at: *at, group: group.clone(), change: change.clone() });
        }
    }

    /// Forgets what was told before `moment`.
    pub(crate) fn forget_before(&mut self, moment: DateTime<Utc>) {
        self.0.retain(|_, change| change.at >= moment);
    }

    /// The list with what was told from `since` on.
    pub(crate) fn apply(&self, groups: impl IntoIterator<Item = Group>, since: DateTime<Utc>) -> Vec<Group> {
        let mut told: BTreeMap<&GroupId, &GroupChange> =
            self.0.iter().filter(|(_, told)| told.at >= since).map(|(id, told)| (id, &told.change)).collect();
        let mut list = Vec::new();
        for group in groups {
            match told.remove(&group.id) {
                Some(GroupChange::Left) => {}
                Some(GroupChange::Present { name: Some(name), .. }) => {
                    list.push(Group { name: name.clone(), id: group.id });
                }
                Some(GroupChange::Present { name: None, .. }) | None => list.push(group),
            }
        }
        list.extend(told.into_iter().filter_map(|(id, change)| match change {
            GroupChange::Present { name: Some(name), .. } => Some(Group { id: id.clone(), name: name.clone() }),
            GroupChange::Present { name: None, joined: true } => {
                Some(Group { id: id.clone(), name: UNKNOWN_NAME.to_owned() })
            }
            GroupChange::Present { name: None, joined: false } | GroupChange::Left => None,
        }));
        list
    }
}

/// What two changes come to: an event that names no name takes none away.
fn over(earlier: &GroupChange, later: GroupChange) -> GroupChange {
    match (earlier, later) {
        (GroupChange::Present { name: known, joined: before }, GroupChange::Present { name, joined }) => {
            GroupChange::Present { name: name.or_else(|| known.clone()), joined: joined || *before }
        }
        (_, later) => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn named(second: i64, id: &str, name: &str) -> GroupEvent {
        let change = GroupChange::Present { name: Some(name.to_owned()), joined: false };
        GroupEvent { at: at(second), group: id.parse().unwrap(), change }
    }

    fn joined(second: i64, id: &str) -> GroupEvent {
        GroupEvent {
            at: at(second),
            group: id.parse().unwrap(),
            change: GroupChange::Present { name: None, joined: true },
        }
    }

    fn left(second: i64, id: &str) -> GroupEvent {
        GroupEvent { at: at(second), group: id.parse().unwrap(), change: GroupChange::Left }
    }

    fn list(events: impl IntoIterator<Item = GroupEvent>) -> Vec<(String, String)> {
        let mut changes = GroupChanges::default();
        events.into_iter().for_each(|event| changes.add(event));
        let groups = [("1@g.us", "one"), ("2@g.us", "two")]
            .map(|(id, name)| Group { id: id.parse().unwrap(), name: name.to_owned() });
        changes.apply(groups, at(0)).into_iter().map(|group| (group.id.into(), group.name)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
    }

    #[test]
    fn the_later_event_counts_whichever_arrives_first() {
        for events in
            [[named(1, "1@g.us", "a"), named(2, "1@g.us", "b")], [named(2, "1@g.us", "b"), named(1, "1@g.us", "a")]]
        {
            assert_eq!(list(events), pairs(&[("1@g.us", "b"), ("2@g.us", "two")]));
        }
    }

    #[test]
    fn of_two_of_the_same_second_the_one_that_arrived_later_counts() {
        assert_eq!(list([named(1, "2@g.us", "a"), named(1, "2@g.us", "b")])[1].1, "b");
    }

    #[test]
    fn a_group_that_was_left_is_gone_and_comes_back_when_joined_again() {
        assert_eq!(list([left(5, "1@g.us"), named(4, "1@g.us", "late")]), pairs(&[("2@g.us", "two")]));
        let again = list([left(5, "1@g.us"), joined(6, "1@g.us")]);
        assert_eq!(again, pairs(&[("1@g.us", "one"), ("2@g.us", "two")]));
    }

    #[test]
    fn a_joined_group_is_added_and_keeps_the_name_that_another_event_told() {
        assert_eq!(list([joined(1, "3@g.us")])[2], ("3@g.us".to_owned(), UNKNOWN_NAME.to_owned()));
        assert_eq!(list([named(1, "3@g.us", "three"), joined(2, "3@g.us")])[2].1, "three");
    }

    #[test]
    fn what_was_told_before_the_fetch_is_in_the_list_already() {
        assert_eq!(list([named(-1, "1@g.us", "old")])[0].1, "one");
    }
}
