//! What in a text something would still act upon, by rules of its own: none of them is the
//! product's code.

use crate::hostile::is_hidden;

/// Something active by its name, and whether a text holds it.
type Rule = (&'static str, fn(&str) -> bool);

/// What is active in a text of many lines, by name; nothing where it is inert.
pub(super) fn active(text: &str) -> Vec<String> {
    let everywhere: [Rule; 2] = [
        ("hidden character", |text| text.chars().any(is_hidden)),
        ("command", |text| text.lines().any(is_command)),
    ];
    let outside_code: [Rule; 5] = [
        ("mention", has_mention),
        ("closing keyword", closes),
        ("HTML", has_tag),
        ("image", has_image),
        ("link target", runs),
    ];
    let read = without_code(text);
    let plain = spelled(&read);
    let broken = everywhere.into_iter().filter(|(_, holds)| holds(text) || holds(&plain));
    let read = outside_code.into_iter().filter(|(_, holds)| holds(&read) || holds(&plain));
    broken.chain(read).map(|(name, _)| format!("{name} in {text:?}")).collect()
}

/// What is active at the beginning of a text in a spreadsheet, and anywhere in a mail's header.
pub(super) fn active_title(title: &str) -> Vec<String> {
    let mut found = active(title);
    if begins_formula(title, false) {
        found.push(format!("formula in {title:?}"));
    }
    if title.contains("=?") && title.contains("?=") {
        found.push(format!("encoded word in {title:?}"));
    }
    if title.contains('\n') {
        found.push(format!("line feed in {title:?}"));
    }
    found
}

/// Whether a spreadsheet would take the text for a formula; a rule or a list of words begins a body.
pub(super) fn begins_formula(text: &str, is_body: bool) -> bool {
    let text = text.trim_start();
    let is_markdown = text.starts_with("---") || text.starts_with("- ");
    text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && !(is_body && is_markdown)
}

/// The text outside of fenced code blocks (`CommonMark` 0.31, section 4.5).
fn without_code(text: &str) -> String {
    let mut open: Option<&str> = None;
    let mut kept = String::new();
    for line in text.lines() {
        let rest = line.trim_start_matches(' ');
        let info = rest.trim_start_matches(if rest.starts_with('~') { '~' } else { '`' });
        let fence = &rest[..rest.len() - info.len()];
        let is_fence = fence.len() >= 3 && line.len() - rest.len() < 4;
        match open {
            Some(first) if is_fence && fence.starts_with(first) && info.trim().is_empty() => {
                open = None;
            }
            Some(_) => {}
            None if is_fence && !(fence.starts_with('`') && info.contains('`')) => {
                open = Some(fence);
                kept.push_str(&format!("{info}\n"));
            }
            None => kept.push_str(&format!("{line}\n")),
        }
    }
    kept
}

/// The text with its character references resolved, but for those behind a backslash.
fn spelled(text: &str) -> String {
    let mut text = text.replace("\\&", "\u{1}");
    for (reference, c) in [
        ("&#64;", "@"),
        ("&#x40;", "@"),
        ("&commat;", "@"),
        ("&#35;", "#"),
        ("&#105;", "i"),
        ("&#8203;", "\u{200b}"),
        ("&#x202e;", "\u{202e}"),
        ("&shy;", "\u{ad}"),
        ("&ZeroWidthSpace;", "\u{200b}"),
    ] {
        text = text.replace(reference, c);
    }
    text.replace('\u{1}', "&").replace("\\#", "#")
}

/// An at sign before a name, where no letter or digit makes an address of it.
fn has_mention(text: &str) -> bool {
    let begins = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_mention = |(at, _): (usize, &str)| {
        begins(&text[at + 1..]) && !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    text.match_indices('@').any(is_mention)
}

/// A keyword right before what it would close, emphasis aside.
fn closes(text: &str) -> bool {
    let keywords = [
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
    let text = text.replace(['*', '`', '_', '[', '<'], "").to_lowercase();
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.retain(|word| !["issue", "issues"].contains(word));
    let is_keyword = |word: &str| {
        let word = word.trim_end_matches(':');
        let word = word.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        keywords.contains(&word)
    };
    words.windows(2).any(|pair| is_keyword(pair[0]) && is_reference(pair[1]))
}

/// `#1`, `!1`, `gh-1`, `owner/repository#1`, or the address of an issue.
fn is_reference(word: &str) -> bool {
    let numbered = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let path = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "/._-".contains(c));
    path.strip_prefix(['#', '!']).is_some_and(numbered)
        || word.strip_prefix("gh-").is_some_and(numbered)
        || word.starts_with("http") && word.split("/issues/").skip(1).any(numbered)
}

/// A slash and a word at the start of a line.
fn is_command(line: &str) -> bool {
    let Some(name) = line.trim_start().strip_prefix('/') else { return false };
    let name = name.split_whitespace().next().unwrap_or_default();
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

/// What begins a tag, a comment or an instruction, and is no address in angle brackets.
fn has_tag(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = &text[at + 1..];
        let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
        let is_link = rest.starts_with("https://") && rest.contains('>');
        begins && !is_link && !is_escaped(&text[..at])
    })
}

fn has_image(text: &str) -> bool {
    let is_image = |(at, _): (usize, &str)| !is_escaped(&text[..at]);
    text.match_indices("![").any(is_image)
}

/// A link that runs or carries code.
fn runs(text: &str) -> bool {
    let text = text.to_lowercase();
    let targets = text.split("](").skip(1).chain(text.split("]:").skip(1));
    let schemes = ["javascript:", "vbscript:", "data:"];
    targets
        .map(|target| target.trim_start_matches([' ', '<', '\n', '\t']))
        .any(|target| schemes.iter().any(|scheme| target.starts_with(scheme)))
}

fn is_escaped(before: &str) -> bool {
    (before.len() - before.trim_end_matches('\\').len()) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::KINDS;

    /// The judge sees what it is there for.
    #[test]
    fn what_is_active_is_seen() {
        for name in ["mentions", "closing", "commands", "markup", "links", "hidden"] {
            let kind = KINDS.iter().find(|kind| kind.name == name).expect("a kind");
            for text in kind.texts {
                assert!(!active(text).is_empty(), "{text:?}");
            }
        }
        for title in ["=1", " +x", "@SUM(1)", "Re =?utf-8?q?x?= y"] {
            assert!(!active_title(title).is_empty(), "{title:?}");
        }
    }

    #[test]
    fn what_is_inert_is_left_alone() {
        for text in ["jo@example.org", "@ kim", "fixes (#1)", "\\/close", "\\<b>", "[image: x](u)"]
        {
            assert_eq!(active(text), Vec::<String>::new());
        }
    }
}
