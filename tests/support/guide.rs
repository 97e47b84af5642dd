//! Configurations that stand in the guides.

use std::path::Path;

/// The first configuration under that heading of `docs/sign-in.md`, as a reader copies it.
///
/// # Panics
/// If there is none.
pub fn sign_in(heading: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sign-in.md");
    let guide = std::fs::read_to_string(path).expect("the guide is there");
    let (_, section) = guide.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().expect("a section");
    let (_, block) = section.split_once("\n```toml\n").expect("a configuration");
    let (block, _) = block.split_once("\n```\n").expect("it ends");
    format!("{block}\n")
}
