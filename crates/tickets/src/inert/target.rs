//! Addresses in a text: web addresses, which stay, and link targets that run or carry code.

/// The length of the web address at the start of a text: to the next space or bracket that closes.
pub(super) fn address(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].iter().find(|scheme| starts_with(text, scheme))?;
    let is_end = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | ')' | ']');
    let end = text.find(is_end).unwrap_or(text.len());
    (end > scheme.len()).then_some(end)
}

/// Whether a text begins with `<https://…>` or `<name@host>`, which every parser takes for a link
/// and none for a tag: the first has a colon in its name, the second an at sign.
pub(super) fn is_autolink(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('<') else { return false };
    let end = rest.find(|c: char| c.is_whitespace() || c == '<' || c == '>').unwrap_or(rest.len());
    let (inner, rest) = rest.split_at(end);
    if !rest.starts_with('>') {
        return false;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/?#%=+:,;".contains(c);
    if address(inner) == Some(inner.len()) {
        return inner.chars().all(|c| is_plain(c) || c == '&');
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let is_host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    inner.split_once('@').is_some_and(|(name, host)| {
        name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(is_name)
            && host.starts_with(|c: char| c.is_ascii_alphanumeric())
            && host.ends_with(|c: char| c.is_ascii_alphanumeric())
            && host.chars().all(is_host)
            && !host.contains("..")
            && !host.contains(".-")
            && !host.contains("-.")
    })
}

/// The length of a scheme at the start of a text that a browser would run or show: `javascript`,
/// `vbscript`, `data`. A word of a sentence ("JavaScript: the good parts") is none.
pub(super) fn active_scheme(before: &str, text: &str) -> Option<usize> {
    let scheme =
        ["javascript", "vbscript", "data"].into_iter().find(|scheme| starts_with(text, scheme))?;
    let rest = &text[scheme.len()..];
    let value = rest.strip_prefix('\\').unwrap_or(rest).strip_prefix(':')?;
    let begins = value.chars().next().is_some_and(|c| !c.is_whitespace());
    let media = value.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    let carries = scheme != "data" || media.starts_with(['/', ';', ',']);
    (is_target(before) || begins && carries).then_some(scheme.len())
}

/// Whether a link's target follows: `[text](`, `[name]: `, also with an angle bracket.
pub(super) fn is_target(before: &str) -> bool {
    let before = before.trim_end();
    let before = before.strip_suffix('<').unwrap_or(before);
    let before = before.strip_suffix('\\').unwrap_or(before).trim_end();
    before.ends_with("](") || before.ends_with("]:")
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
