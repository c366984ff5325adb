//! Plots as data for the page: every number that is drawn is reckoned here, the page only places
//! it. Coordinates are those of the plot's own view box.

use super::super::line::short;
use super::figures::Dimension;
use super::figures::{Blocked, Counted, Figures, Hour};
use super::{grouped, micros};

/// The width of a plot over the whole page.
const WIDE: f64 = 1040.0;

/// The width of one of two beside each other.
const NARROW: f64 = 500.0;

/// Where names end and what is drawn begins.
const LEFT: f64 = 170.0;

/// Where the bars of a narrow plot end; the value is written behind.
const RIGHT: f64 = 410.0;

/// The height of a row.
const ROW: f64 = 26.0;

/// The most rows of a plot; the tables show all.
const ROWS: usize = 12;

/// The most columns of the plot over time.
const COLUMNS: usize = 96;

/// A rectangle with a hint.
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) hint: String,
}

/// A piece of text; `class` says how it is aligned.
pub(super) struct Label {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) text: String,
}

/// A circle.
pub(super) struct Dot {
    pub(super) class: &'static str,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) hint: String,
}

/// A thin line.
pub(super) struct Rule {
    pub(super) class: &'static str,
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
}

/// A series and its name.
pub(super) struct Key {
    pub(super) class: &'static str,
    pub(super) text: &'static str,
}

/// A plot.
pub(super) struct Chart {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, for whoever does not see it.
    pub(super) description: String,
    pub(super) keys: Vec<Key>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) bars: Vec<Bar>,
    pub(super) rules: Vec<Rule>,
    pub(super) dots: Vec<Dot>,
    pub(super) labels: Vec<Label>,
}

impl Chart {
    /// Whether it takes the whole width of the page.
    pub(super) fn is_wide(&self) -> bool {
        self.width >= WIDE
    }

    fn new(id: &'static str, title: &'static str, description: String, height: f64) -> Self {
        Self {
            id,
            title,
            description,
            keys: Vec::new(),
            width: WIDE,
            height,
            bars: Vec::new(),
            rules: Vec::new(),
            dots: Vec::new(),
            labels: Vec::new(),
        }
    }

    fn label(&mut self, class: &'static str, x: f64, y: f64, text: String) {
        self.labels.push(Label { class, x, y, text });
    }
}

#[expect(clippy::cast_precision_loss, reason = "what is drawn need not be exact")]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "what is drawn need not be exact")]
fn place(index: usize) -> f64 {
    index as f64
}

/// The plots of a report that have something to show.
pub(super) fn all(counted: &Counted) -> Vec<Chart> {
    let tools = &counted.by[Dimension::Tool as usize];
    let mut tools: Vec<(String, &Figures)> =
        tools.iter().map(|(name, figures)| (short(name, 26), figures)).collect();
    tools.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.calls));
    let total = &counted.total;
    let tokens = tools.iter().map(|(name, it)| (name.clone(), super::tokens(it.bytes.total)));
    let blocked = Blocked::ALL.map(|kind| (kind.title().to_owned(), total.blocked(kind)));
    let waiting =
        total.asked.saturating_sub(total.decided.count() + total.blocked(Blocked::ApprovalExpired));
    let approvals = [
        ("asked for", total.asked),
        ("yes", total.given),
        ("no", total.blocked(Blocked::ApprovalDenied)),
        ("expired", total.blocked(Blocked::ApprovalExpired)),
        ("waiting", waiting),
    ];
    let approvals = approvals.map(|(name, count)| (name.to_owned(), count));
    let charts = [
        over_time(counted),
        latency(&tools),
        rows("blocked", "Blocked, by kind", "bad", blocked),
        rows("approvals", "Approvals", "wait", approvals),
        rows("tokens", "Tokens returned, by tool", "plain", tokens),
    ];
    charts.into_iter().flatten().collect()
}

/// Named bars, the longest first.
fn rows(
    id: &'static str,
    title: &'static str,
    class: &'static str,
    values: impl IntoIterator<Item = (String, u64)>,
) -> Option<Chart> {
    let mut values: Vec<(String, u64)> = values.into_iter().filter(|(_, it)| *it > 0).collect();
    if id != "approvals" {
        values.sort_by_key(|(_, value)| std::cmp::Reverse(*value));
    }
    values.truncate(ROWS);
    let most = values.iter().map(|(_, value)| *value).max()?;
    let told: Vec<String> =
        values.iter().map(|(name, value)| format!("{name} {}", grouped(*value))).collect();
    let height = ROW * place(values.len()) + 8.0;
    let mut chart = Chart::new(id, title, told.join(", "), height);
    chart.width = NARROW;
    for (index, (name, value)) in values.into_iter().enumerate() {
        let y = 4.0 + ROW * place(index);
        let width = ((RIGHT - LEFT) * real(value) / real(most)).max(2.0);
        chart.label("name", LEFT - 10.0, y + 17.0, name.clone());
        chart.label("value", LEFT + width + 8.0, y + 17.0, grouped(value));
        let hint = format!("{name}: {}", grouped(value));
        chart.bars.push(Bar { class, x: LEFT, y: y + 4.0, width, height: ROW - 8.0, hint });
    }
    Some(chart)
}

/// How long the calls of each tool took: p50, p90 and p99 on a logarithmic axis.
fn latency(tools: &[(String, &Figures)]) -> Option<Chart> {
    let quantiles = |figures: &Figures| {
        let at = |share| figures.latency.quantile(share).map(|value| value.max(1));
        Some([at(0.5)?, at(0.9)?, at(0.99)?])
    };
    let rows: Vec<(&str, [u64; 3])> = tools
        .iter()
        .filter_map(|(name, figures)| Some((name.as_str(), quantiles(figures)?)))
        .take(ROWS)
        .collect();
    let low = rows.iter().map(|(_, values)| values[0]).min()?.ilog10();
    let high = rows.iter().map(|(_, values)| values[2]).max()?.ilog10() + 1;
    let span = f64::from(high - low);
    let end = WIDE - 30.0;
    let x = |value: u64| LEFT + (end - LEFT) * (real(value).log10() - f64::from(low)) / span;
    let told: Vec<String> = rows
        .iter()
        .map(|(name, values)| {
            let [p50, p90, p99] = values.map(|value| micros(Some(value)));
            format!("{name}: p50 {p50}, p90 {p90}, p99 {p99}")
        })
        .collect();
    let bottom = ROW * place(rows.len()) + 4.0;
    let title = "How long calls took, by tool";
    let mut chart = Chart::new("latency", title, told.join("; "), bottom + 24.0);
    chart.keys = vec![
        Key { class: "p50", text: "p50" },
        Key { class: "p90", text: "p90" },
        Key { class: "p99", text: "p99" },
    ];
    for power in low..=high {
        let value = 10u64.pow(power);
        let rule = Rule { class: "grid", from: (x(value), 0.0), to: (x(value), bottom) };
        chart.rules.push(rule);
        chart.label("tick", x(value), bottom + 16.0, micros(Some(value)).replace(".0", ""));
    }
    for (index, ((name, values), told)) in rows.iter().zip(told).enumerate() {
        let y = 4.0 + ROW * (place(index) + 0.5);
        chart.label("name", LEFT - 10.0, y + 4.0, (*name).to_owned());
        let rule = Rule { class: "range", from: (x(values[0]), y), to: (x(values[2]), y) };
        chart.rules.push(rule);
        for (class, value) in [("p99", values[2]), ("p90", values[1]), ("p50", values[0])] {
            chart.dots.push(Dot { class, x: x(value), y, hint: told.clone() });
        }
    }
    Some(chart)
}

/// The calls of each hour, day or month, by how they ended.
fn over_time(counted: &Counted) -> Option<Chart> {
    let columns = columns(counted);
    let most = columns.iter().map(|(_, hour)| hour.total()).max().filter(|most| *most > 0)?;
    let top = nice(most);
    let (left, right, bottom) = (56.0, WIDE - 10.0, 190.0);
    let step = (right - left) / place(columns.len());
    let width = (step - (step / 5.0).clamp(0.5, 4.0)).min(48.0);
    let total: u64 = columns.iter().map(|(_, hour)| hour.total()).sum();
    let description = format!("{} calls in {} columns", grouped(total), columns.len());
    let mut chart = Chart::new("time", "Calls over time", description, bottom + 26.0);
    chart.keys = SERIES.iter().map(|(class, text, _)| Key { class, text }).collect();
    for part in 0..=4u64 {
        let y = bottom - (bottom - 10.0) * real(part) / 4.0;
        chart.rules.push(Rule { class: "grid", from: (left, y), to: (right, y) });
        if (top * part).is_multiple_of(4) {
            chart.label("axis", left - 8.0, y + 4.0, grouped(top * part / 4));
        }
    }
    let every = columns.len().div_ceil(8);
    for (index, (name, hour)) in columns.iter().enumerate() {
        let x = left + step * place(index) + (step - width) / 2.0;
        let mut y = bottom;
        let told = SERIES.iter().map(|(_, text, count)| format!("{} {text}", grouped(count(hour))));
        let hint = format!("{name}: {}", told.collect::<Vec<_>>().join(", "));
        for (class, _, count) in SERIES {
            let height = (bottom - 10.0) * real(count(hour)) / real(top);
            if height > 0.0 {
                y -= height;
                chart.bars.push(Bar { class, x, y, width, height, hint: hint.clone() });
            }
        }
        if index.is_multiple_of(every) {
            chart.label("tick", x + width / 2.0, bottom + 18.0, name.clone());
        }
    }
    Some(chart)
}

/// How calls end, from the bottom of a column to its top.
type Series = (&'static str, &'static str, fn(&Hour) -> u64);
const SERIES: [Series; 4] = [
    ("good", "done", |hour| hour.done),
    ("wait", "waiting", |hour| hour.pending),
    ("fail", "failed or abandoned", |hour| hour.failed),
    ("bad", "blocked", |hour| hour.blocked),
];

/// Hours where they fit, then days, then months; without gaps where nothing was called.
fn columns(counted: &Counted) -> Vec<(String, Hour)> {
    let Some((first, last)) = counted.hours.keys().next().zip(counted.hours.keys().next_back())
    else {
        return Vec::new();
    };
    for (step, length) in [(HOUR, 13), (DAY, 10)] {
        let name = |millis: u64| super::super::time::rfc3339(millis)[..length].to_owned();
        let start = |name: &str| super::super::time::millis(&format!("{}:00:00Z", &name[..13]));
        let (Some(from), Some(to)) = (start(first), start(last)) else { break };
        let (from, to) = (from - from % step, to - to % step);
        if (to - from) / step >= COLUMNS as u64 {
            continue;
        }
        let slots = (0..=(to - from) / step).map(|slot| name(from + slot * step));
        return slots.map(|slot| (show(&slot), sum(counted, &slot))).collect();
    }
    let mut months: Vec<String> = counted.hours.keys().map(|hour| hour[..7].to_owned()).collect();
    months.dedup();
    let excess = months.len().saturating_sub(COLUMNS);
    months.drain(..excess);
    months.into_iter().map(|month| (month.clone(), sum(counted, &month))).collect()
}

const HOUR: u64 = 60 * 60 * 1000;
const DAY: u64 = 24 * HOUR;

/// The hours whose names begin so, together.
fn sum(counted: &Counted, prefix: &str) -> Hour {
    let mut whole = Hour::default();
    let hours = counted.hours.range(prefix.to_owned()..);
    for (_, hour) in hours.take_while(|(name, _)| name.starts_with(prefix)) {
        whole.join(*hour);
    }
    whole
}

/// A column's name: `22 Nov 10h` would need words, so it stays `11-22 10h` and `11-22`.
fn show(slot: &str) -> String {
    match slot.split_once('T') {
        Some((day, hour)) => format!("{} {hour}h", &day[5..]),
        None => slot[5..].to_owned(),
    }
}

/// The next number that divides an axis well.
fn nice(most: u64) -> u64 {
    let power = 10u64.saturating_pow(most.max(1).ilog10());
    [1, 2, 4, 8, 10, 20]
        .into_iter()
        .map(|times| times * power)
        .find(|it| *it >= most)
        .unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::Entry;
    use super::*;

    fn counted(times: &[&str]) -> Counted {
        let mut counted = Counted::default();
        for time in times {
            let line = format!(
                "{{\"duration_us\":1500,\"event\":\"call\",\"outcome\":\"done\",\"time\":\"{time}\",\"tool\":\"t\"}}"
            );
            counted.add("docs", &Entry::parse(line.as_bytes()).expect("a record"));
        }
        counted
    }

    #[test]
    fn columns_are_as_long_as_the_period_needs() {
        let names = |times: &[&str]| {
            let columns = columns(&counted(times));
            let calls: u64 = columns.iter().map(|(_, hour)| hour.total()).sum();
            assert_eq!(calls, times.len() as u64, "{times:?}");
            columns.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), Vec::<String>::new());
        assert_eq!(
            names(&["2026-11-22T10:00:00Z", "2026-11-22T12:30:00Z"]),
            ["11-22 10h", "11-22 11h", "11-22 12h"]
        );
        assert_eq!(names(&["2026-11-01T10:00:00Z", "2026-11-30T12:30:00Z"]).len(), 30);
        assert_eq!(
            names(&["2025-01-01T10:00:00Z", "2026-11-30T12:30:00Z"]),
            ["2025-01", "2026-11"]
        );
        // A clock that was far off does not make a page of a million columns.
        assert_eq!(names(&["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]).len(), 2);
    }

    #[test]
    fn everything_is_drawn_inside() {
        let charts = all(&counted(&["2026-11-22T10:00:00Z", "2026-11-22T12:30:00Z"]));
        assert_eq!(charts.iter().map(|it| it.id).collect::<Vec<_>>(), ["time", "latency"]);
        for chart in &charts {
            for bar in &chart.bars {
                assert!(
                    bar.x >= 0.0 && bar.x + bar.width <= chart.width && bar.y >= 0.0,
                    "{}",
                    chart.id
                );
                assert!(bar.y + bar.height <= chart.height);
            }
            let is_inside =
                |dot: &Dot| dot.x >= LEFT && dot.x <= chart.width && dot.y <= chart.height;
            assert!(chart.dots.iter().all(is_inside));
        }
        assert!(all(&Counted::default()).is_empty());
    }

    #[test]
    fn axes_end_with_round_numbers() {
        let ends = [1, 3, 7, 9, 11, 73, 100, 1_234].map(nice);
        assert_eq!(ends, [1, 4, 8, 10, 20, 80, 100, 2_000]);
    }
}
