//! PostgreSQL's programs, for the tests' throwaway server.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::{Failure, run};

/// Makes sure that the tests find a PostgreSQL: one that is given, one that is installed, or Debian's, which is
/// installed if this is Debian and we may.
///
/// # Errors
/// If there is none and none can be installed.
pub(crate) fn ensure_installed() -> Result<(), Failure> {
    if env::var_os("SWITCHBOARD_TEST_POSTGRES").is_some() || is_installed() {
        return Ok(());
    }
    eprintln!("PostgreSQL is not installed: installing Debian's package");
    let apt =
        |arguments: &[&str]| run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
    apt(&["update", "--quiet"])
        .and_then(|()| apt(&["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"]))
        .map_err(|failure| {
            format!(
                "{failure}\nThe tests need PostgreSQL: install it, or give a superuser's URL of a server that may be \
                 filled with databases as SWITCHBOARD_TEST_POSTGRES"
            )
        })?;
    if is_installed() { Ok(()) } else { Err("PostgreSQL was installed, but initdb is nowhere to be found".to_owned()) }
}

/// Whether `initdb` is on the PATH or where Debian puts it.
fn is_installed() -> bool {
    let on_path = env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| has_initdb(&folder)));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    on_path || versions.into_iter().any(|version| has_initdb(&version.path().join("bin")))
}

fn has_initdb(folder: &Path) -> bool {
    folder.join("initdb").is_file()
}
