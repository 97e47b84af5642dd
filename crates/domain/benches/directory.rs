//! How fast a directory snapshot is made, paged, searched and stored, and how much room an entry takes.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should say so")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use divan::{Bencher, counter::BytesCount};
use switchboard_domain::{Contact, Epoch, Group, Limit, ListKind, SearchTerm, Snapshot, View, fold};

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

fn main() {
    // Not when `cargo test` only looks whether the benches run.
    if std::env::args().any(|argument| argument == "--bench") {
        print_bytes();
        print_search_times();
    }
    divan::main();
}

/// People as an address book has them: most of them in Latin letters, some accents, other scripts, emoji.
fn name(n: u32) -> String {
    const FIRST: [&str; 12] = [
        "María José",
        "Alexander",
        "Fernanda",
        "José Luis",
        "Иван",
        "Oliver",
        "محمد",
        "Priya",
        "Zoë",
        "伟",
        "Antonio",
        "Nguyễn",
    ];
    const LAST: [&str; 11] = [
        "García",
        "Müller",
        "Rodríguez",
        "Smith",
        "Oliveira 🚀",
        "Trabajo",
        "Петров",
        "Hernández",
        "Okafor",
        "Kowalski",
        "(Madrid)",
    ];
    // Spread out, so that names in a row are not alike.
    let n = n.wrapping_mul(2_654_435_761) as usize;
    format!("{} {} {}", FIRST[n % FIRST.len()], LAST[n / 16 % LAST.len()], n / 256 % 1000)
}

fn contacts(count: u32) -> Vec<Contact> {
    let contact = |n: u32| {
        let digits = 34_600_000_000 + u64::from(n.wrapping_mul(2_246_822_519)) % 100_000_000;
        let id = if n.is_multiple_of(8) { format!("{}@lid", digits * 4_321) } else { format!("{digits}@c.us") };
        Contact { id: id.parse().unwrap(), name: name(n), is_mine: !n.is_multiple_of(5) }
    };
    (0..count).map(contact).collect()
}

fn groups(count: u32) -> Vec<Group> {
    let group = |n: u32| {
        let id = format!("120363{:012}@g.us", u64::from(n.wrapping_mul(2_246_822_519)) * 211);
        Group { id: id.parse().unwrap(), name: name(n) }
    };
    (0..count).map(group).collect()
}

fn snapshot(count: u32) -> Snapshot {
    Snapshot::of_contacts(Epoch(1), &contacts(count))
}

fn term(text: &str) -> SearchTerm {
    SearchTerm::parse(text).unwrap()
}

fn print_bytes() {
    for count in SIZES {
        let (contacts, groups) = (contacts(count), Snapshot::of_groups(Epoch(1), &groups(count)));
        let name: usize = contacts.iter().map(|contact| contact.name.len()).sum();
        let contacts = Snapshot::of_contacts(Epoch(1), &contacts);
        let each = |bytes: usize| f64::from(u32::try_from(bytes).unwrap()) / f64::from(count);
        println!(
            "{count:>7} entries of {:.1} bytes of name: {:.1} bytes a contact, {:.1} a group; stored {:.1} and {:.1}",
            each(name),
            each(contacts.bytes()),
            each(groups.bytes()),
            each(contacts.encode().len()),
            each(groups.encode().len())
        );
    }
}

/// divan tells the slowest time, which on a busy machine is the neighbours'; our goals are percentiles.
fn print_search_times() {
    let snapshot = snapshot(100_000);
    for (what, text) in SEARCHES {
        let term = term(text);
        let total = snapshot.search(View::All, &term).total();
        let mut times: Vec<Duration> = (0..2000)
            .map(|_| {
                let start = Instant::now();
                black_box(snapshot.search(View::All, black_box(&term)));
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let [p50, p90, p99] = [times[1000], times[1800], times[1980]];
        println!("{what:>14} in 100 000: {total:>6} found; p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}");
    }
}

const SEARCHES: [(&str, &str); 7] = [
    ("no hit", "quetzalcoatl"),
    ("rare", "Zoë Петров 77"),
    ("one of eleven", "garcia"),
    ("one letter", "a"),
    ("a space", "a "),
    ("rare digits", "+34 600 123 45"),
    ("common digits", "34"),
];

#[divan::bench(args = ["Fernanda Trabajo 12", "José Müller 12", "Иван Петров", "陈伟 北京市朝阳区", "محمد الهاشمي", "カラオケ がく"])]
fn folding(bencher: Bencher<'_, '_>, name: &str) {
    bencher.counter(BytesCount::of_str(name)).bench(|| fold(black_box(name)));
}

#[divan::bench(args = SIZES)]
fn build_contacts(bencher: Bencher<'_, '_>, count: u32) {
    let contacts = contacts(count);
    bencher.bench(|| Snapshot::of_contacts(Epoch(1), &contacts));
}

#[divan::bench(args = SIZES)]
fn build_groups(bencher: Bencher<'_, '_>, count: u32) {
    let groups = groups(count);
    bencher.bench(|| Snapshot::of_groups(Epoch(1), &groups));
}

/// Finds ten entries and reads what a client is sent of them.
fn page(snapshot: &Snapshot, view: View, cursor: u64) -> usize {
    let picked = snapshot.page(view, cursor, Limit::clamped(10).unwrap());
    snapshot.entries(&picked).map(|entry| entry.name().len() + entry.id().as_str().len()).sum()
}

#[divan::bench(args = SIZES)]
fn first_page(bencher: Bencher<'_, '_>, count: u32) {
    let snapshot = snapshot(count);
    bencher.bench(|| page(&snapshot, View::Mine, black_box(0)));
}

#[divan::bench(args = SIZES)]
fn deep_page(bencher: Bencher<'_, '_>, count: u32) {
    let snapshot = snapshot(count);
    bencher.bench(|| page(&snapshot, View::Mine, black_box(u64::from(count) * 3 / 4)));
}

#[divan::bench(args = SIZES)]
fn deep_page_of_all(bencher: Bencher<'_, '_>, count: u32) {
    let snapshot = snapshot(count);
    bencher.bench(|| page(&snapshot, View::All, black_box(u64::from(count) * 3 / 4)));
}

#[divan::bench(args = [1000, 10_000])]
fn large_page(bencher: Bencher<'_, '_>, limit: u64) {
    let snapshot = snapshot(100_000);
    let limit = Limit::clamped(limit).unwrap();
    bencher.bench(|| {
        let picked = snapshot.page(View::Mine, black_box(50_000), limit);
        snapshot.entries(&picked).map(|entry| entry.name().len() + entry.id().as_str().len()).sum::<usize>()
    });
}

#[divan::bench(args = SEARCHES.map(|(what, _)| what), consts = SIZES)]
fn search<const COUNT: u32>(bencher: Bencher<'_, '_>, what: &str) {
    let snapshot = snapshot(COUNT);
    let (_, text) = SEARCHES.into_iter().find(|(name, _)| *name == what).unwrap();
    let term = term(text);
    bencher.bench(|| snapshot.search(View::Mine, black_box(&term)));
}

#[divan::bench]
fn page_of_matches(bencher: Bencher<'_, '_>) {
    let snapshot = snapshot(100_000);
    let matches = snapshot.search(View::Mine, &term("12"));
    bencher.bench(|| {
        let picked = matches.page(black_box(1000), Limit::clamped(10).unwrap());
        snapshot.entries(&picked).map(|entry| entry.name().len() + entry.id().as_str().len()).sum::<usize>()
    });
}

#[divan::bench(args = SIZES)]
fn encode(bencher: Bencher<'_, '_>, count: u32) {
    let snapshot = snapshot(count);
    bencher.bench(|| snapshot.encode());
}

#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, count: u32) {
    let snapshot = snapshot(count);
    let data = snapshot.encode();
    bencher.bench(|| Snapshot::decode(ListKind::Contacts, snapshot.version(), black_box(&data)).unwrap());
}
