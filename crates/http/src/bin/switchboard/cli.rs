//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Parser, Subcommand};
use switchboard_domain::{ApiKeyId, ApiKeyName, ApiKeySecret, ParseError, UserId, WorkerName};
use switchboard_http::Scope;
use switchboard_waha_fake::Engine;

/// A multi-user backend for WhatsApp over WAHA.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// The configuration file; without it `switchboard.toml`, if there is one.
    #[arg(long, value_name = "FILE", env = "SWITCHBOARD_CONFIG", global = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Try everything in one process: SQLite in a temporary folder, a built-in fake WAHA, sample data.
    Demo(DemoOptions),
    /// Serve the API.
    Serve,
    /// Bring the database's schema up to date.
    Migrate,
    /// Look at the WAHA servers, and say which of them take new sessions: for all replicas at once.
    #[command(subcommand)]
    Workers(WorkersCommand),
    /// Make, list and revoke API keys, with which programs sign in.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Write out, or erase, all that is kept of a user.
    #[command(subcommand)]
    Users(UsersCommand),
    /// List who did what.
    Audit(AuditOptions),
    /// Take over the sessions, linked groups and campaigns of a T3 app from its PostgreSQL tables, without anybody scanning
    /// again.
    Import(ImportOptions),
    /// Print a bearer token for a user, signed with the configured secret.
    Token(TokenOptions),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document of the REST API.
    Openapi,
    /// Print the TypeScript types of the tRPC router, as `@switchboard/client` has them.
    Typescript,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// List the configured workers and those that the database knows: their state, whether they answer, what they run, and
    /// how many sessions they have.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a worker no new sessions. Who is paired stays; whoever needs a new QR code gets it on another worker. `activate`
    /// takes it back.
    Drain {
        /// Its name.
        name: WorkerName,
    },
    /// Give a worker new sessions (again).
    Activate {
        /// Its name.
        name: WorkerName,
    },
    /// Give a worker up: whoever is still on it is disconnected, and scans a QR code on another worker. Nothing is deleted in
    /// that WAHA, to which the phones stay linked: shut it down, or delete its sessions there. `activate` brings the worker
    /// back.
    Remove {
        /// Its name.
        name: WorkerName,
        /// Even if it still has sessions.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, and print it: it is kept nowhere, and so cannot be shown again.
    Create(CreateKey),
    /// List the keys that there are, and were: each by its beginning.
    List {
        /// Only this user's.
        #[arg(long, value_name = "ID")]
        user: Option<UserId>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: every server refuses it within 5 seconds, and ends its streams.
    Revoke {
        /// Its beginning, as it is listed, like `swb_0123456789ab`; the whole key, if that is what you found.
        #[arg(value_parser = key_or_its_beginning)]
        key: ApiKeyId,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Write out all that is kept of a user, as one JSON document without secrets.
    Export {
        /// Whom.
        #[arg(long, value_name = "ID")]
        user: UserId,
        /// Where to: a new file that only you may read. Without it, the terminal.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Log a user out of WhatsApp, and delete all that is kept of them, in WAHA and here. What remains is an entry in the
    /// audit log that somebody was erased. If it is broken off, run it again.
    Erase {
        /// Whom.
        #[arg(long, value_name = "ID")]
        user: UserId,
        /// Only say what there is.
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditOptions {
    /// Only what was about this user.
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// Only what was done since: a time like 2026-11-01T00:00:00Z, or so long ago, like 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Since>,
    /// Print JSON, an object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A moment, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Since {
    At(DateTime<Utc>),
    Ago(Duration),
}

impl Since {
    /// The moment.
    pub(crate) fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            // What is before all calendars is as good as always.
            Self::Ago(ago) => TimeDelta::from_std(ago)
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(DateTime::<Utc>::UNIX_EPOCH),
        }
    }
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ago) = text.parse::<humantime::Duration>() {
            return Ok(Self::Ago(ago.into()));
        }
        let at = DateTime::parse_from_rfc3339(text).map(|at| Self::At(at.to_utc()));
        at.map_err(|_| "expected a time like 2026-11-01T00:00:00Z, or how long ago, like 7d")
    }
}

#[derive(Args)]
pub(crate) struct ImportOptions {
    /// The application's database, like `postgres://user:password@host/database`. Better in the environment, where others on this
    /// machine do not see it.
    #[arg(long, value_name = "URL", env = "SWITCHBOARD_IMPORT_FROM", hide_env_values = true)]
    pub(crate) from: String,
    /// The schema of its tables.
    #[arg(long, value_name = "NAME", default_value = "public")]
    pub(crate) schema: String,
    /// Its table of sessions.
    #[arg(long, value_name = "NAME", default_value = "WhatsAppSession")]
    pub(crate) sessions_table: String,
    /// Its table of linked groups.
    #[arg(long, value_name = "NAME", default_value = "WhatsAppGroup")]
    pub(crate) groups_table: String,
    /// Its table of campaigns.
    #[arg(long, value_name = "NAME", default_value = "Campaign")]
    pub(crate) campaigns_table: String,
    /// It has no campaigns, or they stay where they are.
    #[arg(long)]
    pub(crate) no_campaigns: bool,
    /// A column that has another name than usual, like campaigns.groupId=whatsAppGroupId. Several may be given.
    #[arg(long, value_name = "TABLE.FIELD=COLUMN")]
    pub(crate) column: Vec<String>,
    /// Only say what would come of it.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The address of a database holds a password.
impl std::fmt::Debug for ImportOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

fn key_or_its_beginning(text: &str) -> Result<ApiKeyId, ParseError> {
    text.parse::<ApiKeySecret>().map_or_else(|_| text.parse(), |key| Ok(key.id()))
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// Who signs in with it.
    #[arg(long, value_name = "ID")]
    pub(crate) user: UserId,
    /// What to call it.
    #[arg(long)]
    pub(crate) name: ApiKeyName,
    /// What it is good for: full, read, or connect.
    #[arg(long, default_value_t = Scope::Full)]
    pub(crate) scope: Scope,
    /// How long it is good for, like 30d; without it for ever, or, if it can only connect, for 15m.
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<humantime::Duration>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether the configuration can be served with, and what it amounts to.
    Check,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) bind: SocketAddr,
    /// Which of WAHA's engines to imitate: NOWEB, WEBJS, GOWS or WPP.
    #[arg(long, value_name = "ENGINE", default_value_t = Engine::Noweb)]
    pub(crate) engine: Engine,
    /// How many groups each account has.
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub(crate) groups: usize,
    /// How many contacts each account has.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub(crate) contacts: usize,
    /// How long after a QR code appears a phone scans it: seconds, or `never`.
    #[arg(long, value_name = "SECONDS", default_value = "15")]
    pub(crate) scan_after: ScanAfter,
}

/// When the demo's phone scans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScanAfter(pub(crate) Option<Duration>);

impl FromStr for ScanAfter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self(None));
        }
        let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.map(|seconds| Self(Some(seconds))).ok_or("expected a number of seconds, or `never`")
    }
}

#[derive(Debug, Args)]
pub(crate) struct TokenOptions {
    /// Whom the token names.
    #[arg(long, value_name = "ID")]
    pub(crate) user: UserId,
    /// How long it is good for, like 30m, 1h or 7days; without it 1h, or what a token for connecting may be at most, 15m.
    #[arg(long)]
    ttl: Option<humantime::Duration>,
    /// What it is good for: full, read, or connect (for a link by which somebody connects their phone).
    #[arg(long, default_value_t = Scope::Full)]
    pub(crate) scope: Scope,
}

impl TokenOptions {
    /// How long a token is good for unless said otherwise.
    const TTL: Duration = Duration::from_hours(1);

    pub(crate) fn ttl(&self) -> anyhow::Result<Duration> {
        let most = if self.scope == Scope::Connect { Scope::CONNECT_TTL } else { Duration::MAX };
        let ttl = self.ttl.map_or(Self::TTL.min(most), Duration::from);
        let longest = humantime::format_duration(Scope::CONNECT_TTL);
        anyhow::ensure!(ttl <= most, "--ttl: expected at most {longest} for a token of the scope connect");
        Ok(ttl)
    }
}
