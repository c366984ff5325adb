//! Tells Rust code from comments and strings, so that a rule finds what the compiler sees and
//! not what a comment talks about.

/// `text` with comments and the inside of string literals turned into spaces.
///
/// Line breaks stay, and so does every byte offset. It knows just enough of the language's
/// lexical structure (The Rust Reference, "Tokens"); it is not a parser.
pub(super) fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = at + token(&bytes[at..], preceding(bytes, at));
        match hidden(&bytes[at..end]) {
            Some((head, tail)) => {
                code.extend_from_slice(&bytes[at..at + head]);
                code.extend(bytes[at + head..end - tail].iter().map(|b| blank(*b)));
                code.extend_from_slice(&bytes[end - tail..end]);
            }
            None => code.extend_from_slice(&bytes[at..end]),
        }
        at = end;
    }
    // Only whole comments and literals were blanked, so what is left is still UTF-8.
    String::from_utf8(code).unwrap_or_else(|_| text.to_owned())
}

fn blank(byte: u8) -> u8 {
    if byte == b'\n' { byte } else { b' ' }
}

fn preceding(bytes: &[u8], at: usize) -> Option<u8> {
    at.checked_sub(1).map(|before| bytes[before])
}

/// The length of the comment, the literal, or the single byte at the start of `rest`.
fn token(rest: &[u8], before: Option<u8>) -> usize {
    let is_word = before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => string(rest),
        [b'r', b'"' | b'#', ..] if !is_word || before == Some(b'b') => raw_string(rest),
        [b'\'', ..] => character(rest),
        _ => 1,
    }
}

/// How much of a token's start and end stays visible, if its inside is to be hidden.
fn hidden(token: &[u8]) -> Option<(usize, usize)> {
    match token {
        [b'/', b'/' | b'*', ..] => Some((0, 0)),
        [b'"' | b'\'', .., b'"' | b'\''] => Some((1, 1)),
        [b'r', _, ..] => Some((1, 0)),
        _ => None,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        // A raw identifier such as `r#type`.
        return 1;
    }
    let close: Vec<u8> = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let inside = 2 + hashes;
    rest[inside..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(rest.len(), |end| inside + end + close.len())
}

/// A character literal; a lifetime's apostrophe is a token of one byte.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        // The escaped character itself may be an apostrophe.
        let end = rest.iter().skip(3).position(|b| *b == b'\'');
        return end.map_or(1, |end| 3 + end + 1);
    }
    // One character of at most four bytes, then the closing apostrophe.
    let end = (2..=5).find(|end| rest.get(*end) == Some(&b'\''));
    match end {
        Some(2) => 3,
        Some(end) if !rest[1].is_ascii() => end + 1,
        _ => 1,
    }
}

/// The byte offsets at which `word` stands, not as a part of a longer word.
pub(super) fn find_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (&code[..*at], &code[at + word.len()..]);
        let starts = word.starts_with(is_part) && before.ends_with(is_part);
        let ends = word.ends_with(is_part) && after.starts_with(is_part);
        !starts && !ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let code = code_only(text);
        assert_eq!(code, expected);
        assert_eq!(code.len(), text.len());
    }

    #[test]
    fn comments_are_blanked() {
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */ d\n */ e", "a               \n    e");
    }

    #[test]
    fn strings_keep_their_quotes() {
        check(r#"f("a\"b", c)"#, r#"f("    ", c)"#);
        check(r##"f(r#"a"b"#, c)"##, "f(r       , c)");
        check(r#"f("// no", c)"#, r#"f("     ", c)"#);
    }

    #[test]
    fn characters_and_lifetimes_are_told_apart() {
        check("f('\"', 'a', '\\'', '→')", "f(' ', ' ', '  ', '   ')");
        check("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)");
        check("r#type = 1 // x", "r#type = 1     ");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        check("a \"bc", "a \"bc");
        check("a /* b", "a     ");
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert_eq!(find_word("rmcp::x, rmcp_y, my_rmcp", "rmcp").collect::<Vec<_>>(), [0]);
        assert_eq!(find_word("x::call(y), recall(z)", "::call(").collect::<Vec<_>>(), [1]);
    }
}
