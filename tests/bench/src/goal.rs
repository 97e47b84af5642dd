//! What is to be reached, and what others need for the same.
//!
//! What was measured elsewhere is stated in microseconds of CPU: of two cores like those that it was measured on, that is.

use std::time::Duration;

use crate::measure::Measured;

/// The most that something may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// So many times the CPU of the floor.
    Floors(f64),
    /// So many microseconds of CPU.
    Micros(f64),
    /// So long for 99 of 100 requests on one connection, everything included.
    P99(Duration),
}

impl Goal {
    pub(crate) const STATUS: Self = Self::Floors(2.5);
    pub(crate) const PAGE: Self = Self::Floors(3.0);
    /// Twice one select by primary key through a pool: 25 µs.
    pub(crate) const TWO_SELECTS_ON_POSTGRES: Self = Self::Micros(2.0 * 25.0);
    /// The same through a pool of SQLite connections: 41 µs.
    pub(crate) const TWO_SELECTS_ON_SQLITE: Self = Self::Micros(2.0 * 41.0);
    /// 500 times less than the peer.
    pub(crate) const SEARCH: Self = Self::Micros(Peer::CONTACTS_SEARCH.millis * 1000.0 / 500.0);
    pub(crate) const RARE_SEARCH: Self = Self::P99(Duration::from_micros(500));
    pub(crate) const COMMON_SEARCH: Self = Self::P99(Duration::from_millis(5));

    /// Whether it was reached, if that was measured.
    pub(crate) fn reached(self, measured: &Measured) -> Option<bool> {
        match self {
            Self::Floors(floors) => Some(measured.floors()? <= floors),
            Self::Micros(micros) => Some(measured.cpu_micros? <= micros),
            Self::P99(most) => Some(measured.alone?.p99 <= most),
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Floors(floors) => write!(f, "≤ {floors:.1} floors"),
            Self::Micros(micros) => write!(f, "≤ {micros} µs"),
            Self::P99(most) => write!(f, "alone p99 ≤ {most:?}"),
        }
    }
}

/// What users run today: Node 20 with `@trpc/server` 11.25, superjson, zod and Prisma 7, one worker. Measured once,
/// elsewhere.
pub(crate) struct Peer {
    pub(crate) what: &'static str,
    /// CPU a request.
    pub(crate) millis: f64,
    /// How many times less ours shall be.
    pub(crate) goal: Option<f64>,
    /// The cell that is the same, and the size of its lists.
    pub(crate) cell: &'static str,
    pub(crate) entries: usize,
}

impl Peer {
    const CONTACTS_SEARCH: Self = Self {
        what: "contacts search in 10 000",
        millis: 32.0,
        goal: Some(500.0),
        cell: "contacts search, rare, new terms",
        entries: 10_000,
    };

    pub(crate) const ALL: [Self; 5] = [
        Self {
            what: "getSessionStatus, a WAHA call each time",
            millis: 0.72,
            goal: Some(30.0),
            cell: "getSessionStatus, hot",
            entries: 10_000,
        },
        Self {
            what: "getWhatsAppSession, 10 groups × 2 campaigns",
            millis: 1.59,
            goal: Some(25.0),
            cell: "getWhatsAppSession, 10 groups × 2 campaigns",
            entries: 10_000,
        },
        Self { what: "groups, first 10", millis: 0.81, goal: None, cell: "groups, first 10", entries: 1000 },
        Self {
            what: "groups search in 1 000",
            millis: 32.0,
            goal: None,
            cell: "groups search, rare, new terms",
            entries: 1000,
        },
        Self::CONTACTS_SEARCH,
    ];
}
