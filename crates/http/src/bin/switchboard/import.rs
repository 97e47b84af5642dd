//! `switchboard import`: takes over the sessions of an application that kept them in tables of its own.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use switchboard_domain::services::{Adoption, Fate, LeftOut, Services, Skipped, Taken};
use switchboard_domain::{Error, WorkerName};
use switchboard_pg_adapter::AppTables;

use super::cli::ImportOptions;
use super::config::Config;
use super::wiring;

/// Memory for lists, of which there are none here.
const NO_LISTS: u64 = 1024 * 1024;

/// How much of everything there was.
#[derive(Default)]
struct Summary {
    new: u32,
    known: u32,
    disconnected: u32,
    groups: u32,
    campaigns: u32,
    skipped: u32,
    /// Of those, the ones that may come in by another attempt.
    for_now: u32,
    left_out: bool,
}

/// Takes them over; tells of each, and what is to be done about those that were not.
pub(crate) async fn run(config: &Config, options: ImportOptions) -> anyhow::Result<()> {
    let is_rehearsal = options.dry_run;
    let storage = wiring::storage(config)?;
    let _lock = storage.schema.lock()?;
    let source = wiring::app_sessions(&SecretString::from(options.from.clone()), &tables(&options)?).await?;
    let services = Services::new(&wiring::ports(&storage, wiring::gateway(config)?), NO_LISTS);
    let mut summary = Summary::default();
    let done = services.adopt.run(&*source, is_rehearsal, |adoption| {
        println!("{}", line(&adoption));
        summary.add(&adoption);
    });
    let done = done.await;
    services.audit.flush().await;
    println!("{}", summary.told(is_rehearsal));
    done.map_err(|error| match error {
        Error::Storage(error) => anyhow::Error::new(error).context(
            "a database failed (is ours up to date? switchboard migrate): whoever is listed above is taken over; run the \
             same command again",
        ),
        error => anyhow::Error::new(error).context("run the same command again"),
    })?;
    if summary.for_now > 0 && !is_rehearsal {
        bail!("some sessions could not be looked for: run the same command again when all workers answer");
    }
    Ok(())
}

fn tables(options: &ImportOptions) -> anyhow::Result<AppTables> {
    let mut columns = BTreeMap::new();
    for given in &options.column {
        let (field, name) = given.split_once('=').context("--column: expected TABLE.FIELD=COLUMN")?;
        columns.insert(field.to_owned(), name.parse().context("--column")?);
    }
    Ok(AppTables {
        schema: options.schema.parse().context("--schema")?,
        sessions: options.sessions_table.parse().context("--sessions-table")?,
        groups: options.groups_table.parse().context("--groups-table")?,
        campaigns: if options.no_campaigns {
            None
        } else {
            Some(options.campaigns_table.parse().context("--campaigns-table")?)
        },
        columns,
    })
}

impl Summary {
    fn add(&mut self, adoption: &Adoption) {
        match &adoption.fate {
            Fate::Taken(Taken { at, is_new, groups, campaigns, left_out }) => {
                *(if *is_new { &mut self.new } else { &mut self.known }) += 1;
                self.disconnected += u32::from(at.is_none());
                self.groups += groups;
                self.campaigns += campaigns;
                self.left_out |= !left_out.is_nothing();
            }
            Fate::Skipped(why) => {
                self.skipped += 1;
                self.for_now += u32::from(why.is_for_now());
            }
        }
    }

    fn told(&self, is_rehearsal: bool) -> String {
        let Self { new, known, disconnected, groups, campaigns, skipped, .. } = self;
        let begun = if is_rehearsal { "Nothing was written. There would be" } else { "Taken over:" };
        let nothing = if *new == 0 && *groups == 0 && *campaigns == 0 { " Nothing is new." } else { "" };
        let left_out = if self.left_out { " Not everything of them: see above." } else { "" };
        format!(
            "{begun} {new} sessions, {groups} linked groups, {campaigns} campaigns. Here already: {known} sessions. Of all \
             these, to be connected anew: {disconnected}. Skipped: {skipped}.{left_out}{nothing}"
        )
    }
}

/// What became of one session.
fn line(adoption: &Adoption) -> String {
    let Adoption { user, session, fate } = adoption;
    let told = match fate {
        Fate::Taken(taken) => told(taken),
        Fate::Skipped(why) => format!("skipped: {}", reason(why)),
    };
    format!("{} {}: {told}", printable(user), printable(session))
}

fn told(taken: &Taken) -> String {
    let Taken { at, is_new, groups, campaigns, left_out } = taken;
    let at = match at {
        Some((worker, status)) => format!("{} on {worker}", status.as_str()),
        None => "in no WAHA, or never paired: to be connected anew".to_owned(),
    };
    let new = if *is_new { "taken over" } else { "here already" };
    let LeftOut { without_account, without_id, campaigns: others } = left_out;
    let mut told = format!("{new}, {at}; {groups} groups and {campaigns} campaigns added");
    for (count, why) in [
        (without_account, "groups left out, because nobody knows under which account they were linked"),
        (without_id, "groups left out, because their ids are none of WhatsApp's"),
        (others, "campaigns left out, because their id, status or group is none that can be taken"),
    ] {
        if *count > 0 {
            told = format!("{told}; {count} {why}");
        }
    }
    told
}

fn reason(why: &Skipped) -> String {
    match why {
        Skipped::User => "the user's id is empty or longer than 255 bytes".to_owned(),
        Skipped::Name => "WAHA takes names of 1 to 54 letters, digits, - or _ only".to_owned(),
        Skipped::OtherOfUser => "another session of this user is taken, and there is one a user".to_owned(),
        Skipped::HasAnother(name) => format!("the user has a session here already, {name}: erase it first, or keep it"),
        Skipped::NameTaken => "another user's session here has that name or id".to_owned(),
        Skipped::Erased => "the user was erased while this ran".to_owned(),
        Skipped::SharedName => "several users have a session of that name: leave the right one's row alone".to_owned(),
        Skipped::Unanswered(workers) => format!("it was not found running, but {} did not answer", names(workers)),
        Skipped::SeveralWorkers(workers) => {
            format!("{} have a session of that name: run it on one of them only", names(workers))
        }
        Skipped::RemovedWorker(worker) => {
            format!("it is on {worker}, which was removed: switchboard workers activate {worker}")
        }
    }
}

fn names(workers: &[WorkerName]) -> String {
    let names: Vec<&str> = workers.iter().map(WorkerName::as_str).collect();
    names.join(", ")
}

/// A text of somebody else's, fit for a terminal.
fn printable(text: &str) -> String {
    if text.is_empty() { "(none)".to_owned() } else { text.escape_debug().to_string() }
}
