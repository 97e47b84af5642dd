//! The rules: what is so with a session. No I/O, and the only place that decides.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};

use super::finding::Finding;
use super::notes::Note;
use crate::ports::Stray;
use crate::{DeploymentId, Lifecycle, Session, SessionStatus, UpstreamSession, WorkerName};

/// How long a paired session stays FAILED before it is restarted. WEBJS without a network goes between FAILED and STARTING
/// every 3 s by itself, and must not be fought.
const FAILED_FOR: TimeDelta = TimeDelta::seconds(30);
/// How long a paired session stays STOPPED before it is started. A WAHA that boots starts its sessions by itself, one after
/// the other.
const STOPPED_FOR: TimeDelta = TimeDelta::minutes(2);
/// How long a paired session stays STARTING before it is restarted. NOWEB gives up by itself after two minutes.
const STARTING_FOR: TimeDelta = TimeDelta::minutes(5);
/// How long a session that was never paired stays down before it is given up.
const ABANDONED_AFTER: TimeDelta = TimeDelta::minutes(15);
/// How long nobody wants an unpaired session of ours before it is deleted.
const ORPHANED_FOR: TimeDelta = TimeDelta::minutes(15);
/// How long nobody wants a paired session of ours, whose account works elsewhere, before it is deleted.
const ORPHANED_WITH_TWIN_FOR: TimeDelta = TimeDelta::hours(24);
/// For how long after a pairing a connection is not dropped for a webhook.
const PAIRED_FOR: TimeDelta = TimeDelta::minutes(1);

/// A session, as everybody sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    /// The worker that is reconciled.
    pub(super) worker: &'a WorkerName,
    /// This deployment.
    pub(super) deployment: &'a DeploymentId,
    /// The row of that name, wherever it is placed.
    pub(super) row: Option<&'a Session>,
    /// What the worker has.
    pub(super) upstream: Option<&'a UpstreamSession>,
    /// What the reconciler remembers.
    pub(super) note: Note,
    /// Since when it is known that no row wants it there.
    pub(super) stray: Option<&'a Stray>,
    /// Whether its account works in another session of ours.
    pub(super) has_twin: bool,
    /// Now.
    pub(super) now: DateTime<Utc>,
}

/// What is so with it.
pub(super) fn plan(case: &Case<'_>) -> Finding {
    match case.row {
        Some(row) if is_here(row, case.worker) => match row.lifecycle {
            Lifecycle::LoggingOut => Finding::LogoutUnfinished,
            Lifecycle::Connecting => connecting(row, case),
            Lifecycle::Connected => connected(row, case),
            Lifecycle::Disconnected => Finding::Fine,
        },
        row => match case.upstream {
            Some(upstream) if is_stray(row, upstream, case.worker, case.deployment, is_left_behind(case.stray)) => {
                stray(upstream, case)
            }
            _ => Finding::Fine,
        },
    }
}

/// Whether the session has a row that has business with that worker: wanted there, or to be logged out there.
pub(super) fn is_here(row: &Session, worker: &WorkerName) -> bool {
    row.worker == *worker && row.lifecycle != Lifecycle::Disconnected
}

/// Whether no row wants a session that this worker has.
///
/// Workers that share a store list everybody's, and so do two names of one worker. One whose row is on another worker is
/// therefore no stray, unless it says that it was created here, or was left behind here when none said where it was
/// created, and has no login to lose.
pub(super) fn is_stray(
    row: Option<&Session>,
    upstream: &UpstreamSession,
    worker: &WorkerName,
    deployment: &DeploymentId,
    is_left_behind: bool,
) -> bool {
    let Some(row) = row else { return true };
    if row.worker == *worker || row.lifecycle == Lifecycle::Disconnected {
        return !is_here(row, worker);
    }
    is_ours(upstream, deployment)
        && match &upstream.home {
            Some(home) => home == worker,
            None => is_left_behind && !is_paired_upstream(upstream),
        }
}

/// Whether it is remembered as what a user who was moved left behind.
pub(super) fn is_left_behind(stray: Option<&Stray>) -> bool {
    stray.is_some_and(|stray| stray.is_left_behind)
}

/// Whether this deployment created it.
pub(super) fn is_ours(upstream: &UpstreamSession, deployment: &DeploymentId) -> bool {
    upstream.deployment.as_ref() == Some(deployment)
}

/// Whether WAHA names an account although the row never saw it WORKING: so does one whose pairing code was never typed, and
/// one whose row comes from an older database.
pub(super) fn is_unconfirmed(row: &Session, upstream: &UpstreamSession) -> bool {
    !is_known_as_paired(row) && upstream.me.is_some()
}

fn is_known_as_paired(row: &Session) -> bool {
    row.paired_at.is_some() || row.account.is_some()
}

fn connecting(row: &Session, case: &Case<'_>) -> Finding {
    match case.upstream {
        Some(_) => Finding::ConnectCutOff,
        None if is_known_as_paired(row) => Finding::Missing,
        None => Finding::ConnectUndone,
    }
}

fn connected(row: &Session, case: &Case<'_>) -> Finding {
    let Some(upstream) = case.upstream else {
        return if is_known_as_paired(row) { Finding::Missing } else { unpaired_and_down(row, case.now) };
    };
    let is_paired = is_known_as_paired(row) || upstream.me.is_some();
    let is_so_since = |since: Option<DateTime<Utc>>, long: TimeDelta, found: Finding| match since {
        Some(since) if case.now - since < long => Finding::Waiting,
        None => Finding::Waiting,
        Some(_) if case.note.is_backing_off(case.now) => Finding::BackingOff,
        Some(_) => found,
    };
    match upstream.status {
        SessionStatus::Failed if is_paired => is_so_since(row.down_since, FAILED_FOR, Finding::Failed),
        SessionStatus::Stopped if is_paired => is_so_since(row.down_since, STOPPED_FOR, Finding::Stopped),
        SessionStatus::Failed | SessionStatus::Stopped => unpaired_and_down(row, case.now),
        SessionStatus::Starting if is_paired => is_so_since(case.note.starting_since, STARTING_FOR, Finding::Stuck),
        // The only status in which a dropped connection costs neither a QR code nor a start that is under way.
        SessionStatus::Working if upstream.is_webhook_outdated => webhook_outdated(row, case),
        SessionStatus::Working
        | SessionStatus::Starting
        | SessionStatus::ScanQrCode
        | SessionStatus::PasskeyRequired
        | SessionStatus::PasskeyConfirmationRequired
        | SessionStatus::Other(_) => Finding::Fine,
    }
}

fn unpaired_and_down(row: &Session, now: DateTime<Utc>) -> Finding {
    // One that was given up before, and is connected anew, was down for a while that does not count.
    match row.down_since.map(|since| since.max(row.updated_at)) {
        Some(since) if now - since >= ABANDONED_AFTER => Finding::Abandoned,
        _ => Finding::Waiting,
    }
}

fn webhook_outdated(row: &Session, case: &Case<'_>) -> Finding {
    let is_settled = row.paired_at.is_some_and(|at| case.now - at >= PAIRED_FOR) && !case.note.is_in_trouble();
    if is_settled { Finding::WebhookOutdated } else { Finding::Waiting }
}

fn stray(upstream: &UpstreamSession, case: &Case<'_>) -> Finding {
    if !is_ours(upstream, case.deployment) {
        return Finding::Foreign;
    }
    let Some(stray) = case.stray else { return Finding::Waiting };
    if stray.is_left_behind && upstream.home.as_ref() == Some(case.worker) {
        // A logout that was decided when its user moved.
        return Finding::LeftBehind;
    }
    let age = case.now - stray.since;
    if is_paired_upstream(upstream) {
        // With a row on another worker it may be in use there.
        let is_unwanted = case.row.is_none_or(|row| row.lifecycle == Lifecycle::Disconnected);
        let is_spare = is_unwanted && case.has_twin && age >= ORPHANED_WITH_TWIN_FOR;
        return if is_spare { Finding::OrphanWithTwin } else { Finding::OrphanPaired };
    }
    // WAHA names no account for a moment after a start, so that it is not enough to be seen without one just now.
    let is_unpaired = case.note.unpaired_since.is_some_and(|since| case.now - since >= ORPHANED_FOR);
    let is_clear =
        matches!(upstream.status, SessionStatus::Stopped | SessionStatus::Failed | SessionStatus::ScanQrCode);
    match is_unpaired && is_clear && age >= ORPHANED_FOR {
        // It does not say where it was created.
        true if stray.is_left_behind && upstream.home.is_none() => Finding::LeftBehind,
        true => Finding::Orphan,
        false => Finding::OrphanUndecided,
    }
}

/// Whether it may be paired.
pub(super) fn is_paired_upstream(upstream: &UpstreamSession) -> bool {
    upstream.me.is_some() || upstream.status == SessionStatus::Working
}
