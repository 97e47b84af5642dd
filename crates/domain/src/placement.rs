//! Which worker gets a new session.

use crate::WorkerName;

/// A worker that may be given a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which worker.
    pub name: WorkerName,
    /// How many sessions it may have.
    pub capacity: u32,
}

/// The candidate with most free places, of several the first by name; `None` if all are full. `load` says how many
/// sessions a worker has.
pub fn choose<'a>(
    candidates: impl IntoIterator<Item = &'a Candidate>,
    load: impl Fn(&WorkerName) -> u32,
) -> Option<&'a WorkerName> {
    let free = candidates.into_iter().filter_map(|candidate| {
        let free = candidate.capacity.saturating_sub(load(&candidate.name));
        (free > 0).then_some((free, &candidate.name))
    });
    free.max_by(|(free, name), (other_free, other_name)| free.cmp(other_free).then(other_name.cmp(name)))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn candidates(capacities: &[(&str, u32)]) -> Vec<Candidate> {
        let candidate = |(name, capacity): &(&str, u32)| Candidate { name: name.parse().unwrap(), capacity: *capacity };
        capacities.iter().map(candidate).collect()
    }

    #[test]
    fn the_one_with_most_free_places_and_then_the_first_by_name() {
        let loads = BTreeMap::from([("a", 9), ("b", 1), ("c", 1)]);
        let load = |name: &WorkerName| loads[name.as_str()];
        let choice = |capacities: &[(&str, u32)]| choose(&candidates(capacities), load).map(ToString::to_string);
        assert_eq!(choice(&[("c", 5), ("b", 5), ("a", 10)]).as_deref(), Some("b"));
        assert_eq!(choice(&[("a", 14), ("b", 5), ("c", 5)]).as_deref(), Some("a"));
        assert_eq!(choice(&[("a", 9), ("b", 1), ("c", 0)]), None, "all are full, one of them over-full");
        assert_eq!(choice(&[]), None);
    }

    #[test]
    fn equal_workers_fill_up_evenly() {
        let workers = candidates(&[("a", 400), ("b", 400), ("c", 400), ("d", 400), ("e", 400)]);
        let mut loads = BTreeMap::<WorkerName, u32>::new();
        for placed in 1..=2000 {
            let chosen = choose(&workers, |name| loads.get(name).copied().unwrap_or(0)).unwrap().clone();
            *loads.entry(chosen).or_default() += 1;
            let (least, most) = (loads.values().min().unwrap(), loads.values().max().unwrap());
            assert!(most - least <= 1, "after {placed}: {loads:?}");
        }
        assert!(choose(&workers, |name| loads[name]).is_none());
    }
}
