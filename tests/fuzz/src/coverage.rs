//! Which branches an input reaches: counted by the code itself, if it was compiled for that (`instrumented.sh`).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// The counters of everything that is linked in.
static COUNTERS: Mutex<Vec<&'static [AtomicU8]>> = Mutex::new(Vec::new());

/// How often each branch has been taken by an input so far, roughly.
pub(crate) struct Seen {
    counters: Vec<&'static [AtomicU8]>,
    /// A bit for each order of magnitude.
    orders: Vec<u8>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let branches = counters.iter().map(|counters| counters.len()).sum();
        Self { counters, orders: vec![0; branches] }
    }

    /// How many branches there are; 0 if they are not counted.
    pub(crate) fn branches(&self) -> usize {
        self.orders.len()
    }

    /// How many of them were taken.
    pub(crate) fn taken(&self) -> usize {
        self.orders.iter().filter(|orders| **orders > 0).count()
    }

    /// Forgets what was counted since the last time.
    pub(crate) fn forget(&self) {
        self.counters
            .iter()
            .flat_map(|counters| counters.iter())
            .for_each(|counter| counter.store(0, Ordering::Relaxed));
    }

    /// Whether something was reached since then that nothing has reached before, or not as often.
    pub(crate) fn learn(&mut self) -> bool {
        let mut is_new = false;
        let counters = self.counters.iter().flat_map(|counters| counters.iter());
        for (counter, orders) in counters.zip(&mut self.orders) {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                let order = 1 << order(count);
                is_new |= *orders & order == 0;
                *orders |= order;
            }
        }
        is_new
    }
}

/// 1, 2, 3, 4 to 7, 8 to 15, 16 to 31, 32 to 127, more: a loop that runs once more is nothing new.
fn order(count: u8) -> u32 {
    match count {
        0..=3 => u32::from(count.saturating_sub(1)),
        4..=31 => u32::from(count).ilog2() + 1,
        32..=127 => 6,
        128.. => 7,
    }
}

/// Where instrumented code keeps its counters: a byte for each branch, from `start` up to `stop`. Called before `main`, once
/// for each part of the program (clang's documentation of `SanitizerCoverage`, "Inline 8bit-counters").
#[expect(unsafe_code, reason = "the compiler calls it by this name, and hands over bare addresses")]
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *const AtomicU8, stop: *const AtomicU8) {
    // SAFETY: both are ends of one section of the program, which is there as long as it runs. Code that counts does so
    // without synchronisation; a count that gets lost by that is none that matters.
    let counters = unsafe { std::slice::from_raw_parts(start, stop.offset_from_unsigned(start)) };
    let mut known = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if !counters.is_empty() && known.iter().all(|known| !std::ptr::eq(known.as_ptr(), start)) {
        known.push(counters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_of_magnitude_is_new_once() {
        static COUNTED: [AtomicU8; 2] = [const { AtomicU8::new(0) }; 2];
        let mut seen = Seen { counters: vec![&COUNTED], orders: vec![0; 2] };
        assert!(!seen.learn());
        for (count, is_new) in
            [(1, true), (1, false), (2, true), (3, true), (4, true), (7, false), (8, true), (255, true)]
        {
            seen.forget();
            COUNTED[1].store(count, Ordering::Relaxed);
            assert_eq!(seen.learn(), is_new, "{count}");
        }
        assert_eq!((seen.branches(), seen.taken()), (2, 1));
    }
}
