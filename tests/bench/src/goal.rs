//! What is to be reached. What was measured elsewhere counts in floors of the machine that it was measured on.

use std::time::Duration;

use crate::measure::Measured;
use crate::peer::Contest;

/// What the floor cost, in microseconds of CPU, where the selects and the peer with everything were measured.
pub(crate) const FLOOR_ELSEWHERE: f64 = 7.8;

/// The most that something may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// So many times the CPU of the floor.
    Floors(f64),
    /// So long for 99 of 100 requests on one connection, everything included.
    P99(Duration),
}

impl Goal {
    pub(crate) const STATUS: Self = Self::Floors(2.5);
    pub(crate) const PAGE: Self = Self::Floors(3.0);
    /// Twice one select by primary key through a pool of PostgreSQL connections: 25 µs elsewhere.
    pub(crate) const TWO_SELECTS_ON_POSTGRES: Self = Self::Floors(2.0 * 25.0 / FLOOR_ELSEWHERE);
    /// The same through a pool of SQLite connections: 41 µs elsewhere.
    pub(crate) const TWO_SELECTS_ON_SQLITE: Self = Self::Floors(2.0 * 41.0 / FLOOR_ELSEWHERE);
    /// 500 times less than the peer elsewhere.
    pub(crate) const SEARCH: Self = Self::Floors(Contest::CONTACTS_SEARCH.floors_elsewhere() / 500.0);
    pub(crate) const RARE_SEARCH: Self = Self::P99(Duration::from_micros(500));
    pub(crate) const COMMON_SEARCH: Self = Self::P99(Duration::from_millis(5));

    /// Whether it was reached, if that was measured.
    pub(crate) fn reached(self, measured: &Measured) -> Option<bool> {
        match self {
            Self::Floors(floors) => Some(measured.floors()? <= floors),
            Self::P99(most) => Some(measured.alone?.p99 <= most),
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Floors(floors) => write!(f, "≤ {floors:.1} floors"),
            Self::P99(most) => write!(f, "alone p99 ≤ {most:?}"),
        }
    }
}
