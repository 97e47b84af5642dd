//! A browser, for the tests of the page.

use std::env;

use crate::{Failure, apt};

/// Makes sure that the tests find a browser: one that is given, one that is installed, or Debian's, which is installed
/// if this is Debian and we may.
///
/// # Errors
/// If there is none and none can be installed.
pub(crate) fn ensure_installed() -> Result<(), Failure> {
    if env::var_os("SWITCHBOARD_CHROMIUM").is_some() || apt::on_path("chromium") {
        return Ok(());
    }
    apt::install(
        "chromium",
        "The tests of the page need a browser: install chromium, or give the path of one as SWITCHBOARD_CHROMIUM",
    )
}
