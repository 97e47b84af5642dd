//! What comes of an input: whether anything panicked, even if somebody caught that.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// What panicked on this thread since it began to be watched.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Calls the function with the input. The first panic, if there was one.
pub(crate) fn of(check: &dyn Fn(&[u8]), input: &[u8]) -> Result<(), String> {
    watch();
    PANICS.set(Some(Vec::new()));
    let caught = panic::catch_unwind(AssertUnwindSafe(|| check(input)));
    let panics = PANICS.take().unwrap_or_default();
    match (panics.into_iter().next(), caught) {
        (Some(panic), _) => Err(panic),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) => Err("it panicked without a word".to_owned()),
    }
}

/// From now on, panics of a thread that is watched are kept and not printed.
fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_kept = PANICS.with_borrow_mut(|panics| panics.as_mut().map(|panics| panics.push(panic.to_string())));
            if is_kept.is_none() {
                usual(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_somebody_caught_is_one() {
        let swallowed = |input: &[u8]| {
            let _ = panic::catch_unwind(|| assert!(input.is_empty(), "the cause"));
        };
        assert_eq!(of(&swallowed, b""), Ok(()));
        assert!(of(&swallowed, b"x").is_err_and(|panic| panic.contains("the cause") && panic.contains("outcome.rs")));
        assert!(of(&|_| panic!("not caught"), b"").is_err_and(|panic| panic.contains("not caught")));
    }
}
