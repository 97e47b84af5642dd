//! Debian's packages, for programs that tests need.

use std::env;
use std::process::Command;

use crate::{Failure, run};

/// Installs a package, if this is Debian and we may.
///
/// # Errors
/// If it cannot be installed; `otherwise` tells what to do then.
pub(crate) fn install(package: &str, otherwise: &str) -> Result<(), Failure> {
    eprintln!("{package} is not installed: installing Debian's package");
    let apt =
        |arguments: &[&str]| run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
    apt(&["update", "--quiet"])
        .and_then(|()| apt(&["install", "--quiet", "--yes", "--no-install-recommends", package]))
        .map_err(|failure| format!("{failure}\n{otherwise}"))
}

/// Whether a program is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
