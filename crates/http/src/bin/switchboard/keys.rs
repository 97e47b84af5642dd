//! `switchboard keys`: with what programs sign in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use switchboard_domain::ports::{ApiKeyRepository, AuditLog, Clock as _, StorageError};
use switchboard_domain::{ApiKey, ApiKeyId, AuditAction, Deed, Means, SystemClock, SystemRandom, UserId};

use super::audit::note;
use super::cli::{CreateKey, KeysCommand};
use super::config::Config;
use super::table::columns;
use super::wiring::{self, Storage};

/// What expires later is better said to be good for ever.
const LONGEST: Duration = Duration::from_hours(100 * 366 * 24);

/// Runs one of its commands on the configured database. Servers that run on it heed what is changed within seconds.
pub(crate) async fn run(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    let Storage { api_keys: keys, audit, .. } = wiring::storage(config)?;
    match command {
        KeysCommand::Create(options) => create(keys, &*audit, options).await,
        KeysCommand::List { user, json } => list(keys, user.as_ref(), json).await,
        KeysCommand::Revoke { key } => revoke(keys, &*audit, &key).await,
    }
}

async fn create(keys: Arc<dyn ApiKeyRepository>, audit: &dyn AuditLog, options: CreateKey) -> anyhow::Result<()> {
    let CreateKey { user, name, scope, expires } = options;
    let ttl = expires.map(Duration::from);
    ensure!(ttl.is_none_or(|ttl| ttl <= LONGEST), "--expires: expected at most 100 years");
    let (key, secret) = ApiKey::new(&SystemRandom, user, name, scope, ttl, SystemClock.now()).context("--expires")?;
    keys.insert(&key, &secret.hash()).await.map_err(of_database)?;
    note(audit, Deed::new(AuditAction::CreateKey, Means::Cli).of(&key.user)).await;
    // Not with the key, which programs read.
    eprintln!("This is the key, this once: nobody can show it again. To revoke it: switchboard keys revoke {}", key.id);
    println!("{}", secret.expose());
    Ok(())
}

async fn list(keys: Arc<dyn ApiKeyRepository>, user: Option<&UserId>, json: bool) -> anyhow::Result<()> {
    let (keys, now) = (keys.list(user).await.map_err(of_database)?, SystemClock.now());
    let rows: Vec<Row<'_>> = keys.iter().map(|key| Row::of(key, now)).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", table(&rows));
    }
    Ok(())
}

async fn revoke(keys: Arc<dyn ApiKeyRepository>, audit: &dyn AuditLog, id: &ApiKeyId) -> anyhow::Result<()> {
    let Some(key) = keys.revoke(id, SystemClock.now()).await.map_err(of_database)? else {
        bail!("there is no key {id}: switchboard keys list shows those that there are");
    };
    note(audit, Deed::new(AuditAction::RevokeKey, Means::Cli).of(&key.user)).await;
    let user = key.user.as_str();
    println!("{id} of {user} ({}) is revoked: every server refuses it within 5 seconds.", key.name);
    Ok(())
}

fn of_database(error: StorageError) -> anyhow::Error {
    anyhow::Error::new(error).context("the keys cannot be had (is the database up to date? switchboard migrate)")
}

/// A key, as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    key: &'a str,
    user: &'a str,
    name: &'a str,
    scope: &'static str,
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

impl<'a> Row<'a> {
    fn of(key: &'a ApiKey, now: DateTime<Utc>) -> Self {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        Self {
            key: key.id.as_str(),
            user: key.user.as_str(),
            name: key.name.as_str(),
            scope: key.scope.as_str(),
            state: match key.revoked_at {
                Some(_) => "revoked",
                None if key.is_good(now) => "good",
                None => "expired",
            },
            created_at: text(key.created_at),
            expires_at: key.expires_at.map(text),
            revoked_at: key.revoked_at.map(text),
        }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let cells = |row: &Row<'_>| {
        let expires_at = row.expires_at.as_deref().unwrap_or("never");
        [row.key, row.user, row.name, row.scope, row.state, &row.created_at, expires_at].map(str::to_owned)
    };
    columns(["KEY", "USER", "NAME", "SCOPE", "STATE", "CREATED", "EXPIRES"], rows.iter().map(cells))
}

#[cfg(test)]
mod tests {
    use switchboard_domain::Scope;

    use super::*;

    #[test]
    fn keys_are_listed_with_what_has_become_of_them() {
        let at = |seconds: i64| DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap();
        let key = |id: &str, user: &str, scope, ttl: Option<u64>| {
            let (user, name) = (user.parse().unwrap(), "größer".parse().unwrap());
            let ttl = ttl.map(Duration::from_secs);
            let (key, _) = ApiKey::new(&SystemRandom, user, name, scope, ttl, at(0)).unwrap();
            ApiKey { id: format!("swb_{id}").parse().unwrap(), ..key }
        };
        let revoked = ApiKey { revoked_at: Some(at(5)), ..key("0123456789ab", "ana", Scope::Full, None) };
        let keys = [
            revoked,
            key("cdef01234567", "benedict", Scope::Read, Some(86_400)),
            key("89abcdef0123", "c", Scope::Connect, None),
        ];
        let rows: Vec<_> = keys.iter().map(|key| Row::of(key, at(901))).collect();
        let expected = "\
KEY               USER      NAME    SCOPE    STATE    CREATED               EXPIRES
swb_0123456789ab  ana       größer  full     revoked  2026-11-18T11:06:40Z  never
swb_cdef01234567  benedict  größer  read     good     2026-11-18T11:06:40Z  2026-11-19T11:06:40Z
swb_89abcdef0123  c         größer  connect  expired  2026-11-18T11:06:40Z  2026-11-18T11:21:40Z
";
        assert_eq!(table(&rows), expected);
    }
}
