//! What is made out of the code and kept beside it.

use crate::{Failure, cargo_command, root, run_for_output};

/// What is kept, and the command of `switchboard` that prints it.
const KEPT: [(&str, &str); 2] =
    [("docs/openapi.json", "openapi"), ("crates/http/client/app-router.d.ts", "typescript")];

/// Writes it anew; or, to `check`, only looks whether it is what would be written.
///
/// # Errors
/// If it cannot be made or written, or is not up to date.
pub(crate) fn generate(check: bool) -> Result<(), Failure> {
    for (path, command) in KEPT {
        let print = ["run", "--quiet", "--locked", "--package", "switchboard-http", "--", command];
        let made = run_for_output(&mut cargo_command(&print))?;
        let file = root().join(path);
        if !check {
            std::fs::write(file, made).map_err(|error| format!("{path}: {error}"))?;
        } else if std::fs::read(file).unwrap_or_default() != made {
            return Err(format!("{path} is not up to date: run `cargo xtask codegen`"));
        }
    }
    Ok(())
}
