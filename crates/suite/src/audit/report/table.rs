//! The report for a terminal.

use std::fmt::Write as _;

use super::super::line::short;
use super::figures::{Blocked, Figures};
use super::{Report, grouped, micros, millis, percent, period, tokens};
use crate::terminal::{DIM, NAME, TITLE};

/// The columns after the name.
pub(super) const HEAD: [&str; 12] = [
    "calls",
    "success",
    "blocked",
    "asked",
    "asked/call",
    "decided in",
    "escalated",
    "p50",
    "p90",
    "p99",
    "tokens p50",
    "tokens",
];

pub(super) fn of(report: &Report) -> String {
    let mut out = String::new();
    let counted = &report.counted;
    let records = grouped(counted.records);
    let _ = writeln!(out, "{TITLE}{}{TITLE:#}  {DIM}{records} records{DIM:#}\n", period(report));
    let total = vec![("all calls".to_owned(), &counted.total)];
    section(&mut out, "total", &total);
    for dimension in &report.by {
        let groups: Vec<(String, &Figures)> = counted.by[*dimension as usize]
            .iter()
            .map(|(name, figures)| (short(name, 60), figures))
            .collect();
        if !groups.is_empty() {
            section(&mut out, dimension.name(), &groups);
        }
    }
    blocked(&mut out, &counted.total);
    let _ = writeln!(
        out,
        "{DIM}success: of the calls that ran; p50, p90, p99: how long those took, within 1 %;\n\
         blocked, escalated: see docs/audit.md; tokens: bytes of answers / 2.5{DIM:#}"
    );
    out
}

fn section(out: &mut String, name: &str, groups: &[(String, &Figures)]) {
    let mut rows = vec![[name].into_iter().chain(HEAD).map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(groups.iter().map(|(name, figures)| {
        let mut row = vec![name.clone()];
        row.extend(cells(figures));
        row
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..=HEAD.len()).map(|column| width(column).unwrap_or(0)).collect();
    for (index, row) in rows.iter().enumerate() {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = match index {
            0 => writeln!(out, "{NAME}{line}{NAME:#}"),
            _ => writeln!(out, "{line}"),
        };
    }
    out.push('\n');
}

/// A group in the columns of [`HEAD`].
pub(super) fn cells(figures: &Figures) -> [String; HEAD.len()] {
    [
        grouped(figures.calls),
        percent(figures.success()),
        grouped(figures.blocked_total()),
        grouped(figures.asked),
        percent(figures.approval_frequency()),
        millis(figures.decided.quantile(0.5)),
        grouped(figures.escalations()),
        micros(figures.latency.quantile(0.5)),
        micros(figures.latency.quantile(0.9)),
        micros(figures.latency.quantile(0.99)),
        figures.bytes.quantile(0.5).map_or_else(|| "–".to_owned(), |it| grouped(tokens(it))),
        grouped(tokens(figures.bytes.total)),
    ]
}

fn blocked(out: &mut String, total: &Figures) {
    let kinds: Vec<Blocked> =
        Blocked::ALL.into_iter().filter(|kind| total.blocked(*kind) > 0).collect();
    if kinds.is_empty() {
        return;
    }
    let _ = writeln!(out, "{NAME}blocked{NAME:#}");
    for kind in kinds {
        let _ = writeln!(out, "{:<21}  {:>9}", kind.title(), grouped(total.blocked(kind)));
    }
    out.push('\n');
}
