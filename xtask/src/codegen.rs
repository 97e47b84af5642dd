//! What is made out of the code and kept beside it.

use crate::{Failure, cargo_command, root, run_for_output};

const DOCUMENT: &str = "docs/openapi.json";

/// Writes it anew.
///
/// # Errors
/// If it cannot be made or written.
pub(crate) fn generate() -> Result<(), Failure> {
    let openapi = ["run", "--quiet", "--locked", "--package", "switchboard-http", "--", "openapi"];
    let document = run_for_output(&mut cargo_command(&openapi))?;
    std::fs::write(root().join(DOCUMENT), document).map_err(|error| format!("{DOCUMENT}: {error}"))
}
