//! How PostgreSQL is reached.

use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::RootCertStore;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::connect::Server;
use crate::tls::{encrypting, roots_in, roots_of_this_machine};

/// The schema that holds every table, so that Switchboard can share an application's database.
pub(crate) const SCHEMA: &str = "switchboard";

/// How many connections, and how long to wait for anything.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// How many connections are open at most.
    pub max_connections: usize,
    /// How long a call waits for a free connection, including opening one.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long bringing the schema up to date may take, including the wait for another replica that is doing it.
    pub migration_timeout: Duration,
    /// Whether the server is to refuse whatever writes: for databases that are somebody else's.
    pub read_only: bool,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            migration_timeout: Duration::from_mins(10),
            read_only: false,
        }
    }
}

/// A database URL that cannot be used. Says what was expected and never what was found: it holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PgUrlError {
    /// Not a URL of a PostgreSQL database.
    #[error("expected a database URL like postgres://user:password@host:5432/database")]
    Malformed,
    /// It asks for another kind of encryption.
    #[error("sslmode: expected disable, require, verify-ca or verify-full")]
    SslMode,
    /// It names authorities that cannot be read.
    #[error("sslrootcert: expected a file of certificates (PEM), or system")]
    RootCertificates,
    /// It names no authorities, and this machine trusts none.
    #[error("sslrootcert: this machine has no certificates of authorities; name a file of them (PEM)")]
    NoRootCertificates,
}

impl PgOptions {
    /// What opens a connection for statements.
    pub(crate) fn server(&self, url: &str) -> Result<Server, PgUrlError> {
        let mut server = parsed(url)?;
        // The server's limit ends what we no longer wait for, so it is the longer one.
        let server_limit = self.statement_timeout + Duration::from_secs(1);
        let server_limit = server_limit.as_millis();
        // A process that is frozen in the middle of a transaction must not keep a row from all the others.
        let limits =
            format!("-c statement_timeout={server_limit} -c idle_in_transaction_session_timeout={server_limit}");
        self.prepare(&mut server.config, &limits);
        Ok(server)
    }

    /// What opens the connection that runs migrations, which may take their time.
    pub(crate) fn server_for_migrations(&self, url: &str) -> Result<Server, PgUrlError> {
        let mut server = parsed(url)?;
        self.prepare(&mut server.config, &format!("-c statement_timeout={}", self.migration_timeout.as_millis()));
        Ok(server)
    }

    fn prepare(&self, config: &mut Config, limits: &str) {
        let own = config.get_options().unwrap_or_default();
        // A statement has to see what was committed while an earlier one of its transaction waited, whatever the
        // database's own default is.
        let isolation = r"-c default_transaction_isolation=read\ committed";
        let access = if self.read_only { " -c default_transaction_read_only=on" } else { "" };
        let options = format!("{own} -c search_path={SCHEMA} {isolation} {limits}{access}");
        config.options(options.trim_start());
        if config.get_application_name().is_none() {
            config.application_name("switchboard");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(self.acquire_timeout);
        }
        // A peer that is gone without a word is noticed within minutes, not hours.
        config.keepalives_idle(Duration::from_mins(1));
    }
}

fn parsed(url: &str) -> Result<Server, PgUrlError> {
    // tokio-postgres would also take `key=value` pairs, in which nobody would look for a password.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(PgUrlError::Malformed);
    }
    let (rest, encryption) = Encryption::taken_from(url)?;
    let mut config: Config = rest.parse().map_err(|_| PgUrlError::Malformed)?;
    if config.get_hosts().is_empty() {
        return Err(PgUrlError::Malformed);
    }
    config.ssl_mode(if encryption.is_wanted { SslMode::Require } else { SslMode::Disable });
    Ok(Server { config, tls: encrypting(encryption.roots()?)? })
}

/// What libpq's parameters say about encryption, of which tokio-postgres knows only some.
#[derive(Debug, Default)]
struct Encryption {
    is_wanted: bool,
    /// Who is trusted: those in this file, or else those that the machine trusts.
    roots: Option<PathBuf>,
}

impl Encryption {
    /// The URL without them.
    fn taken_from(url: &str) -> Result<(String, Self), PgUrlError> {
        let mut encryption = Self::default();
        let Some((rest, query)) = url.split_once('?') else { return Ok((url.to_owned(), encryption)) };
        let mut others = Vec::new();
        for parameter in query.split('&') {
            match parameter.split_once('=') {
                // `prefer` would be none against anybody who is in between.
                Some(("sslmode", "disable" | "prefer")) => encryption.is_wanted = false,
                // What is not checked is not safe either: so all of these check all.
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => encryption.is_wanted = true,
                Some(("sslmode", _)) => return Err(PgUrlError::SslMode),
                Some(("sslrootcert", "system")) => encryption.roots = None,
                Some(("sslrootcert", file)) => {
                    let file = percent_decode_str(file).decode_utf8().map_err(|_| PgUrlError::RootCertificates)?;
                    encryption.roots = Some(PathBuf::from(file.as_ref()));
                }
                _ => others.push(parameter),
            }
        }
        Ok((format!("{rest}?{}", others.join("&")), encryption))
    }

    fn roots(&self) -> Result<RootCertStore, PgUrlError> {
        match &self.roots {
            _ if !self.is_wanted => Ok(RootCertStore::empty()),
            Some(file) => roots_in(file),
            None => roots_of_this_machine(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        for url in ["", "sqlite://x", "postgres://", "host=localhost password=hunter2", "postgres://a:hunter2@h:x/db"] {
            let error = PgOptions::default().server(url).map(drop).unwrap_err();
            assert_eq!(error, PgUrlError::Malformed, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn encryption_is_as_the_url_says_and_nothing_else() {
        let mode = |query: &str| {
            let server = PgOptions::default().server(&format!("postgres://a:b@h/db{query}"))?;
            Ok(server.config.get_ssl_mode())
        };
        let ca = concat!("sslrootcert=", env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tls/ca.pem");
        for plain in ["", "?", "?sslmode=disable", "?sslmode=prefer", "?connect_timeout=3"] {
            assert_eq!(mode(plain), Ok(SslMode::Disable), "{plain}");
        }
        for wanted in ["require", "verify-ca", "verify-full"] {
            assert_eq!(mode(&format!("?{ca}&sslmode={wanted}&connect_timeout=3")), Ok(SslMode::Require), "{wanted}");
        }
        for (bad, expected) in [
            ("?sslmode=allow", PgUrlError::SslMode),
            ("?sslmode=", PgUrlError::SslMode),
            ("?sslmode=require&sslrootcert=/nowhere.pem", PgUrlError::RootCertificates),
            (concat!("?sslmode=require&sslrootcert=", file!()), PgUrlError::RootCertificates),
        ] {
            assert_eq!(mode(bad), Err(expected), "{bad}");
        }
    }

    #[test]
    fn options_of_the_url_stay() {
        let server = PgOptions::default().server("postgres://a@h/db?options=-c%20geqo%3Doff").unwrap();
        let options = server.config.get_options().unwrap();
        assert!(options.starts_with("-c geqo=off -c search_path=switchboard "), "{options}");
        assert!(options.contains(" -c statement_timeout=6000 "), "{options}");
    }
}
