//! How PostgreSQL is reached.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

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
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            migration_timeout: Duration::from_mins(10),
        }
    }
}

/// A database URL that cannot be used. Says what was expected and never what was found: it holds a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PgUrlError {
    /// Not a URL of a PostgreSQL database.
    #[error("expected a database URL like postgres://user:password@host:5432/database")]
    Malformed,
    /// It asks for an encrypted connection.
    #[error("sslmode=require is not supported: connections to PostgreSQL are not encrypted")]
    TlsUnsupported,
}

impl PgOptions {
    /// What opens a connection for statements.
    pub(crate) fn config(&self, url: &str) -> Result<Config, PgUrlError> {
        let mut config = parsed(url)?;
        // The server's limit ends what we no longer wait for, so it is the longer one.
        let server_limit = self.statement_timeout + Duration::from_secs(1);
        let server_limit = server_limit.as_millis();
        // A process that is frozen in the middle of a transaction must not keep a row from all the others.
        let limits =
            format!("-c statement_timeout={server_limit} -c idle_in_transaction_session_timeout={server_limit}");
        self.prepare(&mut config, &limits);
        Ok(config)
    }

    /// What opens the connection that runs migrations, which may take their time.
    pub(crate) fn migration_config(&self, url: &str) -> Result<Config, PgUrlError> {
        let mut config = parsed(url)?;
        self.prepare(&mut config, &format!("-c statement_timeout={}", self.migration_timeout.as_millis()));
        Ok(config)
    }

    fn prepare(&self, config: &mut Config, limits: &str) {
        let own = config.get_options().unwrap_or_default();
        // A statement has to see what was committed while an earlier one of its transaction waited, whatever the
        // database's own default is.
        let isolation = r"-c default_transaction_isolation=read\ committed";
        let options = format!("{own} -c search_path={SCHEMA} {isolation} {limits}");
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

fn parsed(url: &str) -> Result<Config, PgUrlError> {
    // tokio-postgres would also take `key=value` pairs, in which nobody would look for a password.
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(PgUrlError::Malformed);
    }
    let config: Config = url.parse().map_err(|_| PgUrlError::Malformed)?;
    if config.get_hosts().is_empty() {
        return Err(PgUrlError::Malformed);
    }
    if config.get_ssl_mode() == SslMode::Require {
        return Err(PgUrlError::TlsUnsupported);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
        for url in ["", "sqlite://x", "postgres://", "host=localhost password=hunter2", "postgres://a:hunter2@h:x/db"] {
            let error = PgOptions::default().config(url).unwrap_err();
            assert_eq!(error, PgUrlError::Malformed, "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let error = PgOptions::default().config("postgres://a@h/db?sslmode=require").unwrap_err();
        assert_eq!(error, PgUrlError::TlsUnsupported);
    }

    #[test]
    fn options_of_the_url_stay() {
        let config = PgOptions::default().config("postgres://a@h/db?options=-c%20geqo%3Doff").unwrap();
        let options = config.get_options().unwrap();
        assert!(options.starts_with("-c geqo=off -c search_path=switchboard "), "{options}");
        assert!(options.contains(" -c statement_timeout=6000 "), "{options}");
    }
}
