//! `switchboard audit`: who did what; and how commands write down what they did.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use switchboard_domain::ports::{AuditLog, AuditQuery, Clock as _};
use switchboard_domain::{AuditEntry, AuditOutcome, Deed, SessionName, SystemClock, SystemRandom, UserId, WorkerName};

use super::cli::AuditOptions;
use super::config::Config;
use super::table::columns;
use super::wiring;

/// Prints the entries, page by page.
pub(crate) async fn run(config: &Config, options: AuditOptions) -> anyhow::Result<()> {
    let log = wiring::storage(config)?.audit;
    let since = options.since.map_or(DateTime::<Utc>::UNIX_EPOCH, |since| since.before(SystemClock.now()));
    let query = |user| AuditQuery { since, ..AuditQuery::all(user) };
    let Some(user) = options.user else { return print(&log, query(None), options.json).await };
    let pseudonym = user.pseudonym()?;
    print(&log, query(Some(user)), options.json).await?;
    // That somebody of that id was erased.
    print(&log, query(Some(pseudonym)), options.json).await
}

async fn print(log: &Arc<dyn AuditLog>, mut query: AuditQuery, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    loop {
        let page = log.list(&query).await.context("the audit log cannot be had (switchboard migrate?)")?;
        let rows: Vec<Row<'_>> = page.iter().map(Row::from).collect();
        if json {
            for row in &rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
        } else if !rows.is_empty() {
            write!(out, "{}", table(&rows))?;
        }
        if page.len() < query.limit as usize {
            return Ok(());
        }
        query.after = page.last().cloned();
    }
}

/// Writes down what a command did. That this fails is told, and no failure of the command.
pub(crate) async fn note(log: &dyn AuditLog, deed: Deed) {
    let entry = AuditEntry::new(deed, AuditOutcome::done(), &SystemRandom, SystemClock.now());
    let is_noted = match &entry {
        Ok(entry) => log.append(std::slice::from_ref(entry)).await.is_ok(),
        Err(_) => false,
    };
    if !is_noted {
        eprintln!("switchboard: this is not in the audit log, which cannot be written to");
    }
}

/// An entry, as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row<'a> {
    at: String,
    action: &'static str,
    by: &'static str,
    outcome: &'a str,
    user: Option<&'a str>,
    session: Option<&'a str>,
    worker: Option<&'a str>,
}

impl<'a> From<&'a AuditEntry> for Row<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        let Deed { action, by, user, session, worker } = &entry.deed;
        Self {
            at: entry.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            action: action.as_str(),
            by: by.as_str(),
            outcome: entry.outcome.as_str(),
            user: user.as_ref().map(UserId::as_str),
            session: session.as_ref().map(SessionName::as_str),
            worker: worker.as_ref().map(WorkerName::as_str),
        }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let cells = |row: &Row<'_>| {
        let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
        [
            row.at.clone(),
            row.action.to_owned(),
            row.by.to_owned(),
            row.outcome.to_owned(),
            or_dash(row.user),
            or_dash(row.session),
            or_dash(row.worker),
        ]
    };
    columns(["TIME", "ACTION", "BY", "OUTCOME", "USER", "SESSION", "WORKER"], rows.iter().map(cells))
}

#[cfg(test)]
mod tests {
    use switchboard_domain::{AuditAction, Means};

    use super::*;

    #[test]
    fn entries_are_listed_with_what_they_are_about() {
        let at = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let entry = |deed| AuditEntry::new(deed, AuditOutcome::done(), &SystemRandom, at).unwrap();
        let connect = Deed::new(AuditAction::Connect, Means::Token).of(&"ana".parse().unwrap());
        let entries = [
            entry(connect.on(&"session_1".parse().unwrap())),
            entry(Deed::new(AuditAction::DrainWorker, Means::Cli).at(&"eu-1".parse().unwrap())),
        ];
        let rows: Vec<_> = entries.iter().map(Row::from).collect();
        let expected = "\
TIME                      ACTION        BY     OUTCOME  USER  SESSION    WORKER
2026-11-18T11:06:40.000Z  connect       token  done     ana   session_1  -
2026-11-18T11:06:40.000Z  drain_worker  cli    done     -     -          eu-1
";
        assert_eq!(table(&rows), expected);
    }
}
