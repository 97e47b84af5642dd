//! What a row remembers of what WAHA said.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{ChatId, Epoch, PhoneNumber, Revision, Session, SessionStatus, UpstreamSession};

/// What changes on a session's row after WAHA was asked about it.
///
/// Written in one statement, and only if the row still has the revision it was made from: WAHA's answers come late and out
/// of order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The epoch after it: the next one if WORKING reported another account.
    pub epoch: Epoch,
    /// What WAHA said; absent is STOPPED.
    pub status: SessionStatus,
    /// See [`Session::down_since`].
    pub down_since: Option<DateTime<Utc>>,
    /// See [`Session::account`].
    pub account: Option<ChatId>,
    /// See [`Session::paired_at`].
    pub paired_at: Option<DateTime<Utc>>,
    /// See [`Session::revived_at`].
    pub revived_at: Option<DateTime<Utc>>,
    /// See [`Session::reported_at`].
    pub reported_at: Option<DateTime<Utc>>,
    /// See [`Session::phone`]: another one only at the first WORKING of a pairing, or once that names the account, so that
    /// a user's own later number stays.
    pub phone: Option<PhoneNumber>,
}

impl Session {
    /// What the row has to remember after WAHA answered with `upstream` (`None`: WAHA has no such session), or `None`
    /// if it knows all of it already.
    pub fn observe(&self, upstream: Option<&UpstreamSession>, now: DateTime<Utc>) -> Option<Observation> {
        let seen = self.seen(upstream, now);
        (!self.knows(&seen)).then_some(seen)
    }

    /// What the row has to remember after WAHA reported `upstream`, `at` that time by its own clock; or `None` if it has
    /// taken in that report already, or a newer one.
    pub fn observe_report(
        &self,
        upstream: &UpstreamSession,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Option<Observation> {
        // A clock that was ahead and has been put right must not silence its worker until it is there again.
        let latest = now + Self::CLOCKS_DIFFER;
        let is_new = self.reported_at.is_none_or(|known| known < at || known > latest && at <= latest);
        is_new.then(|| Observation { reported_at: Some(at), ..self.seen(Some(upstream), now) })
    }

    /// By how much WAHA's clock and ours may differ.
    const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

    fn seen(&self, upstream: Option<&UpstreamSession>, now: DateTime<Utc>) -> Observation {
        let status = upstream.map_or(SessionStatus::Stopped, |session| session.status.clone());
        let mut seen = Observation {
            epoch: self.epoch,
            down_since: if status.is_down() { self.down_since.or(Some(now)) } else { None },
            account: self.account.clone(),
            paired_at: self.paired_at,
            revived_at: self.revived_at,
            reported_at: self.reported_at,
            phone: self.phone.clone(),
            status,
        };
        match seen.status {
            // Only `status` tells whether a session is logged in: WAHA sets `me` before that and keeps it after.
            SessionStatus::Working => {
                seen.revived_at = None;
                let me = upstream.and_then(|session| session.me.as_ref());
                seen.pair(me.map(|me| &me.id), now);
            }
            // A QR code is offered only to a session without a login.
            SessionStatus::ScanQrCode => {
                seen.revived_at = None;
                seen.paired_at = None;
            }
            _ => {}
        }
        seen
    }

    /// The session as it is once `seen` is written.
    #[must_use]
    pub fn with(mut self, seen: Observation) -> Self {
        self.revision = Revision(self.revision.0 + 1);
        self.epoch = seen.epoch;
        self.status = Some(seen.status);
        self.down_since = seen.down_since;
        self.account = seen.account;
        self.paired_at = seen.paired_at;
        self.revived_at = seen.revived_at;
        self.reported_at = seen.reported_at;
        self.phone = seen.phone;
        self
    }

    fn knows(&self, seen: &Observation) -> bool {
        self.epoch == seen.epoch
            && self.status.as_ref() == Some(&seen.status)
            && self.down_since == seen.down_since
            && self.account == seen.account
            && self.paired_at == seen.paired_at
            && self.revived_at == seen.revived_at
            && self.reported_at == seen.reported_at
            && self.phone == seen.phone
    }
}

impl Observation {
    /// It works, so it is paired, even if nobody knows yet with which account.
    fn pair(&mut self, account: Option<&ChatId>, now: DateTime<Utc>) {
        let is_first = self.paired_at.is_none();
        self.paired_at = self.paired_at.or(Some(now));
        let Some(account) = account else { return };
        let is_unnamed = self.account.is_none();
        let is_other = self.account.as_ref().is_some_and(|known| known != account);
        if is_other {
            self.epoch = self.epoch.next();
            self.paired_at = Some(now);
        }
        if is_first || is_unnamed || is_other {
            self.phone = account.phone();
            self.account = Some(account.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Lifecycle, Me};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn session() -> Session {
        let mut session = Session::new(
            "tz4a98xxat96iws9zmbrgj3a".parse().unwrap(),
            "session_1".parse().unwrap(),
            "alice".parse().unwrap(),
            "default".parse().unwrap(),
            now(),
        );
        session.lifecycle = Lifecycle::Connected;
        session
    }

    fn upstream(status: SessionStatus, account: Option<&str>) -> UpstreamSession {
        UpstreamSession {
            name: "session_1".parse().unwrap(),
            status,
            me: account.map(|id| Me { id: id.parse().unwrap(), lid: None }),
            deployment: None,
            home: None,
            is_webhook_outdated: false,
        }
    }

    fn after(session: Session, status: SessionStatus, account: Option<&str>, at: DateTime<Utc>) -> Session {
        match session.observe(Some(&upstream(status, account)), at) {
            Some(seen) => session.with(seen),
            None => session,
        }
    }

    #[test]
    fn the_first_working_fills_in_the_number_and_nothing_changes_at_the_second() {
        let paired = after(session(), SessionStatus::Working, Some("34600111222@c.us"), now());
        assert_eq!(paired.phone.as_ref().unwrap().as_str(), "+34600111222");
        assert_eq!((paired.epoch, paired.paired_at), (Epoch(0), Some(now())));
        assert_eq!(paired.observe(Some(&upstream(SessionStatus::Working, Some("34600111222@c.us"))), now()), None);
    }

    #[test]
    fn a_number_the_user_wrote_stays_until_the_next_pairing() {
        let mut paired = after(session(), SessionStatus::Working, Some("34600111222@c.us"), now());
        paired.phone = Some("+491701234567".parse().unwrap());
        let reconnected = after(
            after(paired, SessionStatus::Starting, Some("34600111222@c.us"), now()),
            SessionStatus::Working,
            Some("34600111222@c.us"),
            now(),
        );
        assert_eq!(reconnected.phone.as_ref().unwrap().as_str(), "+491701234567");

        let again = after(
            after(reconnected, SessionStatus::ScanQrCode, None, now()),
            SessionStatus::Working,
            Some("34600111222@c.us"),
            now(),
        );
        assert_eq!(again.phone.as_ref().unwrap().as_str(), "+34600111222");
        assert_eq!(again.epoch, Epoch(0), "the same account is the same epoch");
    }

    #[test]
    fn what_works_is_paired_before_its_account_is_named() {
        let at = |minutes| now() + TimeDelta::minutes(minutes);
        let nameless = after(session(), SessionStatus::Working, None, at(0));
        assert_eq!((nameless.paired_at, &nameless.account, &nameless.phone), (Some(at(0)), &None, &None));
        assert_eq!(nameless.observe(Some(&upstream(SessionStatus::Working, None)), at(1)), None);
        let failed = after(nameless.clone(), SessionStatus::Failed, None, at(1));
        assert_eq!(failed.paired_at, Some(at(0)));

        let named = after(nameless, SessionStatus::Working, Some("34600111222@c.us"), at(2));
        assert_eq!((named.paired_at, named.epoch), (Some(at(0)), Epoch(0)), "the same pairing");
        assert_eq!(named.phone.as_ref().unwrap().as_str(), "+34600111222");
        let silent = after(named, SessionStatus::Working, None, at(3));
        assert_eq!(silent.account.as_ref().unwrap().as_str(), "34600111222@c.us");

        let scanned = after(silent, SessionStatus::ScanQrCode, None, at(4));
        let again = after(scanned, SessionStatus::Working, None, at(5));
        assert_eq!((again.paired_at, again.epoch), (Some(at(5)), Epoch(0)), "nobody knows yet whose it is");
        let other = after(again, SessionStatus::Working, Some("491701234567@c.us"), at(6));
        assert_eq!((other.paired_at, other.epoch), (Some(at(6)), Epoch(1)));
        assert_eq!(other.phone.unwrap().as_str(), "+491701234567");
    }

    #[test]
    fn an_account_whose_number_is_not_known_takes_the_old_number_away() {
        let first = after(session(), SessionStatus::Working, Some("34600111222@c.us"), now());
        let second = after(first, SessionStatus::Working, Some("123456@c.us"), now());
        assert_eq!(second.phone, None);
    }

    #[test]
    fn of_reports_the_newest_counts_by_wahas_clock_unless_that_was_far_ahead() {
        let at = |minutes| now() + TimeDelta::minutes(minutes);
        let report = |session: &Session, minutes| {
            let seen = session.observe_report(&upstream(SessionStatus::Starting, None), at(minutes), now())?;
            Some(session.clone().with(seen))
        };
        let told = report(&session(), -1).unwrap();
        assert_eq!((told.reported_at, told.revision), (Some(at(-1)), Revision(1)));
        assert!(report(&told, -1).is_none(), "told already");
        assert!(report(&told, -2).is_none(), "older");
        let again = report(&told, 0).unwrap();
        assert_eq!(again.revision, Revision(2), "told again is news: what was asked for before it comes too late");
        let ahead = report(&again, 60).unwrap();
        assert!(report(&ahead, 59).is_none(), "a clock that is ahead orders, too");
        assert_eq!(report(&ahead, 1).unwrap().reported_at, Some(at(1)), "put right");
    }

    #[test]
    fn another_account_raises_the_epoch() {
        let first = after(session(), SessionStatus::Working, Some("34600111222@c.us"), now());
        let second = after(first, SessionStatus::Working, Some("491701234567@c.us"), now());
        assert_eq!(second.epoch, Epoch(1));
        assert_eq!(second.account.unwrap().as_str(), "491701234567@c.us");
    }

    #[test]
    fn an_account_named_before_the_scan_is_not_believed() {
        let seen = after(session(), SessionStatus::ScanQrCode, Some("34600111222@c.us"), now());
        assert_eq!((seen.account, seen.phone, seen.paired_at), (None, None, None));
    }

    #[test]
    fn a_session_that_is_down_disappears_after_thirty_seconds_and_an_unknown_word_brings_it_back() {
        let down = after(session(), SessionStatus::Failed, None, now());
        assert!(down.is_shown(now() + TimeDelta::seconds(29)));
        assert!(!down.is_shown(now() + TimeDelta::seconds(30)));
        let absent = down.observe(None, now() + TimeDelta::seconds(40)).unwrap();
        assert_eq!(absent.down_since, Some(now()), "STOPPED after FAILED is the same stretch");
        let live = after(down, SessionStatus::from("HIBERNATING"), None, now() + TimeDelta::seconds(50));
        assert!(live.is_shown(now() + TimeDelta::seconds(100)));
    }
}
