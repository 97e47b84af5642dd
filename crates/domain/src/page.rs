//! What a page of a list is.

use std::num::NonZeroUsize;

/// How many entries a page may have: 1 to [`Limit::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(NonZeroUsize);

impl Limit {
    /// The most entries of one page; who asks for more gets this many and a cursor to the rest.
    pub const MAX: usize = 10_000;

    /// The limit for a client that asks for `wanted` entries; `None` for 0.
    pub fn clamped(wanted: u64) -> Option<Self> {
        let wanted = usize::try_from(wanted).unwrap_or(Self::MAX);
        NonZeroUsize::new(wanted.min(Self::MAX)).map(Self)
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0.get()
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in the list's order.
    pub items: Vec<T>,
    /// The offset of the next page; `None` on the last one.
    pub next_cursor: Option<u64>,
    /// How many entries there are on all pages together.
    pub total: u64,
}

impl<T> Page<T> {
    /// The `limit` entries from the offset `cursor` on; past the end is an empty last page.
    pub fn of<'a, U>(entries: &[&'a U], cursor: u64, limit: Limit) -> Self
    where
        T: From<&'a U>,
    {
        let total = entries.len();
        let start = usize::try_from(cursor).map_or(total, |start| start.min(total));
        let end = start.saturating_add(limit.get()).min(total);
        Self {
            items: entries[start..end].iter().map(|entry| T::from(entry)).collect(),
            next_cursor: (end < total).then_some(end as u64),
            total: total as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn paging_gives_every_entry_once_in_order(count in 0usize..60, limit in 1u64..70) {
            let entries: Vec<u8> = (0..count).map(|n| u8::try_from(n).unwrap()).collect();
            let all: Vec<&u8> = entries.iter().collect();
            let limit = Limit::clamped(limit).unwrap();
            let mut seen: Vec<Entry> = Vec::new();
            let mut cursor = Some(0);
            while let Some(offset) = cursor {
                let page = Page::<Entry>::of(&all, offset, limit);
                prop_assert_eq!(page.total, count as u64);
                prop_assert!(page.items.len() <= limit.get());
                seen.extend(page.items);
                cursor = page.next_cursor;
            }
            prop_assert_eq!(seen.into_iter().map(|entry| entry.0).collect::<Vec<_>>(), entries);
        }
    }

    #[derive(Clone, Debug, PartialEq)]
    struct Entry(u8);

    impl From<&u8> for Entry {
        fn from(n: &u8) -> Self {
            Self(*n)
        }
    }

    #[test]
    fn a_cursor_past_the_end_is_an_empty_last_page() {
        let page = Page::<Entry>::of(&[&1, &2], u64::MAX, Limit::clamped(10).unwrap());
        assert_eq!(page, Page { items: vec![], next_cursor: None, total: 2 });
    }

    #[test]
    fn zero_is_no_limit_and_too_many_is_the_most() {
        assert_eq!(Limit::clamped(0), None);
        assert_eq!(Limit::clamped(u64::MAX).unwrap().get(), Limit::MAX);
    }
}
