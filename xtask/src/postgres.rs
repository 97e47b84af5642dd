//! PostgreSQL's programs, for the tests' throwaway server.

use std::env;

use crate::{Failure, apt};

/// Makes sure that the tests find a PostgreSQL: one that is given, one that is installed, or Debian's, which is
/// installed if this is Debian and we may.
///
/// # Errors
/// If there is none and none can be installed.
pub(crate) fn ensure_installed() -> Result<(), Failure> {
    if env::var_os("SWITCHBOARD_TEST_POSTGRES").is_some() || is_installed() {
        return Ok(());
    }
    apt::install(
        "postgresql",
        "The tests need PostgreSQL: install it, or give a superuser's URL of a server that may be filled with databases \
         as SWITCHBOARD_TEST_POSTGRES",
    )?;
    if is_installed() { Ok(()) } else { Err("PostgreSQL was installed, but initdb is nowhere to be found".to_owned()) }
}

/// Whether `initdb` is on the PATH or where Debian puts it.
fn is_installed() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let packaged = versions.into_iter().any(|version| version.path().join("bin/initdb").is_file());
    packaged || apt::on_path("initdb")
}
