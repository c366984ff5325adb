//! The tools, one file each.

pub(crate) mod comment_draft;
pub(crate) mod comment_submit;
pub(crate) mod draft;
pub(crate) mod drafts;
pub(crate) mod read;
pub(crate) mod search;
pub(crate) mod submit;
pub(crate) mod verify;

use contract::text::visible;

use crate::project::Project;
use crate::tracker::Hit;

/// A ticket as callers name it: `shop#12`, or `12` where there is one project.
/// The project, where one is named, and what the tracker calls the ticket.
pub(crate) fn named(text: &str) -> (Option<&str>, &str) {
    match text.split_once('#') {
        Some((project, ticket)) if !project.is_empty() => (Some(project.trim()), ticket.trim()),
        Some((_, ticket)) => (None, ticket.trim()),
        None => (None, text.trim()),
    }
}

/// A ticket on one line: `shop#12 open 2026-01-31 [bug] Title`.
pub(crate) fn line(project: &Project, hit: &Hit) -> String {
    let labels = if hit.labels.is_empty() {
        String::new()
    } else {
        format!(" [{}]", one_line(&hit.labels.join(", "), 100))
    };
    let changed = hit.changed.get(..10).unwrap_or(&hit.changed);
    let (ticket, state) = (one_line(&hit.ticket, 40), one_line(&hit.state, 20));
    let (changed, title) = (one_line(changed, 20), one_line(&hit.title, 160));
    format!("{}#{ticket} {state} {changed}{labels} {title}", project.id)
}

/// A text on one line, of at most so many characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let text = text.replace(['\n', '\r', '\t'], " ");
    let text = visible(&text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.into_owned(),
    }
}
