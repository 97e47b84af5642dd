//! The files to deploy with, held against what they have to agree with.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_image_is_built_by_the_compiler_that_everything_is_tested_with_and_fetches_no_other() {
    let (toolchain, dockerfile) = (read("rust-toolchain.toml"), read("docs/deploy/Dockerfile"));
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    for expected in [format!("FROM rust:{channel}-bookworm AS build"), format!("ENV RUSTUP_TOOLCHAIN={channel}")] {
        assert!(dockerfile.lines().any(|line| line == expected), "{expected}");
    }
}

#[test]
fn no_image_is_whatever_is_newest() {
    let mut images = 0;
    for file in ["docs/deploy/compose.yaml", "docs/deploy/Dockerfile"] {
        for line in read(file).lines() {
            let image = line.trim().strip_prefix("image: ").or_else(|| line.strip_prefix("FROM "));
            let Some(image) = image else { continue };
            images += 1;
            let is_said_by_who_deploys = image.starts_with("${") && image.contains(":?");
            let tag = image.split(' ').next().unwrap().split_once(':').map(|(_, tag)| tag);
            assert!(is_said_by_who_deploys || tag.is_some_and(|tag| !tag.starts_with("latest")), "{file}: {line}");
        }
    }
    assert_eq!(images, 4);
}
