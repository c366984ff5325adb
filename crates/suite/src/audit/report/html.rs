//! The report as one page: no script, nothing from elsewhere, everything escaped.
//!
//! The page forbids itself whatever it does not need by a content security policy; the style is
//! allowed by its digest, so that nothing smuggled into a name could style the page either.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::line::short;
use super::super::time;
use super::chart::{self, Chart};
use super::figures::{Blocked, Figures};
use super::{Report, grouped, micros, millis, percent, period, table, tokens};

/// The style of the page.
const STYLE: &str = include_str!("../../../templates/report.css");

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    style: &'static str,
    style_digest: String,
    period: String,
    made: String,
    servers: String,
    records: String,
    unreadable: u64,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    sections: Vec<Section>,
    head: [&'static str; 12],
    blocked: Vec<(&'static str, String)>,
}

/// One number that stands for the whole.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

/// One way to tell calls apart.
struct Section {
    name: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    cells: Vec<String>,
}

/// The whole page.
pub(super) fn of(report: &Report) -> anyhow::Result<String> {
    let counted = &report.counted;
    let servers: Vec<String> = report.servers.iter().map(|name| short(name, 60)).collect();
    let page = Page {
        style: STYLE,
        style_digest: STANDARD.encode(Sha256::digest(STYLE)),
        period: period(report),
        made: time::rfc3339(report.made),
        servers: servers.join(", "),
        records: grouped(counted.records),
        unreadable: report.tally.unreadable,
        tiles: tiles(&counted.total),
        head: table::HEAD,
        charts: chart::all(counted),
        sections: sections(report),
        blocked: Blocked::ALL
            .into_iter()
            .filter(|kind| counted.total.blocked(*kind) > 0)
            .map(|kind| (kind.title(), grouped(counted.total.blocked(kind))))
            .collect(),
    };
    Ok(page.render()?)
}

fn tiles(total: &Figures) -> Vec<Tile> {
    let latency = |share| micros(total.latency.quantile(share));
    let median = total.bytes.quantile(0.5).map(tokens);
    vec![
        Tile {
            name: "calls",
            value: compact(total.calls),
            note: format!("{} ran", compact(total.ran())),
        },
        Tile {
            name: "success",
            value: percent(total.success()),
            note: "of the calls that ran".to_owned(),
        },
        Tile {
            name: "blocked",
            value: grouped(total.blocked_total()),
            note: format!("{} escalations", grouped(total.escalations())),
        },
        Tile {
            name: "approvals asked",
            value: grouped(total.asked),
            note: format!("decided in {}", millis(total.decided.quantile(0.5))),
        },
        Tile {
            name: "median call",
            value: latency(0.5),
            note: format!("p90 {}, p99 {}", latency(0.9), latency(0.99)),
        },
        Tile {
            name: "tokens returned",
            value: compact(tokens(total.bytes.total)),
            note: format!("{} an answer", median.map_or_else(|| "–".to_owned(), grouped)),
        },
    ]
}

/// A number in a few characters: `206.5 M`.
fn compact(number: u64) -> String {
    match number {
        0..1_000_000 => grouped(number),
        1_000_000..1_000_000_000 => format!("{}.{} M", number / 1_000_000, number / 100_000 % 10),
        _ => format!("{} M", grouped(number / 1_000_000)),
    }
}

fn sections(report: &Report) -> Vec<Section> {
    let section = |dimension: &super::Dimension| {
        let by = &report.counted.by[*dimension as usize];
        let rows = by.iter().map(|(name, figures)| Row {
            name: short(name, 80),
            cells: table::cells(figures).to_vec(),
        });
        Section { name: dimension.name(), rows: rows.collect() }
    };
    report.by.iter().map(section).filter(|section| !section.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::Entry;
    use super::super::super::scan::Tally;
    use super::super::figures::{Counted, Dimension};
    use super::*;

    fn page(tool: &str) -> String {
        let line = serde_json::json!({
            "event": "call", "outcome": "done", "tool": tool, "tool_digest": "d",
            "duration_us": 1500, "result_bytes": 900, "time": "2026-11-22T10:00:00Z",
            "principal": {"roles": [tool], "subject": tool},
        });
        let mut counted = Counted::default();
        let line = line.to_string();
        counted.add(tool, &Entry::parse(line.as_bytes()).expect("a record"));
        counted.finish();
        let report = Report {
            counted,
            tally: Tally { unreadable: 1, ..Tally::default() },
            by: Dimension::ALL.to_vec(),
            since: None,
            until: None,
            made: 0,
            servers: vec![tool.to_owned()],
        };
        of(&report).expect("a page")
    }

    #[test]
    fn hostile_names_are_text_and_nothing_else() {
        let hostile = "\"'><script>alert(1)</script><style>x</style></title>\u{202e}\u{1b}[1m&amp;";
        let (page, plain) = (page(hostile), page("plain"));
        // Not one element more than with a plain name.
        for mark in ["<", ">", "\"", "'"] {
            assert_eq!(page.matches(mark).count(), plain.matches(mark).count(), "{mark}");
        }
        assert!(page.contains("&#60;script&#62;") && !page.contains('\u{202e}'), "{page}");
        assert!(!page.contains('\u{1b}') && page.contains("[U+202E][U+001B]"));
    }

    #[test]
    fn the_page_allows_itself_its_own_style_only() {
        let page = page("plain");
        let digest = STANDARD.encode(Sha256::digest(STYLE));
        let start = page.find("<style>").expect("a style") + "<style>".len();
        let end = page.find("</style>").expect("its end");
        assert_eq!(STANDARD.encode(Sha256::digest(&page[start..end])), digest);
        assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{digest}'")));
        for foreign in ["http://", "https://", "<script", "<img", "<link", " style=", " on", "url("]
        {
            let is_namespace = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!is_namespace.contains(foreign) || foreign == " on", "{foreign}");
        }
    }

    #[test]
    fn every_plot_says_what_it_shows() {
        let page = page("plain");
        let plots = page.matches("<svg class=\"plot\"").count();
        assert!(plots >= 3, "{plots}");
        assert_eq!(page.matches("role=\"img\"").count(), plots);
        assert_eq!(page.matches("<desc").count(), plots);
    }
}
