//! The report for programs. The shape is stable: `format` changes when a field goes or changes
//! its meaning; new fields may come.

use serde_json::{Map, Value, json};

use super::super::time;
use super::figures::{Blocked, Figures, OUTCOMES};
use super::spread::Spread;
use super::{Report, tokens};

pub(super) fn of(report: &Report) -> Value {
    let counted = &report.counted;
    let time = |millis: Option<u64>| millis.map(time::rfc3339);
    let mut whole = json!({
        "format": 1,
        "made": time::rfc3339(report.made),
        "since": time(report.since),
        "until": time(report.until),
        "first": time(counted.span.map(|span| span.0)),
        "last": time(counted.span.map(|span| span.1)),
        "servers": report.servers,
        "records": counted.records,
        "unreadable_lines": report.tally.unreadable,
        "total": figures(&counted.total),
    });
    for dimension in &report.by {
        let groups: Map<String, Value> = counted.by[*dimension as usize]
            .iter()
            .map(|(name, group)| (name.clone(), figures(group)))
            .collect();
        whole[format!("by_{}", dimension.name())] = Value::Object(groups);
    }
    whole
}

fn figures(figures: &Figures) -> Value {
    let outcomes: Map<String, Value> =
        OUTCOMES.iter().map(|name| ((*name).to_owned(), figures.outcome(name).into())).collect();
    let blocked: Map<String, Value> = Blocked::ALL
        .iter()
        .map(|kind| (kind.key().to_owned(), figures.blocked(*kind).into()))
        .collect();
    json!({
        "calls": figures.calls,
        "outcomes": outcomes,
        "ran": figures.ran(),
        "success_rate": figures.success(),
        "approvals": {
            "asked": figures.asked,
            "given": figures.given,
            "denied": figures.blocked(Blocked::ApprovalDenied),
            "expired": figures.blocked(Blocked::ApprovalExpired),
            "frequency": figures.approval_frequency(),
            "decision_ms": spread(&figures.decided),
        },
        "escalations": figures.escalations(),
        "latency_us": spread(&figures.latency),
        "blocked": blocked,
        "blocked_total": figures.blocked_total(),
        "result_bytes": {
            "count": figures.bytes.count(),
            "p50": figures.bytes.quantile(0.5),
            "total": figures.bytes.total,
        },
        "tokens": {
            "median": figures.bytes.quantile(0.5).map(tokens),
            "total": tokens(figures.bytes.total),
        },
    })
}

fn spread(spread: &Spread) -> Value {
    json!({
        "count": spread.count(),
        "p50": spread.quantile(0.5),
        "p90": spread.quantile(0.9),
        "p99": spread.quantile(0.99),
        "max": spread.quantile(1.0),
    })
}
