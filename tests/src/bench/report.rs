//! What was measured, beside what it may be: as a table for people, as JSON, and as
//! BENCHMARKS.md.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::{Value, json};

/// The most or the least that a figure may be.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Ours is at most so many times the floor.
    Times(f64),
    /// Ours is at least so many times the floor.
    AtLeastTimes(f64),
    /// Ours is at most this.
    Most(f64),
    /// Ours is at least this.
    Least(f64),
    /// Ours is at most so much more than the floor.
    Adds(f64),
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// The product.
    pub ours: f64,
    /// The bare server, where it has this figure.
    pub floor: Option<f64>,
    /// What the figure must keep to; none where it is only reported.
    pub limits: Vec<Limit>,
}

impl Row {
    /// Ours over the floor.
    pub fn ratio(&self) -> Option<f64> {
        self.floor.filter(|floor| *floor > 0.0).map(|floor| self.ours / floor)
    }

    /// Whether every limit is kept; one that cannot be reckoned is not.
    pub fn is_kept(&self) -> bool {
        self.limits.iter().all(|limit| match *limit {
            Limit::Times(most) => self.ratio().is_some_and(|ratio| ratio <= most),
            Limit::AtLeastTimes(least) => self.ratio().is_some_and(|ratio| ratio >= least),
            Limit::Most(most) => self.ours <= most,
            Limit::Least(least) => self.ours >= least,
            Limit::Adds(most) => self.floor.is_some_and(|floor| self.ours - floor <= most),
        })
    }

    fn limit(&self) -> String {
        let limits = self.limits.iter().map(|limit| match *limit {
            Limit::Times(most) => format!("≤ {most} ×"),
            Limit::AtLeastTimes(least) => format!("≥ {least} ×"),
            Limit::Most(most) => format!("≤ {most} {}", self.unit),
            Limit::Least(least) => format!("≥ {least} {}", self.unit),
            Limit::Adds(most) => format!("+ ≤ {most} {}", self.unit),
        });
        limits.collect::<Vec<_>>().join(", ")
    }

    fn cells(&self) -> [String; 6] {
        let figure = |value: f64| format!("{} {}", digits(value), self.unit);
        let ok = match (self.limits.is_empty(), self.is_kept()) {
            (true, _) => "",
            (false, true) => "yes",
            (false, false) => "NO",
        };
        [
            self.what.clone(),
            figure(self.ours),
            self.floor.map(figure).unwrap_or_default(),
            self.ratio().map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
            self.limit(),
            ok.to_owned(),
        ]
    }
}

/// Three figures, no more: the rest is noise.
fn digits(value: f64) -> String {
    match value.abs() {
        999.5.. => {
            let whole = format!("{value:.0}");
            let at = whole.len().saturating_sub(3);
            format!("{},{}", &whole[..at], &whole[at..])
        }
        99.95.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All figures of a run, and where it ran.
#[derive(Clone, Debug)]
pub struct Report {
    /// The figures.
    pub rows: Vec<Row>,
    /// The processor, how many of it, and the kernel.
    pub machine: String,
    /// The day, in UTC.
    pub date: String,
    /// The commit; with a `+` where files differed from it.
    pub commit: String,
}

impl Report {
    /// A report of this machine, day and commit.
    pub fn new(rows: Vec<Row>) -> Self {
        let changed = !read("git", &["status", "--porcelain", "--untracked-files=no"]).is_empty();
        let commit = read("git", &["rev-parse", "--short", "HEAD"]);
        Self {
            rows,
            machine: machine(),
            date: read("date", &["-u", "+%Y-%m-%d"]),
            commit: if changed { commit + "+" } else { commit },
        }
    }

    /// Whether every figure keeps its limits.
    pub fn is_kept(&self) -> bool {
        self.rows.iter().all(Row::is_kept)
    }

    /// A table in columns, for a terminal.
    pub fn table(&self) -> String {
        let cells = self.cells();
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for row in &cells {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                // Words to the left, figures to the right.
                let _ = match column {
                    1..=3 => write!(out, "{cell:>width$}  "),
                    _ => write!(out, "{cell:<width$}  "),
                };
            }
            out.truncate(out.trim_end().len());
            out.push('\n');
        }
        out
    }

    /// BENCHMARKS.md.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Benchmarks\n\n\
             Written by `cargo xtask bench -- --write`; do not edit by hand.\n\n\
             The floor is a server on rmcp alone with one trivial tool and nothing else, as fast \
             as rmcp gets. Both are release builds, measured in the same run and in turns; each \
             figure is the median of the rounds. Ratios hold on other machines, times do not.\n\n\
             {} · {} · commit {}\n\n",
            self.machine, self.date, self.commit
        );
        for (index, row) in self.cells().iter().enumerate() {
            let _ = writeln!(out, "| {} |", row.join(" | "));
            if index == 0 {
                out.push_str("| --- | ---: | ---: | ---: | --- | --- |\n");
            }
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "what": row.what, "unit": row.unit, "ours": row.ours, "floor": row.floor,
                "ratio": row.ratio(), "limit": row.limit(), "ok": row.is_kept(),
            })
        });
        json!({
            "machine": self.machine, "date": self.date, "commit": self.commit,
            "ok": self.is_kept(), "rows": rows.collect::<Vec<_>>(),
        })
    }

    fn cells(&self) -> Vec<[String; 6]> {
        let mut cells = vec![HEAD.map(str::to_owned)];
        cells.extend(self.rows.iter().map(Row::cells));
        cells
    }
}

const HEAD: [&str; 6] = ["what", "ours", "floor", "ratio", "limit", "ok"];

fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{model}, {cores} cores, Linux {}", read("uname", &["-r"]))
}

fn read(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(crate::harness::repository());
    let printed = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&printed).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limit: Limit, floor: Option<f64>, expected: bool) {
        let row = Row { what: "x".to_owned(), unit: "ms", ours: 6.0, floor, limits: vec![limit] };
        assert_eq!(row.is_kept(), expected, "{limit:?} {floor:?}");
    }

    #[test]
    fn limits_are_kept_or_not() {
        check(Limit::Times(3.0), Some(2.0), true);
        check(Limit::Times(2.9), Some(2.0), false);
        check(Limit::Times(3.0), None, false);
        check(Limit::AtLeastTimes(0.6), Some(10.0), true);
        check(Limit::AtLeastTimes(0.7), Some(10.0), false);
        check(Limit::Most(6.0), None, true);
        check(Limit::Most(5.9), None, false);
        check(Limit::Adds(1.0), Some(5.0), true);
        check(Limit::Adds(1.0), Some(4.9), false);
    }

    #[test]
    fn figures_are_short() {
        let shown: Vec<String> = [0.123, 12.34, 123.4, 999.7, 12345.6].map(digits).to_vec();
        assert_eq!(shown, ["0.12", "12.3", "123", "1,000", "12,346"]);
    }
}
