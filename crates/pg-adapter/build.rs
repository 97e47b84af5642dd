//! A new migration makes the crate be compiled again: `embed_migrations!` alone does not notice new folders.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations/postgres");
}
