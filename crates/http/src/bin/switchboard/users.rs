//! `switchboard users`: what is kept of a user, and how it goes.

mod export;
mod upstream;

use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt as _;
use switchboard_domain::ports::{Change, Erased, Heard, StorageError, UserRecord, WhatsAppGateway};
use switchboard_domain::services::{Leftover, Services};
use switchboard_domain::{AuditAction, Deed, Error, Lifecycle, Means, SessionId, UserId};

use super::audit;
use super::cli::UsersCommand;
use super::config::Config;
use super::wiring::{self, Storage};

/// How long other servers may take to hear of an erasure.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Memory for lists, of which there are none here.
const NO_LISTS: u64 = 1024 * 1024;

/// Runs one of its commands on the configured database.
pub(crate) async fn run(config: &Config, command: UsersCommand) -> anyhow::Result<()> {
    let storage = wiring::storage(config)?;
    match command {
        UsersCommand::Export { user, output } => {
            // What is kept can be written out whatever is said of WAHA.
            let gateway = wiring::gateway(config).ok();
            export(&storage, gateway.as_deref(), &user, output.as_deref()).await
        }
        UsersCommand::Erase { user, dry_run: true, .. } => rehearse(&storage, &user).await,
        UsersCommand::Erase { user, yes: true, .. } => erase(config, &storage, &user).await,
        UsersCommand::Erase { user, .. } => {
            let user = user.as_str();
            bail!("nothing was erased: to log {user} out and delete all that is kept of them, say --yes")
        }
    }
}

async fn export(
    storage: &Storage,
    gateway: Option<&dyn WhatsAppGateway>,
    user: &UserId,
    output: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(path) = output {
        // It is somebody's address book: nobody else's to read.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("--output: {} cannot be made", path.display()))?;
        let mut out = BufWriter::new(file);
        export::write(storage, gateway, user, &mut out).await?;
        out.flush()?;
    } else {
        let mut out = BufWriter::new(std::io::stdout());
        export::write(storage, gateway, user, &mut out).await?;
        out.flush()?;
    }
    audit::note(&*storage.audit, Deed::new(AuditAction::Export, Means::Cli).of(user)).await;
    Ok(())
}

async fn rehearse(storage: &Storage, user: &UserId) -> anyhow::Result<()> {
    let UserRecord { session, groups, campaigns, left_behind } =
        storage.users.record(user).await.map_err(of_database)?;
    match session {
        Some(session) => {
            let wanted = session.lifecycle != Lifecycle::Disconnected;
            let what = if wanted { "would be logged out, and deleted in" } else { "is disconnected; it was last on" };
            println!("The session {} {what} the worker {}.", session.name, session.worker);
        }
        None => println!("{} has no session.", user.as_str()),
    }
    for worker in left_behind {
        println!("What was left behind on the worker {worker} would be deleted there.");
    }
    let keys = storage.api_keys.list(Some(user)).await.map_err(of_database)?.len();
    println!("Linked groups: {}. Campaigns: {}. API keys: {keys}. Nothing was changed.", groups.len(), campaigns.len());
    Ok(())
}

async fn erase(config: &Config, storage: &Storage, user: &UserId) -> anyhow::Result<()> {
    // Of a database of one process, what that remembers would outlive this.
    let _lock = storage.schema.lock()?;
    let services = Services::new(&wiring::ports(storage, wiring::gateway(config)?), NO_LISTS);
    let mut heard = storage.bus.listen();
    let erasure = services.erase.run(user, &tell_of).await.map_err(|error| unfinished(user, error))?;
    let Erased { sessions, groups, campaigns, lists, keys, entries } = erasure.erased;
    let user = user.as_str();
    if erasure.erased == Erased::default() {
        println!("Nothing is kept of {user}.");
        return Ok(());
    }
    println!(
        "{user} is erased. Sessions: {sessions}, logged out and, but for what is said above, deleted in WAHA. \
         Linked groups: {groups}. Campaigns: {campaigns}. Lists: {lists}. API keys: {keys}. Audit entries: {entries}."
    );
    println!("Whoever can still sign in as {user} can connect anew: that is for whoever signs them in to end.");
    let mut untold: HashSet<SessionId> = erasure.sessions.into_iter().collect();
    let told = async {
        while !untold.is_empty()
            && let Some(heard) = heard.next().await
        {
            if let Heard::Notice(notice) = heard
                && let Change::Erased(id) = notice.change
            {
                untold.remove(&id);
            }
        }
    };
    if tokio::time::timeout(TOLD_WITHIN, told).await.is_err() {
        eprintln!(
            "switchboard: the servers could not be told: what they remember, and show to nobody, goes within an hour"
        );
    }
    Ok(())
}

fn tell_of(leftover: Leftover) {
    match leftover {
        Leftover::Unasked(at) => eprintln!(
            "switchboard: the worker {}, which was removed, cannot be asked: if its WAHA is still there, delete the session {} \
             in it",
            at.worker, at.name
        ),
        Leftover::Unmarked(at) => eprintln!(
            "switchboard: on the worker {} there is a session {} that this deployment did not make, and it was left alone",
            at.worker, at.name
        ),
    }
}

/// What is left, and what to do.
fn unfinished(user: &UserId, error: Error) -> anyhow::Error {
    let (user, again) = (user.as_str(), "run the same command again");
    match error {
        Error::Gateway(error) => anyhow!(
            "{user} is not erased yet: {error}. The session is logged out here and has to be deleted in WAHA, which will \
             also be tried by the servers; nothing else was deleted: {again}"
        ),
        Error::Busy => anyhow!(
            "{user} is not erased yet: they are connecting, or another operation on their session is running. Take their \
             sign-in away, and {again}"
        ),
        Error::Storage(error) => of_database(error).context(format!("{user} is perhaps not erased yet: {again}")),
        error => anyhow::Error::new(error).context(format!("{user} is not erased yet: {again}")),
    }
}

fn of_database(error: StorageError) -> anyhow::Error {
    anyhow::Error::new(error).context("the database cannot be had (is it up to date? switchboard migrate)")
}
