//! What a response says of waiting, beside its body.

use std::fmt::Write as _;
use std::time::Duration;

use super::Error;

/// A quota of which nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// What it is called: lower-case letters.
    pub name: &'static str,
    /// How many requests it is.
    pub quota: u32,
    /// In what time: whole seconds.
    pub window: Duration,
}

/// The headers that tell a client how long to wait: `retry-after`, the longest that any of the errors asks for; and for the
/// quotas that are used up, `ratelimit-policy` and `ratelimit` (draft-ietf-httpapi-ratelimit-headers-11).
pub(crate) fn headers<'a>(errors: impl IntoIterator<Item = &'a Error>) -> Vec<(&'static str, String)> {
    let mut longest: Option<Duration> = None;
    let mut exceeded: Vec<(Exceeded, Duration)> = Vec::new();
    for error in errors {
        let Some(wait) = error.retry_after() else { continue };
        longest = longest.max(Some(wait));
        let Some(quota) = error.exceeded() else { continue };
        match exceeded.iter_mut().find(|(known, _)| *known == quota) {
            Some((_, known)) => *known = wait.max(*known),
            None => exceeded.push((quota, wait)),
        }
    }
    let Some(longest) = longest else { return Vec::new() };
    let mut headers = vec![("retry-after", whole_seconds(longest).to_string())];
    if !exceeded.is_empty() {
        let (mut policies, mut left) = (String::new(), String::new());
        for (Exceeded { name, quota, window }, wait) in exceeded {
            let comma = if policies.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(policies, "{comma}\"{name}\";q={quota};w={}", window.as_secs());
            let _ = write!(left, "{comma}\"{name}\";r=0;t={}", whole_seconds(wait));
        }
        headers.extend([("ratelimit-policy", policies), ("ratelimit", left)]);
    }
    headers
}

/// Whole seconds, rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trpc::Code;

    fn busy(millis: u64) -> Error {
        Error::of(Code::ServiceUnavailable).with_retry_after(Duration::from_millis(millis))
    }

    fn exceeded(name: &'static str, millis: u64) -> Error {
        busy(millis).with_exceeded(Exceeded { name, quota: 30, window: Duration::from_mins(1) })
    }

    #[test]
    fn nothing_is_said_where_there_is_nothing_to_wait_for() {
        assert!(headers([]).is_empty());
        assert!(headers([&Error::of(Code::NotFound)]).is_empty());
    }

    #[test]
    fn the_longest_wait_is_said_in_whole_seconds() {
        assert_eq!(headers([&busy(1)]), [("retry-after", "1".to_owned())]);
        let errors = [Error::of(Code::NotFound), busy(7000), busy(6001)];
        assert_eq!(headers(&errors), [("retry-after", "7".to_owned())]);
    }

    #[test]
    fn each_quota_that_is_used_up_is_named_once() {
        let errors = [exceeded("reads", 20), exceeded("connects", 3500), exceeded("reads", 1500), busy(9000)];
        let expected = [
            ("retry-after", "9"),
            ("ratelimit-policy", r#""reads";q=30;w=60, "connects";q=30;w=60"#),
            ("ratelimit", r#""reads";r=0;t=2, "connects";r=0;t=4"#),
        ];
        assert_eq!(headers(&errors), expected.map(|(name, value)| (name, value.to_owned())));
    }
}
