//! Who may name whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What each package may depend on of ours: normally, and in its tests.
const MAY_NAME: [(&str, &[&str], &[&str]); 10] = [
    ("switchboard-domain", &[], &["switchboard-domain", "switchboard-fuzz"]),
    ("switchboard-waha-adapter", &["switchboard-domain"], &["switchboard-fuzz", "switchboard-waha-fake"]),
    ("switchboard-pg-adapter", &["switchboard-domain"], &[]),
    ("switchboard-sqlite-adapter", &["switchboard-domain"], &[]),
    ("switchboard-waha-fake", &[], &[]),
    // The binary wires the adapters; the library may not name them: see below.
    (
        "switchboard-http",
        &[
            "switchboard-domain",
            "switchboard-pg-adapter",
            "switchboard-sqlite-adapter",
            "switchboard-waha-adapter",
            "switchboard-waha-fake",
        ],
        &["switchboard-domain", "switchboard-fuzz", "switchboard-tests"],
    ),
    (
        "switchboard-tests",
        &[
            "switchboard-domain",
            "switchboard-http",
            "switchboard-pg-adapter",
            "switchboard-sqlite-adapter",
            "switchboard-waha-adapter",
            "switchboard-waha-fake",
        ],
        &[],
    ),
    (
        "switchboard-bench",
        &["switchboard-domain", "switchboard-pg-adapter", "switchboard-sqlite-adapter", "switchboard-tests"],
        &[],
    ),
    ("switchboard-fuzz", &[], &[]),
    ("xtask", &[], &[]),
];

/// What of others the domain may depend on: nothing that does I/O.
const DOMAIN_MAY_USE: [&str; 16] = [
    "async-trait",
    "caseless",
    "chrono",
    "cuid2",
    "futures-util",
    "lz4_flex",
    "memchr",
    "mockall",
    "moka",
    "rand",
    "serde",
    "sha2",
    "thiserror",
    "tokio",
    "tracing",
    "unicode-normalization",
];

#[test]
fn packages_depend_only_on_what_they_may() {
    let packages = packages();
    let known: BTreeSet<_> = MAY_NAME.iter().map(|(name, ..)| *name).collect();
    assert_eq!(packages.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "every package has its line");
    for (name, normal, dev) in MAY_NAME {
        for (dependency, kind) in &packages[name] {
            if !known.contains(dependency.as_str()) {
                continue;
            }
            let allowed = if kind == "dev" { [normal, dev].concat() } else { normal.to_vec() };
            assert!(allowed.contains(&dependency.as_str()), "{name} may not depend on {dependency} ({kind})");
        }
    }
}

#[test]
fn the_domain_depends_on_nothing_that_does_io() {
    for (dependency, kind) in &packages()["switchboard-domain"] {
        assert!(kind == "dev" || DOMAIN_MAY_USE.contains(&dependency.as_str()), "the domain may not use {dependency}");
    }
}

#[test]
fn only_the_binary_names_adapters() {
    let http = root().join("crates/http/src");
    let mut looked_at = 0;
    for file in rust_files(&http) {
        if file.starts_with(http.join("bin")) {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        for adapter in ["switchboard_pg_adapter", "switchboard_sqlite_adapter", "switchboard_waha_adapter", "waha_fake"]
        {
            assert!(!source.contains(adapter), "{} names {adapter}", file.display());
        }
        looked_at += 1;
    }
    assert!(looked_at > 10, "the library's files were found");
}

#[test]
fn the_pure_part_of_trpc_names_no_web_framework() {
    for file in rust_files(&root().join("crates/http/src/trpc")) {
        if file.ends_with("service.rs") {
            continue;
        }
        let source = std::fs::read_to_string(&file).unwrap();
        assert!(!source.contains("actix_web"), "{} names actix", file.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Each package of the workspace with its direct dependencies and their kinds.
fn packages() -> BTreeMap<String, Vec<(String, String)>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let dependencies = |package: &Value| {
        let list = package["dependencies"].as_array().unwrap();
        list.iter().map(|dependency| (text(&dependency["name"]), text(&dependency["kind"]))).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (text(&package["name"]), dependencies(package))).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
