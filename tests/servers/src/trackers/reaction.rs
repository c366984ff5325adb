//! What a text sets off in the real system: people notified, tickets linked, commands run. It
//! looks as the systems do, at the text that a reader sees: outside code, after escapes and
//! entities, which stop Markdown but no mention.

use serde_json::Value;

const CLOSING: [&str; 9] =
    ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

const ENTITIES: [(&str, char); 9] = [
    ("&#64;", '@'),
    ("&#x40;", '@'),
    ("&#X40;", '@'),
    ("&commat;", '@'),
    ("&#35;", '#'),
    ("&#x23;", '#'),
    ("&num;", '#'),
    ("&#33;", '!'),
    ("&excl;", '!'),
];

/// What Markdown on GitHub sets off.
pub(crate) fn of_github(text: &str) -> Vec<String> {
    let text = visible(text);
    let mut found = marked(&text, '@', "mention");
    found.extend(marked(&text, '#', "reference").into_iter().filter(|one| is_number(one)));
    let words: Vec<&str> = text.split_whitespace().collect();
    found.extend(
        words
            .iter()
            .filter(|word| word.contains("/issues/") || word.contains("/pull/"))
            .map(|word| format!("reference {word}")),
    );
    found.extend(
        words
            .iter()
            .filter(|word| is_short_reference(word))
            .map(|word| format!("reference {word}")),
    );
    found.extend(
        words
            .windows(2)
            .filter(|pair| closes(pair[0], pair[1]))
            .map(|pair| format!("closing keyword {} {}", pair[0], pair[1])),
    );
    found
}

/// What Markdown on GitLab sets off.
pub(crate) fn of_gitlab(text: &str) -> Vec<String> {
    let shown = visible(text);
    let mut found = marked(&shown, '@', "mention");
    found.extend(marked(&shown, '#', "reference").into_iter().filter(|one| is_number(one)));
    found.extend(marked(&shown, '!', "reference").into_iter().filter(|one| is_number(one)));
    // A command is looked for in the source, before Markdown.
    let commands = without_code(text);
    let commands = commands.lines().filter_map(|line| line.strip_prefix('/'));
    let named = commands.map(|rest| {
        rest.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_')
    });
    found.extend(
        named
            .map(String::from_iter)
            .filter(|name| !name.is_empty())
            .map(|name: String| format!("quick action /{name}")),
    );
    found
}

/// What a document in Jira sets off: only nodes do, plain text does not.
pub(crate) fn of_jira(node: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match node["type"].as_str() {
        Some("mention") => found.push(format!("mention {}", node["attrs"]["id"])),
        Some("inlineCard") => found.push(format!("reference {}", node["attrs"]["url"])),
        _ => {}
    }
    found.extend(node["content"].as_array().into_iter().flatten().flat_map(of_jira));
    found
}

/// The names after a mark that no letter, digit or underscore precedes.
fn marked(text: &str, mark: char, what: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices(mark) {
        let before = text[..place].chars().next_back();
        let name: String = text[place + mark.len_utf8()..]
            .chars()
            .take_while(|letter| {
                letter.is_ascii_alphanumeric() || ['-', '_', '/', '.'].contains(letter)
            })
            .collect();
        let free = before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
        // A repository may precede the number of a ticket.
        let free = free || (mark == '#' && before.is_some());
        if free && name.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            found.push(format!("{what} {mark}{name}"));
        }
    }
    found
}

fn is_number(found: &str) -> bool {
    found
        .rsplit(['#', '!'])
        .next()
        .is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// `GH-12`.
fn is_short_reference(word: &str) -> bool {
    let number =
        word.get(..3).filter(|start| start.eq_ignore_ascii_case("gh-")).and_then(|_| word.get(3..));
    number.is_some_and(|number| number.starts_with(|letter: char| letter.is_ascii_digit()))
}

/// Whether the keyword stands right before what it closes, emphasis and brackets of links aside.
fn closes(keyword: &str, target: &str) -> bool {
    let keyword: String = keyword.chars().filter(char::is_ascii_alphabetic).collect();
    let named = CLOSING.contains(&keyword.to_lowercase().as_str());
    let target = target.trim_start_matches(['*', '_', '~', '[', '<']);
    let is_path = |letter: char| letter.is_ascii_alphanumeric() || "-_/.".contains(letter);
    let number = target.split_once('#').is_some_and(|(path, rest)| {
        path.chars().all(is_path) && rest.starts_with(|letter: char| letter.is_ascii_digit())
    });
    let address = target.starts_with("http") && target.contains("/issues/");
    named && (number || is_short_reference(target) || address)
}

/// The text outside code, with escapes and the entities of marks resolved. An escaped ampersand
/// begins no entity.
fn visible(text: &str) -> String {
    let text = without_code(text);
    let mut seen = String::new();
    let mut rest = text.as_str();
    while let Some(letter) = rest.chars().next() {
        let escaped = rest[letter.len_utf8()..].chars().next();
        let escaped = escaped.filter(|next| letter == '\\' && next.is_ascii_punctuation());
        let entity = ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity));
        let (length, shown) = match (escaped, entity) {
            (Some(escaped), _) => (2, escaped),
            (None, Some((entity, mark))) => (entity.len(), *mark),
            (None, None) => (letter.len_utf8(), letter),
        };
        seen.push(shown);
        rest = &rest[length..];
    }
    seen
}

/// The text without fenced blocks and code spans. A fence or span that never ends is no span; a
/// fence that never ends goes to the end.
fn without_code(text: &str) -> String {
    let mut kept = String::new();
    let mut fence: Option<(char, usize)> = None;
    for line in text.lines() {
        let start = line.trim_start();
        let mark = start
            .chars()
            .next()
            .filter(|mark| ['`', '~'].contains(mark) && line.len() - start.len() < 4);
        let length = start.chars().take_while(|letter| Some(*letter) == mark).count();
        match (fence, mark) {
            (Some((open, least)), Some(mark))
                if mark == open && length >= least && start[length..].trim().is_empty() =>
            {
                fence = None;
            }
            (Some(_), _) => {}
            (None, Some(mark))
                if length >= 3 && !(mark == '`' && start[length..].contains('`')) =>
            {
                fence = Some((mark, length));
            }
            (None, _) => {
                kept += line;
                kept.push('\n');
            }
        }
    }
    without_spans(&kept)
}

fn without_spans(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        let ticks = rest[start..].chars().take_while(|letter| *letter == '`').count();
        let inner = &rest[start + ticks..];
        let escaped = rest[..start].ends_with('\\');
        let Some(length) = span(inner, ticks).filter(|_| !escaped) else {
            kept += &rest[..start + ticks];
            rest = inner;
            continue;
        };
        kept += &rest[..start];
        // What stood around a span does not meet.
        kept.push('\u{fffc}');
        rest = &inner[length + ticks..];
    }
    kept + rest
}

/// Where the run of as many backticks begins that ends a span; a span ends with its paragraph.
fn span(text: &str, ticks: usize) -> Option<usize> {
    let text = &text[..text.find("\n\n").unwrap_or(text.len())];
    let mut place = 0;
    while let Some(found) = text[place..].find('`') {
        let run = text[place + found..].chars().take_while(|letter| *letter == '`').count();
        if run == ticks {
            return Some(place + found);
        }
        place += found + run;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_looks_outside_code_after_escapes() {
        let check = |text: &str, expected: &[&str]| assert_eq!(of_github(text), expected, "{text}");
        check(
            "hello @bob, and mail me@example.com",
            &["mention @bob,"].map(|one| one.trim_end_matches(',')),
        );
        check(
            r"\@bob &#64;eve (@acme/team)",
            &["mention @bob", "mention @eve", "mention @acme/team"],
        );
        check("`@bob` ``a ` @eve`` and\n```\n@mallory\n```\n", &[]);
        check("`@bob and `` @eve", &["mention @bob", "mention @eve"]);
        check("```\n@in\n~~~\n@in\n```\n@out", &["mention @out"]);
        check("@\u{200b}bob @\u{2060}eve ＠mallory", &[]);
        check("#12 acme/web#3 GH-4 #name", &["reference #12", "reference #3", "reference GH-4"]);
        check("Fixes: #12", &["reference #12", "closing keyword Fixes: #12"]);
        check("fixes #\u{200b}12", &[]);
        check("fixes (#12) \\&commat;bob", &["reference #12"]);
        check("\\\\&#64;bob", &["mention @bob"]);
        check("closes **#12**", &["reference #12", "closing keyword closes **#12**"]);
        check(
            "https://github.com/acme/web/issues/1",
            &["reference https://github.com/acme/web/issues/1"],
        );
    }

    #[test]
    fn gitlab_runs_commands_at_the_start_of_a_line() {
        let check = |text: &str, expected: &[&str]| assert_eq!(of_gitlab(text), expected, "{text}");
        check(
            "/close\nsee /etc/hosts\n  /label x\n/assign @bob",
            &["mention @bob", "quick action /close", "quick action /assign"],
        );
        check("```\n/close\n```\n\\/close\n\u{200b}/close", &[]);
        check("!7 and #8", &["reference #8", "reference !7"]);
    }
}
