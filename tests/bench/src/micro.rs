//! The domain's own benchmarks: what the parts cost without HTTP and a database.

use std::path::Path;
use std::process::Stdio;

use anyhow::ensure;

/// Runs them and returns what they printed; nothing if there are none.
pub(crate) async fn run() -> anyhow::Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !root.join("crates/domain/benches").is_dir() {
        return Ok(String::new());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = tokio::process::Command::new(cargo)
        .args(["bench", "--quiet", "--package", "switchboard-domain", "--bench", "*"])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(output.status.success(), "cargo bench failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
