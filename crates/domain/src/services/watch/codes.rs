//! QR codes while a session waits for a scan: which one it is, and until when it is good.

use chrono::{DateTime, TimeDelta, Utc};

use super::ShownCode;
use crate::QrCode;

/// The codes of one wait for a scan, as far as they were observed.
#[derive(Debug, Default)]
pub(super) struct Codes {
    shown: Option<ShownCode>,
    /// The code that should be shown now, if its beginning was observed.
    present: Option<Present>,
    fetched_at: Option<DateTime<Utc>>,
    /// Since the last one that was fetched: when a fetch failed, and how often.
    failed_at: Option<DateTime<Utc>>,
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Present {
    began_at: DateTime<Utc>,
    /// From 1; `None` if the first was not observed.
    attempt: Option<u32>,
}

impl Present {
    /// How long codes are good: WhatsApp's rule, measured with NOWEB and the same in whatsmeow.
    const FIRST: TimeDelta = TimeDelta::seconds(60);
    const LATER: TimeDelta = TimeDelta::seconds(20);

    fn expires_at(&self) -> DateTime<Utc> {
        self.began_at + if self.attempt == Some(1) { Self::FIRST } else { Self::LATER }
    }
}

impl Codes {
    /// How often a code is fetched whose end is not known.
    const INTERVAL: TimeDelta = TimeDelta::seconds(5);
    /// How soon a fetch is repeated that failed, or brought a code that has run out.
    const RETRY: TimeDelta = TimeDelta::seconds(1);
    const LONGEST_RETRY: TimeDelta = TimeDelta::seconds(30);
    /// How late WAHA may be with the next code.
    const LATE: TimeDelta = TimeDelta::seconds(5);
    /// A code is good for longer than this: beginnings that are closer are one, heard of twice.
    const APART: TimeDelta = TimeDelta::seconds(5);

    /// A wait begins whose beginning was observed.
    pub(super) fn observed(now: DateTime<Utc>) -> Self {
        Self { present: Some(Present { began_at: now, attempt: Some(1) }), ..Self::default() }
    }

    /// What is on the screen.
    pub(super) fn shown(&self) -> Option<&ShownCode> {
        self.shown.as_ref()
    }

    /// WAHA said that there is a new code.
    pub(super) fn announced(&mut self, now: DateTime<Utc>) {
        let is_known = self.present.is_some_and(|present| (now - present.began_at).abs() < Self::APART);
        if !is_known {
            self.next(now);
        }
    }

    /// The code that was fetched.
    pub(super) fn fetched(&mut self, code: QrCode, now: DateTime<Utc>) {
        let is_another = self.shown.as_ref().is_some_and(|shown| shown.code != code);
        let is_expected = self.present.zip(self.fetched_at).is_some_and(|(present, at)| present.began_at > at);
        if let Some(before) = self.fetched_at.filter(|_| is_another && !is_expected) {
            // It began at some time after the last look, and after the end of the code before: promise no more than that.
            let ended_at = self.present.map(|present| present.expires_at()).filter(|ended_at| *ended_at <= now);
            self.next(ended_at.map_or(before, |ended_at| ended_at.max(before)));
        }
        // One that lives on has another rule than ours.
        let present = self.present.filter(|present| is_another || now < present.expires_at() + Self::LATE);
        self.present = present;
        let expires_at = present.map(|present| present.expires_at());
        self.shown = Some(ShownCode { code, expires_at, attempt: present.and_then(|present| present.attempt) });
        (self.fetched_at, self.failed_at, self.failures) = (Some(now), None, 0);
    }

    /// It could not be fetched.
    pub(super) fn failed(&mut self, now: DateTime<Utc>) {
        self.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
    }

    /// When to fetch the next one.
    pub(super) fn due_at(&self) -> DateTime<Utc> {
        let pause = (Self::RETRY * (1 << self.failures.saturating_sub(1).min(10))).min(Self::LONGEST_RETRY);
        let retry = self.failed_at.map(|at| at + pause);
        let Some(fetched_at) = self.fetched_at else { return retry.unwrap_or_default() };
        let next = match &self.present {
            Some(present) if present.began_at > fetched_at => present.began_at,
            Some(present) => present.expires_at().max(fetched_at + Self::RETRY),
            None => fetched_at + Self::INTERVAL,
        };
        retry.map_or(next, |retry| next.max(retry))
    }

    fn next(&mut self, now: DateTime<Utc>) {
        let attempt = self.present.and_then(|present| present.attempt).map(|attempt| attempt + 1);
        self.present = Some(Present { began_at: now, attempt });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn code(n: u32) -> QrCode {
        QrCode { png_base64: n.to_string() }
    }

    /// Which code is shown, which one it is called, and for how long it is good.
    fn shown(codes: &Codes) -> (&str, Option<u32>, Option<DateTime<Utc>>) {
        let shown = codes.shown().unwrap();
        (&shown.code.png_base64, shown.attempt, shown.expires_at)
    }

    #[test]
    fn the_first_code_is_good_for_a_minute_and_each_later_one_for_twenty_seconds() {
        let mut codes = Codes::observed(at(0));
        assert!(codes.due_at() <= at(0));
        codes.fetched(code(1), at(1));
        assert_eq!(shown(&codes), ("1", Some(1), Some(at(60))));
        codes.announced(at(60));
        assert_eq!(codes.due_at(), at(60));
        codes.fetched(code(2), at(61));
        assert_eq!(shown(&codes), ("2", Some(2), Some(at(80))));
        codes.announced(at(80));
        codes.fetched(code(3), at(80));
        assert_eq!(shown(&codes), ("3", Some(3), Some(at(100))));
    }

    #[test]
    fn a_beginning_that_is_heard_of_twice_is_one() {
        let mut codes = Codes::observed(at(0));
        codes.announced(at(1));
        codes.fetched(code(1), at(1));
        codes.announced(at(2));
        assert_eq!(shown(&codes), ("1", Some(1), Some(at(60))));
        assert_eq!(codes.due_at(), at(60));
    }

    #[test]
    fn without_reports_the_next_code_is_fetched_when_the_last_one_ends() {
        let mut codes = Codes::observed(at(0));
        codes.fetched(code(1), at(1));
        assert_eq!(codes.due_at(), at(60));
        codes.fetched(code(1), at(60));
        assert_eq!(codes.due_at(), at(61), "WAHA is a little late");
        codes.fetched(code(2), at(61));
        assert_eq!(shown(&codes), ("2", Some(2), Some(at(80))), "from the last look on");
    }

    #[test]
    fn the_next_code_of_a_punctual_waha_is_good_from_the_end_of_the_last_one_on() {
        let mut codes = Codes::observed(at(0));
        codes.fetched(code(1), at(1));
        codes.fetched(code(2), at(60));
        assert_eq!(shown(&codes), ("2", Some(2), Some(at(80))));
        codes.fetched(code(3), at(80));
        assert_eq!(shown(&codes), ("3", Some(3), Some(at(100))));
    }

    #[test]
    fn a_code_that_outlives_its_time_is_shown_without_one() {
        let mut codes = Codes::observed(at(0));
        codes.fetched(code(1), at(1));
        codes.fetched(code(1), at(65));
        assert_eq!(shown(&codes), ("1", None, None));
        assert_eq!(codes.due_at(), at(70));
    }

    #[test]
    fn of_a_wait_that_was_met_half_way_nothing_is_promised_before_the_next_code() {
        let mut codes = Codes::default();
        codes.fetched(code(4), at(0));
        assert_eq!(shown(&codes), ("4", None, None));
        assert_eq!(codes.due_at(), at(5));
        codes.fetched(code(4), at(5));
        codes.fetched(code(5), at(10));
        assert_eq!(shown(&codes), ("5", None, Some(at(25))));
    }

    #[test]
    fn a_code_that_could_not_be_fetched_is_fetched_a_second_later() {
        let mut codes = Codes::observed(at(0));
        codes.failed(at(3));
        assert_eq!(codes.due_at(), at(4));
        codes.failed(at(4));
        assert_eq!(codes.due_at(), at(6), "and then ever more slowly");
        (0..20).for_each(|_| codes.failed(at(6)));
        assert_eq!(codes.due_at(), at(36));
        codes.fetched(code(1), at(37));
        assert_eq!(codes.due_at(), at(60));
    }
}
