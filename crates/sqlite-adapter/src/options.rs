//! Which file, and how long to wait for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many readers, and how long to wait for anything. There is one writer, always.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// How many queries run at the same time at most.
    pub readers: usize,
    /// How long a call waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { readers: 4, acquire_timeout: Duration::from_secs(5), statement_timeout: Duration::from_secs(5) }
    }
}

impl SqliteOptions {
    /// How long SQLite itself waits for another process that writes: less than we wait for the statement.
    pub(crate) fn busy_timeout(&self) -> Duration {
        self.statement_timeout * 4 / 5
    }
}

/// A database URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqliteUrlError {
    /// Not a URL of a SQLite database.
    #[error("expected a database URL like sqlite://folder/file.sqlite, or sqlite:///folder/file.sqlite from the root")]
    Malformed,
    /// The path is not UTF-8 text, which SQLite wants.
    #[error("the path of the database is not UTF-8: {}", .0.display())]
    NotUtf8(PathBuf),
    /// There is no folder to put the file in.
    #[error("the folder of the database does not exist: {}", .0.display())]
    NoFolder(PathBuf),
}

/// The path in `sqlite://path`, relative or absolute.
pub(crate) fn path_of(url: &str) -> Result<PathBuf, SqliteUrlError> {
    match url.strip_prefix("sqlite://") {
        // Nothing is escaped and there are no parameters; `:memory:` would be another database on each connection.
        Some(path) if !path.is_empty() && !path.starts_with(':') && !path.contains(['?', '\0']) => Ok(path.into()),
        _ => Err(SqliteUrlError::Malformed),
    }
}

/// The whole path, in a form that SQLite does not take for one of its own URIs.
pub(crate) fn checked(path: &Path) -> Result<String, SqliteUrlError> {
    let path = std::path::absolute(path).map_err(|_| SqliteUrlError::Malformed)?;
    match path.parent() {
        Some(folder) if folder.is_dir() => {}
        Some(folder) => return Err(SqliteUrlError::NoFolder(folder.to_owned())),
        None => return Err(SqliteUrlError::Malformed),
    }
    path.into_os_string().into_string().map_err(|path| SqliteUrlError::NotUtf8(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_relative_or_an_absolute_path() {
        assert_eq!(path_of("sqlite://data/switchboard.sqlite").unwrap(), Path::new("data/switchboard.sqlite"));
        assert_eq!(path_of("sqlite:///var/lib/switchboard.sqlite").unwrap(), Path::new("/var/lib/switchboard.sqlite"));
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused() {
        for url in ["", "sqlite://", "sqlite::memory:", "sqlite://:memory:", "sqlite://a?mode=ro", "postgres://h/db"] {
            assert_eq!(path_of(url), Err(SqliteUrlError::Malformed), "{url}");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = checked(Path::new("/no/such/folder/file.sqlite")).unwrap_err();
        assert_eq!(error.to_string(), "the folder of the database does not exist: /no/such/folder");
    }
}
