//! What one notification carries: a line that says which form this is, then a line for each notice.
//!
//! ```text
//! 1
//! <replica> session <session>
//! <replica> groups <session>
//! ```

use switchboard_domain::ports::{Change, Notice};

/// The most that PostgreSQL takes.
const MAX_BYTES: usize = 7999;
const FORM: &str = "1";
/// Anything may have changed: on purpose, what [`read`] does not understand.
pub(super) const GAP: &str = "1\ngap";
/// Two ids of 32 letters, a word, and what is between them.
const LONGEST_LINE: usize = 32 + " contacts ".len() + 32 + "\n".len();

/// A notification to be filled.
pub(super) struct Payload(String);

impl Payload {
    pub(super) fn new() -> Self {
        Self(FORM.to_owned())
    }

    /// Adds a notice, if there is room for any. Returns whether there was.
    pub(super) fn add(&mut self, notice: &Notice) -> bool {
        let has_room = self.0.len() + LONGEST_LINE <= MAX_BYTES;
        if has_room {
            let (what, id) = match &notice.change {
                Change::Session(id) => ("session", id),
                Change::List(id, kind) => (kind.as_str(), id),
                Change::Erased(id) => ("erased", id),
            };
            for part in ["\n", notice.from.as_str(), " ", what, " ", id.as_str()] {
                self.0.push_str(part);
            }
        }
        has_room
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// The notices of a notification; `None` if it tells anything else, as one of another version of this program may.
pub(super) fn read(payload: &str) -> Option<Vec<Notice>> {
    let notices = payload.strip_prefix(FORM)?.strip_prefix('\n')?;
    notices.split('\n').map(notice).collect()
}

fn notice(line: &str) -> Option<Notice> {
    let (from, told) = line.split_once(' ')?;
    let (what, id) = told.split_once(' ')?;
    let id = id.parse().ok()?;
    let change = match what {
        "session" => Change::Session(id),
        "erased" => Change::Erased(id),
        list => Change::List(id, list.parse().ok()?),
    };
    Some(Notice { from: from.parse().ok()?, change })
}

#[cfg(test)]
mod tests {
    use switchboard_domain::ListKind;
    use switchboard_domain::ports::ReplicaId;

    use super::*;

    /// The session of that number, with an id as long as there are.
    fn notice_of(n: u32) -> Notice {
        let (from, id) = (format!("r{:0>31}", "x").parse().unwrap(), format!("s{n:031}").parse().unwrap());
        Notice { from, change: Change::List(id, ListKind::Contacts) }
    }

    #[test]
    fn a_full_payload_is_one_that_postgresql_takes_and_reads_as_it_was_written() {
        let mut payload = Payload::new();
        let told: Vec<_> = (0..1000).map(notice_of).take_while(|notice| payload.add(notice)).collect();
        let text = payload.into_text();
        assert!((MAX_BYTES - LONGEST_LINE..=MAX_BYTES).contains(&text.len()), "{} bytes", text.len());
        assert_eq!(read(&text), Some(told));
    }

    #[test]
    fn every_change_has_its_word() {
        let (from, id) = ("replica1".parse().unwrap(), "session1");
        let notices = [
            Change::Session(id.parse().unwrap()),
            Change::List(id.parse().unwrap(), ListKind::Groups),
            Change::List(id.parse().unwrap(), ListKind::Contacts),
            Change::Erased(id.parse().unwrap()),
        ]
        .map(|change| Notice { from: ReplicaId::clone(&from), change });
        let mut payload = Payload::new();
        assert!(notices.iter().all(|notice| payload.add(notice)));
        let text = payload.into_text();
        assert_eq!(
            text,
            "1\nreplica1 session session1\nreplica1 groups session1\nreplica1 contacts session1\nreplica1 erased session1"
        );
        assert_eq!(read(&text).unwrap(), notices);
    }

    #[test]
    fn what_is_not_understood_is_not_half_understood() {
        for payload in [
            GAP,
            "",
            "1",
            "1\n",
            "2\nr1 session s1",
            "11\nr1 session s1",
            "1 r1 session s1",
            "1\nr1 session s1\n",
            "1\nr1 session s1\nr1 campaigns s1",
            "1\nr1 session s1 again",
            "1\nr1 session",
            "1\nR1! session s1",
            "1\nr1 session \u{e9}",
            "{\"v\":1}",
        ] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }
}
