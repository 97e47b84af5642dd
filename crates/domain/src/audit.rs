//! Who did what, when, and what came of it.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::parse::text_newtype;
use crate::ports::{GatewayError, Random, StorageError};
use crate::{Error, ParseError, Precondition, SessionName, UserId, WorkerName};

/// The id of an entry of the audit log: a cuid2.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AuditId(String);

text_newtype!(AuditId);

impl FromStr for AuditId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if cuid2::is_cuid2(text) { Ok(Self(text.to_owned())) } else { Err(ParseError { expected: "a cuid2" }) }
    }
}

/// An entry of the audit log. It holds who the user is, which is its purpose, and nothing else of a person: no phone
/// number, no name of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// When it was over.
    pub at: DateTime<Utc>,
    /// What was done.
    pub deed: Deed,
    /// What came of it.
    pub outcome: AuditOutcome,
}

/// What was done, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub action: AuditAction,
    /// By which means.
    pub by: Means,
    /// Whom it was about, if about anybody: who asked for it, unless an operator or the reconciler did it.
    pub user: Option<UserId>,
    /// Which session it was about.
    pub session: Option<SessionName>,
    /// Which WAHA server it was about.
    pub worker: Option<WorkerName>,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A session was made, started or brought back. One that was up already is no deed.
    Connect,
    /// A session was restarted.
    Restart,
    /// A stopped session was started.
    Start,
    /// A session was logged out and deleted.
    Logout,
    /// A session that nobody wants was deleted.
    Delete,
    /// A code to type on the phone was asked for.
    RequestPairingCode,
    /// A group was linked.
    LinkGroup,
    /// A group was unlinked.
    UnlinkGroup,
    /// An API key was made.
    CreateKey,
    /// An API key was revoked.
    RevokeKey,
    /// A worker was told to take no new sessions.
    DrainWorker,
    /// A worker was told to take new sessions.
    ActivateWorker,
    /// A worker was given up.
    RemoveWorker,
    /// A user's rows were taken over from another application.
    Import,
    /// All that is kept of a user was written out.
    Export,
    /// All that was kept of a user was deleted.
    Erase,
}

/// By which means something was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Means {
    /// By a request with a bearer token.
    Token,
    /// By a request with an API key.
    ApiKey,
    /// By a request with the session cookie of a web application.
    Cookie,
    /// By an operator's command.
    Cli,
    /// By the machine, which repairs what a crash or an outage left behind.
    Reconciler,
}

/// What came of it: `done`, or in a word why not. 1 to 64 lower-case letters and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOutcome(String);

text_newtype!(AuditOutcome);

impl Deed {
    /// One about nobody and nothing in particular, yet.
    pub fn new(action: AuditAction, by: Means) -> Self {
        Self { action, by, user: None, session: None, worker: None }
    }

    /// About that user.
    #[must_use]
    pub fn of(self, user: &UserId) -> Self {
        Self { user: Some(user.clone()), ..self }
    }

    /// About that session.
    #[must_use]
    pub fn on(self, session: &SessionName) -> Self {
        Self { session: Some(session.clone()), ..self }
    }

    /// About that worker.
    #[must_use]
    pub fn at(self, worker: &WorkerName) -> Self {
        Self { worker: Some(worker.clone()), ..self }
    }
}

impl AuditEntry {
    /// A deed that is over.
    ///
    /// # Errors
    /// [`ParseError`] if the random source makes no cuid2.
    pub fn new(deed: Deed, outcome: AuditOutcome, random: &dyn Random, now: DateTime<Utc>) -> Result<Self, ParseError> {
        Ok(Self { id: random.cuid().parse()?, at: now, deed, outcome })
    }
}

impl AuditAction {
    const ALL: [Self; 16] = [
        Self::Connect,
        Self::Restart,
        Self::Start,
        Self::Logout,
        Self::Delete,
        Self::RequestPairingCode,
        Self::LinkGroup,
        Self::UnlinkGroup,
        Self::CreateKey,
        Self::RevokeKey,
        Self::DrainWorker,
        Self::ActivateWorker,
        Self::RemoveWorker,
        Self::Import,
        Self::Export,
        Self::Erase,
    ];

    /// The word, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Logout => "logout",
            Self::Delete => "delete",
            Self::RequestPairingCode => "request_pairing_code",
            Self::LinkGroup => "link_group",
            Self::UnlinkGroup => "unlink_group",
            Self::CreateKey => "create_key",
            Self::RevokeKey => "revoke_key",
            Self::DrainWorker => "drain_worker",
            Self::ActivateWorker => "activate_worker",
            Self::RemoveWorker => "remove_worker",
            Self::Import => "import",
            Self::Export => "export",
            Self::Erase => "erase",
        }
    }
}

impl FromStr for AuditAction {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::ALL.into_iter().find(|action| action.as_str() == text);
        known.ok_or(ParseError { expected: "an action of the audit log" })
    }
}

impl Means {
    const ALL: [Self; 5] = [Self::Token, Self::ApiKey, Self::Cookie, Self::Cli, Self::Reconciler];

    /// The word, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::ApiKey => "api_key",
            Self::Cookie => "cookie",
            Self::Cli => "cli",
            Self::Reconciler => "reconciler",
        }
    }
}

impl FromStr for Means {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::ALL.into_iter().find(|means| means.as_str() == text);
        known.ok_or(ParseError { expected: "token, api_key, cookie, cli or reconciler" })
    }
}

impl AuditOutcome {
    /// It was done.
    pub fn done() -> Self {
        Self("done".to_owned())
    }

    /// What a result says.
    pub fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::done(),
            Err(error) => Self(reason(error).to_owned()),
        }
    }
}

impl FromStr for AuditOutcome {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let is_word = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_word.then(|| Self(text.to_owned())).ok_or(ParseError { expected: "a word of lower-case letters and _" })
    }
}

impl UserId {
    /// What stands in the audit log for a user who was erased: `sha256:` and the hash of the id. Whoever knows the id finds
    /// it again, and nobody else reads it there.
    ///
    /// # Errors
    /// Never: a hash is a user id by its form.
    pub fn pseudonym(&self) -> Result<Self, ParseError> {
        let hash: [u8; 32] = Sha256::digest(self.as_str()).into();
        let half = |from: usize| u128::from_be_bytes(std::array::from_fn(|at| hash[from + at]));
        format!("sha256:{:032x}{:032x}", half(0), half(16)).parse()
    }
}

fn reason(error: &Error) -> &'static str {
    match error {
        Error::NotFound => "not_found",
        Error::NoGroup => "group_not_found",
        Error::Precondition(Precondition::NotConnected) => "not_connected",
        Error::Precondition(Precondition::AlreadyConnected) => "already_connected",
        Error::Precondition(Precondition::Starting) => "starting",
        Error::Precondition(Precondition::NotPaired) => "not_paired",
        Error::ActiveCampaign => "active_campaign",
        Error::VersionGone => "version_gone",
        Error::TooSoon(_) => "refreshed_recently",
        Error::NoWorker => "no_worker",
        Error::WorkerFailing => "worker_failing",
        Error::Busy => "busy",
        Error::Internal => "internal",
        Error::Gateway(GatewayError::NoSession) => "no_session",
        Error::Gateway(GatewayError::WrongStatus(_)) => "wrong_status",
        Error::Gateway(GatewayError::RateLimited) => "whatsapp_rate_limit",
        Error::Gateway(GatewayError::Timeout) => "waha_timeout",
        Error::Gateway(GatewayError::Refused(_)) => "waha_refused",
        Error::Gateway(GatewayError::Broken(_)) => "waha_broken",
        Error::Gateway(GatewayError::Unavailable(_)) => "waha_unavailable",
        Error::Storage(StorageError::Conflict) => "conflict",
        Error::Storage(StorageError::Unavailable(_)) => "database_unavailable",
        Error::Storage(StorageError::Failed(_)) => "database_failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_was_written() {
        for action in AuditAction::ALL {
            assert_eq!(action.as_str().parse(), Ok(action));
        }
        for means in Means::ALL {
            assert_eq!(means.as_str().parse(), Ok(means));
        }
        for error in [Error::Busy, Error::NoWorker, Error::Gateway(GatewayError::Timeout)] {
            let outcome = AuditOutcome::of::<()>(&Err(error));
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        for bad in ["", "Done", "why not", "done1"] {
            assert!(bad.parse::<AuditOutcome>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_erased_user_is_named_by_a_hash_that_who_knows_the_id_finds_again() {
        let alice: UserId = "alice".parse().unwrap();
        let expected = "sha256:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
        assert_eq!(alice.pseudonym().unwrap().as_str(), expected);
    }
}
