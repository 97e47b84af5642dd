//! The report: tables that read well in a terminal and in a browser.

use std::time::Duration;

use crate::machine::Machine;
use crate::measure::{Latency, Measured};
use crate::peer::Outcome;

/// Costs that differ by less are alike.
const FLAT: f64 = 1.2;

/// Everything that was found out.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) command: String,
    /// The floor, from time to time.
    pub(crate) floors: Vec<Measured>,
    pub(crate) cells: Vec<Measured>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) facts: Vec<Fact>,
    /// Why something was left out.
    pub(crate) left_out: Vec<String>,
    /// What the domain's own benchmarks printed.
    pub(crate) micro: String,
}

/// A figure that is no cost of a request.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) unit: &'static str,
    pub(crate) at_most: Option<f64>,
}

impl Report {
    /// The tables, in Markdown.
    pub(crate) fn tables(&self) -> String {
        let tables = [self.cells_table(), self.peer_table(), self.flatness_table(), self.facts_table()];
        let left_out = self.left_out.iter().map(|reason| format!("Left out: {reason}."));
        tables.into_iter().chain(left_out).collect::<Vec<_>>().join("\n\n")
    }

    /// The whole document.
    pub(crate) fn document(&self) -> String {
        let micro = if self.micro.is_empty() {
            String::new()
        } else {
            format!(
                "\n## The domain alone\n\n`cargo bench -p switchboard-domain`:\n\n```text\n{}\n```\n",
                self.micro.trim_end()
            )
        };
        format!(
            "# Benchmarks\n\nWritten by `{}` on {}: {}.\n\n{HOW_TO_READ}\n{}\n{micro}",
            self.command,
            self.machine.date,
            self.machine,
            self.tables()
        )
    }

    fn cells_table(&self) -> String {
        let header = [
            "cell",
            "database",
            "entries",
            "sessions",
            "CPU µs/request",
            "floors",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "alone p50 ms",
            "alone p99 ms",
            "WAHA calls/s",
            "goal",
            "reached",
        ];
        let row = |measured: &Measured| {
            let goal = |goal: &crate::goal::Goal| goal.to_string();
            let reached = |goal: &crate::goal::Goal| yes_or_no(goal.reached(measured));
            let goals = |tell: &dyn Fn(&crate::goal::Goal) -> String| {
                measured.goals.iter().map(tell).collect::<Vec<_>>().join("; ")
            };
            let latency = |latency: Option<Latency>, which: fn(Latency) -> Duration| {
                latency.map(|latency| millis(which(latency))).unwrap_or_default()
            };
            let count = |count: usize| if count == 0 { String::new() } else { count.to_string() };
            [
                format!("{}{}", measured.cell, if measured.disturbed { " (a list was fetched meanwhile)" } else { "" }),
                measured.place.database.to_owned(),
                count(measured.place.entries),
                count(measured.place.sessions),
                measured.cpu_micros.map(|cpu| format!("{cpu:.1}")).unwrap_or_default(),
                measured.floors().map(|floors| format!("{floors:.2}")).unwrap_or_default(),
                format!("{:.0}", measured.requests_per_second),
                latency(measured.crowd, |latency| latency.p50),
                latency(measured.crowd, |latency| latency.p99),
                latency(measured.alone, |latency| latency.p50),
                latency(measured.alone, |latency| latency.p99),
                if measured.place.database.is_empty() {
                    String::new()
                } else {
                    format!("{:.1}", measured.calls_per_second)
                },
                goals(&goal),
                goals(&reached),
            ]
        };
        table(header, self.floors.iter().chain(&self.cells).map(row).collect())
    }

    fn peer_table(&self) -> String {
        let header = [
            "beside a peer on Node",
            "database",
            "its CPU µs/request",
            "floors",
            "our CPU µs/request",
            "floors",
            "times less",
            "goal",
            "reached",
        ];
        let row = |outcome: &Outcome| {
            let floors = |floors: Option<f64>| floors.map(|floors| format!("{floors:.1}")).unwrap_or_default();
            let micros = |measured: &Measured| measured.cpu_micros.map(|cpu| format!("{cpu:.1}")).unwrap_or_default();
            let (goal, times) = (outcome.contest.goal, outcome.times_less());
            [
                outcome.contest.what.to_owned(),
                outcome.ours.place.database.to_owned(),
                outcome.theirs.as_ref().map_or_else(|| "measured elsewhere".to_owned(), micros),
                floors(outcome.their_floors()),
                micros(&outcome.ours),
                floors(outcome.ours.floors()),
                times.map(|times| format!("{times:.0}")).unwrap_or_default(),
                goal.map(|goal| format!("≥ {goal}")).unwrap_or_default(),
                yes_or_no(goal.zip(times).map(|(goal, times)| times >= goal)),
            ]
        };
        table(header, self.outcomes.iter().map(row).collect())
    }

    /// Each cell that was measured on the same database at two sizes or more: the largest against the smallest.
    fn flatness_table(&self) -> String {
        let header = ["flat?", "database", "from", "to", "floors", "times", "goal", "reached"];
        let mut rows = Vec::new();
        let pages = |cell: &str| !cell.contains("search") && !cell.starts_with("get");
        for small in &self.cells {
            for large in &self.cells {
                let same = small.cell == large.cell && small.place.database == large.place.database;
                let (from, to) = (small.place, large.place);
                let by_entries =
                    pages(&small.cell) && from.entries == 1000 && to.entries == 100_000 && to.sessions < 100;
                let by_sessions = from.entries == to.entries && from.sessions < 100 && to.sessions > 10_000;
                if !same || !(by_entries && from.sessions < 100 || by_sessions) {
                    continue;
                }
                let (Some(before), Some(after)) = (small.floors(), large.floors()) else { continue };
                let size = |measured: &Measured| {
                    let place = measured.place;
                    if by_entries {
                        format!("{} entries", place.entries)
                    } else {
                        format!("{} sessions", place.sessions)
                    }
                };
                rows.push([
                    small.cell.clone(),
                    from.database.to_owned(),
                    size(small),
                    size(large),
                    format!("{before:.2} → {after:.2}"),
                    format!("{:.2}", after / before),
                    format!("≤ {FLAT}"),
                    yes_or_no(Some(after / before <= FLAT)),
                ]);
            }
        }
        table(header, rows)
    }

    fn facts_table(&self) -> String {
        let rows = self.facts.iter().map(|fact| {
            [
                fact.what.clone(),
                format!("{:.1} {}", fact.found, fact.unit),
                fact.at_most.map(|most| format!("≤ {most} {}", fact.unit)).unwrap_or_default(),
                yes_or_no(fact.at_most.map(|most| fact.found <= most)),
            ]
        });
        table(["what", "found", "goal", "reached"], rows.collect())
    }
}

/// A Markdown table with aligned columns.
fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [String; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} "));
        format!("|{}|", padded.collect::<Vec<_>>().join("|"))
    };
    let mut lines = vec![line(header.map(str::to_owned)), line(widths.map(|width| "-".repeat(width)))];
    lines.extend(rows.into_iter().map(line));
    lines.join("\n")
}

fn yes_or_no(reached: Option<bool>) -> String {
    reached.map(|reached| if reached { "yes" } else { "**no**" }).unwrap_or_default().to_owned()
}

fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}

const HOW_TO_READ: &str = "\
`cargo xtask bench` measures all of this anew in one run; `--quick` is a first look, `--write` replaces this file.

Each cell is one kind of request, sent to `switchboard serve` in release mode with `server.workers = 1` by 64 keep-alive
connections that each wait for an answer before they send the next request; everything runs on one machine, the load
generator in a process of its own. **CPU µs/request** is what to compare: user and system time of the server's process,
all threads, over the requests answered. Requests a second and latencies depend on what else the machine is doing. CPU of
PostgreSQL is not in it; CPU of SQLite, which runs in the process, is. **Floors** is the ratio to an actix-web server
that answers 60 static bytes, measured in the same run before and after each group of cells: that ratio travels
between machines.
`alone` is one connection without a crowd. `new terms` are searches that no cache can know: tens of thousands of
different terms in turn; `again` is one term for all requests; `each once` sends a few dozen terms once each over one
connection. Every answer has to be a 200, and the first request of each cell is looked into before and after the load.
A cell during which the server fetched a list from WAHA is measured again.

The peer is what people write by hand today, reduced (`tests/bench/peer`): Node, one process, `@trpc/server`, superjson and
zod, asking the same WAHA each time. It checks no sign-in and has no database, both in its favour, and it is measured
after as long a load as the one that is counted, so that it is compiled. Both are sent the same bytes, in superjson, as
T3's front-ends send them. A peer with everything, Prisma too, was measured once elsewhere, on two cores on which the floor
cost 7.8 µs; where none can be run, what it cost there, in floors of that machine, stands for it.
Two goals come from there too, in the same way: twice a select by primary key, which cost 25 µs through a pool of
PostgreSQL connections (3.2 floors) and 41 µs through one of SQLite's (5.3); and 500 times less than the peer for a search.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![["µs".to_owned(), "1".to_owned()], ["long one".to_owned(), String::new()]];
        assert_eq!(table(["a", "b"], rows), "| a        | b |\n| -------- | - |\n| µs       | 1 |\n| long one |   |");
    }
}
