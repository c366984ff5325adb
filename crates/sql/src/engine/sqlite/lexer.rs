//! SQLite's tokens, cut exactly as its own tokenizer cuts them (`tokenize.c`): what is a comment,
//! a string or a name here is the same there.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted name or keyword.
    Word,
    /// A name in `"…"`, `` `…` `` or `[…]`.
    Quoted,
    /// `'…'`, which SQLite also takes for a name where only a name can stand.
    Text,
    /// A number or a blob.
    Number,
    /// `?`, `?1`, `:name`, `@name`, `$name`.
    Variable,
    Comment,
    /// Anything else, as one character or an operator of several.
    Sign,
    /// What SQLite cannot read: an open string, a stray character.
    Illegal,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// The byte it begins at.
    pub(super) at: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, unquoted.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    /// The name it stands for in lower case, without its quotes; `None` where it cannot be one.
    pub(super) fn name(&self) -> Option<String> {
        let inner = || self.text.get(1..self.text.len().saturating_sub(1)).unwrap_or_default();
        let name = match self.kind {
            Kind::Word => self.text.to_owned(),
            Kind::Quoted if self.text.starts_with('[') => inner().to_owned(),
            Kind::Quoted | Kind::Text => {
                let quote = self.text.get(..1).unwrap_or_default();
                inner().replace(&quote.repeat(2), quote)
            }
            _ => return None,
        };
        Some(name.to_ascii_lowercase())
    }
}

/// The tokens of a text without white space; comments are kept.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = token(rest);
        let length = whole(text, at, length.clamp(1, rest.len()));
        if let (Some(kind), Some(text)) = (kind, text.get(at..at + length)) {
            found.push(Token { kind, text, at });
        }
        at += length;
    }
    found
}

/// The same length, extended to the end of a character.
fn whole(text: &str, at: usize, length: usize) -> usize {
    text.ceil_char_boundary(at + length) - at
}

/// The kind and length of the first token; no kind for white space.
fn token(rest: &[u8]) -> (Option<Kind>, usize) {
    let second = rest.get(1).copied().unwrap_or_default();
    let Some(&first) = rest.first() else { return (None, 0) };
    match first {
        b' ' | b'\t' | b'\n' | b'\x0c' | b'\r' => (None, 1),
        0xef if rest.starts_with(b"\xef\xbb\xbf") => (None, 3),
        b'-' if second == b'-' => (Some(Kind::Comment), until(rest, |byte| byte == b'\n')),
        b'/' if second == b'*' && rest.len() > 2 => (Some(Kind::Comment), block(rest)),
        b'\'' => quoted(rest, Kind::Text),
        b'"' | b'`' => quoted(rest, Kind::Quoted),
        b'[' => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (Some(Kind::Quoted), end + 1),
            None => (Some(Kind::Illegal), rest.len()),
        },
        b'x' | b'X' if second == b'\'' => {
            let (kind, length) = quoted(rest.get(1..).unwrap_or_default(), Kind::Number);
            (kind, length + 1)
        }
        b'0'..=b'9' => (Some(Kind::Number), number(rest)),
        b'.' if second.is_ascii_digit() => (Some(Kind::Number), number(rest)),
        b'?' => (Some(Kind::Variable), 1 + until(tail(rest, 1), |byte| !byte.is_ascii_digit())),
        b'$' | b'@' | b':' | b'#' => variable(rest),
        _ if is_name(first) => (Some(Kind::Word), until(rest, |byte| !is_name(byte))),
        _ => sign(rest),
    }
}

fn tail(rest: &[u8], from: usize) -> &[u8] {
    rest.get(from..).unwrap_or_default()
}

fn until(rest: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len())
}

/// Letters, digits, `_`, `$` and everything beyond ASCII.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// A block comment; an open one goes to the end, and that is no mistake.
fn block(rest: &[u8]) -> usize {
    let inner = tail(rest, 2);
    inner.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |end| end + 4)
}

fn quoted(rest: &[u8], kind: Kind) -> (Option<Kind>, usize) {
    let quote = rest.first().copied().unwrap_or_default();
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        at += 1;
        if byte == quote {
            if rest.get(at) != Some(&quote) {
                return (Some(kind), at);
            }
            at += 1;
        }
    }
    (Some(Kind::Illegal), rest.len())
}

/// A number with whatever sticks to it: what is none is refused by SQLite itself.
fn number(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        let is_exponent_sign = matches!(byte, b'+' | b'-')
            && at > 0
            && matches!(rest.get(at - 1), Some(b'e' | b'E'))
            && !rest.starts_with(b"0x")
            && !rest.starts_with(b"0X")
            && rest.get(at + 1).is_some_and(u8::is_ascii_digit);
        if !is_name(byte) && byte != b'.' && !is_exponent_sign {
            break;
        }
        at += 1;
    }
    at
}

/// A named variable; `$name::part(suffix)` is one, too.
fn variable(rest: &[u8]) -> (Option<Kind>, usize) {
    let mut at = 1;
    let mut names = 0;
    while let Some(&byte) = rest.get(at) {
        if is_name(byte) {
            names += 1;
            at += 1;
        } else if byte == b'(' && names > 0 {
            let inner = tail(rest, at);
            let end = until(inner, |byte| byte == b')' || byte.is_ascii_whitespace());
            if inner.get(end) != Some(&b')') {
                return (Some(Kind::Illegal), at + end);
            }
            return (Some(Kind::Variable), at + end + 1);
        } else if byte == b':' && rest.get(at + 1) == Some(&b':') {
            at += 2;
        } else {
            break;
        }
    }
    (Some(if names == 0 { Kind::Illegal } else { Kind::Variable }), at)
}

fn sign(rest: &[u8]) -> (Option<Kind>, usize) {
    const SIGNS: [&[u8]; 11] =
        [b"->>", b"->", b"==", b"<=", b"<>", b"<<", b">=", b">>", b"!=", b"||", b"&&"];
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(sign)) {
        return (Some(Kind::Sign), sign.len());
    }
    match rest.first() {
        Some(first) if b"();+-*/%=<>|,&~.".contains(first) => (Some(Kind::Sign), 1),
        _ => (Some(Kind::Illegal), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(Kind, &str)> {
        tokens(text).iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn strings_names_and_comments_end_where_sqlite_ends_them() {
        use Kind::{Comment, Quoted, Sign, Text, Word};
        let found = texts("a -- ;\n'b''c' \"d\"\"\" [e;] `f` /* ; */;/*x");
        let expected = [
            (Word, "a"),
            (Comment, "-- ;"),
            (Text, "'b''c'"),
            (Quoted, "\"d\"\"\""),
            (Quoted, "[e;]"),
            (Quoted, "`f`"),
            (Comment, "/* ; */"),
            (Sign, ";"),
            (Comment, "/*x"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn comments_do_not_nest_and_a_lone_opening_is_a_sign() {
        assert_eq!(texts("/*/* */ x").len(), 2);
        assert_eq!(texts("/*/ x */ y"), [(Kind::Comment, "/*/ x */"), (Kind::Word, "y")]);
        assert_eq!(texts("/*"), [(Kind::Sign, "/"), (Kind::Sign, "*")]);
    }

    #[test]
    fn numbers_blobs_and_variables() {
        use Kind::{Number, Variable};
        let found = texts("1.5e-3 0x1f x'ab' .5 ?1 :a $b::c(d) @e");
        let expected = [
            (Number, "1.5e-3"),
            (Number, "0x1f"),
            (Number, "x'ab'"),
            (Number, ".5"),
            (Variable, "?1"),
            (Variable, ":a"),
            (Variable, "$b::c(d)"),
            (Variable, "@e"),
        ];
        assert_eq!(found, expected);
        assert_eq!(texts("1-2").len(), 3);
    }

    #[test]
    fn what_is_open_is_illegal_and_nothing_panics() {
        for text in
            ["'a", "\"a", "[a", "x'a", "\u{0}", "é'", "$", "#", "\u{feff}a", "!", "a\u{a0}b"]
        {
            let found = tokens(text);
            assert!(found.iter().all(|token| text.get(token.at..).is_some()), "{text}");
        }
        assert_eq!(texts("'a;b"), [(Kind::Illegal, "'a;b")]);
    }

    #[test]
    fn names_lose_quotes_and_case() {
        let name = |text| tokens(text).first().and_then(Token::name);
        assert_eq!(name("Main").as_deref(), Some("main"));
        assert_eq!(name("\"A\"\"b\"").as_deref(), Some("a\"b"));
        assert_eq!(name("[X y]").as_deref(), Some("x y"));
        assert_eq!(name("'T'").as_deref(), Some("t"));
        assert_eq!(name("12"), None);
    }
}
