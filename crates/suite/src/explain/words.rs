//! An explanation as people read it: the answer in one sentence, then what it rests on.

use super::{Explained, Setting};
use crate::terminal::{BAD, GOOD, columns, one_line};

pub(super) fn render(explained: &Explained) -> String {
    let style = if explained.allowed { GOOD } else { BAD };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |label: &str, value: &str, because: &str| {
        rows.push([label, value, because].map(one_line).to_vec());
    };
    let who = &explained.who;
    row("who", &who.subject, &who.because);
    if who.roles.is_empty() {
        row("roles", "none", "[people] gives this principal none");
    }
    for (index, given) in who.roles.iter().enumerate() {
        row(if index == 0 { "roles" } else { "" }, &given.role, &given.from);
    }
    for given in &who.withheld {
        row("", &format!("not {}", given.role), &format!("{}; the key may not use it", given.from));
    }
    row("listed", yes(explained.listed.allowed), &explained.listed.rule);
    row("call", yes(explained.call.allowed), &explained.call.rule);
    if let Some(invalid) = &explained.invalid {
        row("arguments", "no", invalid);
    }
    row("approval", &explained.approval.value, &origin(&explained.approval));
    for (index, approver) in explained.approvers.iter().enumerate() {
        let who = if approver.who == "*" { "everybody else" } else { &approver.who };
        row(if index == 0 { "approvers" } else { "" }, who, &approver.rule);
    }
    if needs_people(explained) && explained.approvers.is_empty() {
        row("approvers", "nobody", "no role of anybody else `approves` it: such a call never runs");
    }
    for (index, limit) in explained.limits.iter().enumerate() {
        row(if index == 0 { "limit" } else { "" }, &limit.value, &origin(limit));
    }
    row("time", &explained.timeout.value, &origin(&explained.timeout));
    row("result", &explained.result.value, &origin(&explained.result));
    let mut text = format!("{style}{}{style:#}\n", one_line(&headline(explained)));
    for line in columns(&rows).lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text
}

fn yes(allowed: bool) -> &'static str {
    if allowed { "yes" } else { "no" }
}

fn needs_people(explained: &Explained) -> bool {
    matches!(explained.approval.value.as_str(), "one" | "two")
}

fn headline(explained: &Explained) -> String {
    let (who, tool) = (&explained.who.subject, &explained.tool);
    let who = if who == "*" { "everybody else" } else { who };
    if explained.who.void.is_some() {
        let key = explained.who.identity.as_deref().unwrap_or(who);
        return format!("{key} proves nobody, so it may not call {tool}.");
    }
    let target = explained.target.as_deref().filter(|target| !target.ends_with(":*"));
    let on = target.map(|target| format!(" on {target}")).unwrap_or_default();
    if !explained.listed.allowed {
        return format!("{who} may not call {tool}: to {who} there is no such tool.");
    }
    if !explained.call.allowed {
        return format!("{who} may not call {tool}{on}.");
    }
    if explained.invalid.is_some() {
        return format!("{who} may call {tool}, and not with these arguments.");
    }
    let once = match explained.approval.value.as_str() {
        "confirm" => format!(", once {who} confirms exactly that call"),
        "one" => ", once one other person approves exactly that call".to_owned(),
        "two" => ", once two other persons approve exactly that call".to_owned(),
        _ => String::new(),
    };
    format!("{who} may call {tool}{on}{once}.")
}

/// Where a value is from.
fn origin(setting: &Setting) -> String {
    let about = setting.about.clone();
    let declared = setting.declared.as_ref().map(|own| format!("the tool's own is {own}"));
    let text = about.or(declared).unwrap_or_else(|| "the tool's own".to_owned());
    match &setting.at {
        Some(at) if setting.declared.is_some() => format!("{text}; tightened at {at}"),
        Some(at) if setting.about.is_some() => format!("{text} ({at})"),
        Some(at) => format!("set at {at}"),
        None => text,
    }
}
