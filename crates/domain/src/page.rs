//! How long a page of a list may be.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_and_too_many_is_the_most() {
        assert_eq!(Limit::clamped(0), None);
        assert_eq!(Limit::clamped(u64::MAX).unwrap().get(), Limit::MAX);
    }
}
