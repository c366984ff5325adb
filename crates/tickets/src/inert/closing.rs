//! Closing keywords: `fixes #1` in a text closes another ticket once the text is part of a merge.
//!
//! GitHub: `close[sd]`, `fix(es|ed)`, `resolve[sd]`, a colon if one likes, then `#1`, `GH-1`,
//! `owner/repository#1` or an address ("Linking a pull request to an issue"). GitLab's default
//! `issue_closing_pattern` has `clos(e[sd]?|ing)`, `fix(e[sd]|ing)?`, `resolv(e[sd]?|ing)` and
//! `implement(s|ed|ing)?`, then spaces, `issues` if one likes, and references of its own or of
//! Jira's form. Both need the reference right behind the keyword: a parenthesis keeps them apart.

use super::Dialect;

const KEYWORDS: [&str; 16] = [
    "close",
    "closes",
    "closed",
    "closing",
    "fix",
    "fixes",
    "fixed",
    "fixing",
    "resolve",
    "resolves",
    "resolved",
    "resolving",
    "implement",
    "implements",
    "implemented",
    "implementing",
];

/// The reference that a keyword at the start of a text would close: where it begins and ends.
/// What stands before tells the keyword from the end of a name, as in `acme/fixes#1`.
pub(super) fn reference(before: &str, text: &str, dialect: Dialect) -> Option<(usize, usize)> {
    let keyword = word(text);
    if !KEYWORDS.iter().any(|known| keyword.eq_ignore_ascii_case(known)) {
        return None;
    }
    let at = keyword.len() + gap(&text[keyword.len()..]);
    let is_name = before.ends_with(['/', '-', '.']) || !text[at..].starts_with(['#', '!', '\\']);
    if at == keyword.len() && is_name {
        return None;
    }
    let filler = word(&text[at..]);
    let behind = at + filler.len();
    let is_filler = ["issue", "issues"].iter().any(|known| filler.eq_ignore_ascii_case(known));
    let start = match length(&text[at..], dialect) {
        None if is_filler && gap(&text[behind..]) > 0 => behind + gap(&text[behind..]),
        _ => at,
    };
    Some((start, start + length(&text[start..], dialect)?))
}

/// The letters and digits at the start of a text.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

/// What may stand between a keyword and its reference once the Markdown is rendered.
fn gap(text: &str) -> usize {
    let is_gap = |c: char| c.is_whitespace() || matches!(c, ':' | '*' | '_' | '~' | '`' | '[');
    text.len() - text.trim_start_matches(is_gap).len()
}

/// The length of the reference at the start of a text, with the angle brackets around it.
fn length(text: &str, dialect: Dialect) -> Option<usize> {
    let bare = text.strip_prefix('<').unwrap_or(text);
    let before = text.len() - bare.len();
    let length = address(bare)
        .or_else(|| tracker_key(bare, dialect))
        .or_else(|| named(bare))
        .or_else(|| numbered(bare))?;
    let is_closed = before > 0 && bare[length..].starts_with('>');
    Some(before + length + usize::from(is_closed))
}

/// `https://host/owner/repository/issues/1`, without the punctuation of the sentence around it.
fn address(text: &str) -> Option<usize> {
    let end = super::target::address(text)?;
    let trimmed = text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '"', ')', ']']);
    Some(trimmed.len())
}

/// `GH-1` on GitHub, `GL-1` on GitLab, and a key such as `WEB-1` where Jira's keys are understood.
fn tracker_key(text: &str, dialect: Dialect) -> Option<usize> {
    let end = text.find(|c: char| !is_path(c)).unwrap_or(text.len());
    let (key, rest) = text[..end].split_once('-')?;
    let own = ["GH", "GL"].iter().any(|known| key.eq_ignore_ascii_case(known));
    let is_key = key.len() > 1
        && key.starts_with(|c: char| c.is_ascii_uppercase())
        && key.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let any = matches!(dialect, Dialect::GitLab | Dialect::Jira) && is_key;
    (own || any).then(|| Some(key.len() + 1 + digits(rest)?))?
}

/// GitLab's `[issue:1]` and `[work_item:group/project/1]`; the bracket is part of the gap.
fn named(text: &str) -> Option<usize> {
    let kind = ["issue:", "work_item:"].iter().find(|kind| {
        text.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind))
    })?;
    let rest = &text[kind.len()..];
    let end = rest.find(|c: char| !is_path(c)).unwrap_or(rest.len());
    rest[..end].ends_with(|c: char| c.is_ascii_digit()).then_some(kind.len() + end)
}

/// `#1`, `!1`, `owner/repository#1`, with a backslash before the sign or without.
fn numbered(text: &str) -> Option<usize> {
    let path = text.find(|c: char| !is_path(c))?;
    let rest = &text[path..];
    let number = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix(['#', '!'])?;
    Some(text.len() - number.len() + digits(number)?)
}

fn is_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_')
}

/// How many digits a text begins with; none is no number.
fn digits(text: &str) -> Option<usize> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    (count > 0).then_some(count)
}
