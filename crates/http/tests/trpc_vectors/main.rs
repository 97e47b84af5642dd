//! Replays what the real tRPC server (@trpc/server 11.25.2) was recorded answering the real
//! clients, and compares what a client would make of our answers.

mod arbitrary;
mod canned;
mod decode;
mod differences;
mod vector;

use std::collections::BTreeMap;
use std::path::Path;

use differences::Difference;
use vector::Vector;

/// Replaying fewer means that recordings were lost.
const LEAST_REPLAYED: usize = 509;

/// Recorded with procedures whose outputs need more of superjson than this API does.
const FOREIGN_OUTPUTS: &str = "outputs that no procedure here has (NaN, sets, bare undefined, …)";

const SKIPPED: &[(&str, &str)] = &[("value.echo.dates", FOREIGN_OUTPUTS), ("value.weird", FOREIGN_OUTPUTS)];

#[actix_web::test]
async fn every_recorded_request_is_answered_as_recorded() {
    let vectors = Vector::all(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/trpc"));
    let mut replayed = 0;
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differing: BTreeMap<&str, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for vector in &vectors {
        let skip = SKIPPED.iter().find(|(name, _)| vector.name.starts_with(name));
        if let Some((_, reason)) = skip {
            *skipped.entry(reason).or_default() += 1;
            continue;
        }
        replayed += 1;
        let ours = vector.send(&canned::router(vector)).await;
        let theirs = vector.recorded();
        let difference = Difference::of(&vector.name);
        let expected = match difference {
            None => theirs.clone(),
            Some(difference) => {
                *differing.entry(difference.reason).or_default() += 1;
                let transformer = vector.transformer_suffix();
                difference.expected(&theirs, &ours, |name| {
                    let name = format!("{name}.{transformer}");
                    let other = vectors.iter().find(|other| other.name == name);
                    other.expect("that recording is there").recorded()
                })
            }
        };
        if ours != expected {
            failures.push(format!("{}\n  ours     {ours:?}\n  expected {expected:?}", vector.name));
        } else if difference.is_some() && ours == theirs {
            failures.push(format!("{} does not differ any more", vector.name));
        }
    }

    println!("replayed {replayed}, of which answered otherwise on purpose:");
    for (reason, count) in differing {
        println!("  {count:3} {reason}");
    }
    println!("skipped:");
    for (reason, count) in skipped {
        println!("  {count:3} {reason}");
    }
    let some: Vec<_> = failures.iter().take(10).cloned().collect();
    assert!(some.is_empty(), "{} differ, like:\n{}", failures.len(), some.join("\n"));
    assert!(replayed >= LEAST_REPLAYED, "only {replayed} were replayed");
}
