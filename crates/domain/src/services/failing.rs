//! Whether a worker is at fault, and not its users.

use crate::{SessionName, SessionStatus, UpstreamSession};

/// Whether half or more of a worker's running sessions with a login are FAILED, and at least one of them is not `subject`.
pub(super) fn is_failing(sessions: &[UpstreamSession], subject: Option<&SessionName>) -> bool {
    let (mut running, mut failed, mut is_another) = (0, 0, false);
    for session in sessions {
        // QR codes that nobody scanned end as FAILED too, and say nothing of the worker.
        if session.status == SessionStatus::Stopped || session.me.is_none() {
            continue;
        }
        running += 1;
        if session.status == SessionStatus::Failed {
            failed += 1;
            is_another |= Some(&session.name) != subject;
        }
    }
    is_another && failed * 2 >= running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testing::upstream;

    fn sessions(statuses: &[(&str, SessionStatus, bool)]) -> Vec<UpstreamSession> {
        let session = |(name, status, paired): &(&str, SessionStatus, bool)| {
            let mut session = UpstreamSession { name: name.parse().unwrap(), ..upstream(status.clone()) };
            session.me = session.me.filter(|_| *paired);
            session
        };
        statuses.iter().map(session).collect()
    }

    #[test]
    fn half_of_those_that_run_with_a_login_and_not_one_alone() {
        use SessionStatus::{Failed, Stopped, Working};
        let subject = "a".parse().unwrap();
        let is_so = |statuses: &[_]| is_failing(&sessions(statuses), Some(&subject));
        assert!(is_so(&[("a", Failed, true), ("b", Failed, true), ("c", Working, true), ("d", Working, true)]));
        assert!(!is_so(&[
            ("a", Failed, true),
            ("b", Failed, true),
            ("c", Working, true),
            ("d", Working, true),
            ("e", Working, true)
        ]));
        assert!(!is_so(&[("a", Failed, true)]), "its own");
        assert!(!is_so(&[("a", Failed, true), ("b", Failed, false)]), "a QR code that nobody scanned");
        assert!(is_so(&[
            ("a", Failed, true),
            ("b", Failed, true),
            ("c", Stopped, true),
            ("d", Stopped, true),
            ("e", Stopped, true)
        ]));
        assert!(!is_so(&[]));
    }
}
