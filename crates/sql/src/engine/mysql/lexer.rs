//! The words and signs of a statement, exactly as MySQL and MariaDB divide it.
//!
//! What reaches the server is not the caller's text but one made here from its tokens: without
//! comments, every string in single quotes and escaped one way. So the parser, the rules and the
//! server read the same statement, whatever quotes, escapes and comments the caller wrote.
//! The session's `sql_mode` is pinned so that this is how the server divides it, too.

use std::ops::Range;

use contract::ToolError;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use super::failure::{denied, invalid};

/// Most signs such as `+` or `=` in one statement: each may be a level of the parse tree.
const SIGNS: usize = 2_000;
/// How deep parentheses may be nested.
const DEPTH: usize = 60;

/// What a session's variables tell that is harmless.
const VARIABLES: &[&str] = &[
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_results",
    "character_set_server",
    "collation_connection",
    "collation_database",
    "collation_server",
    "default_week_format",
    "div_precision_increment",
    "group_concat_max_len",
    "lc_time_names",
    "lower_case_table_names",
    "max_allowed_packet",
    "sql_mode",
    "system_time_zone",
    "time_zone",
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "tx_read_only",
    "version",
    "version_comment",
];

/// A statement in canonical form.
#[derive(Debug)]
pub(super) struct Lexed {
    /// The statement on one line, without comments.
    pub(super) text: String,
    /// Its tokens; a column is the byte offset in `text`, from 1.
    pub(super) tokens: Vec<TokenWithSpan>,
}

impl Lexed {
    /// The word of the token at `index` in capitals, where it is an unquoted word.
    pub(super) fn word(&self, index: usize) -> Option<String> {
        match &self.tokens.get(index)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
            _ => None,
        }
    }
}

/// The bytes of the canonical text that a span covers.
pub(super) fn bytes(span: Span) -> Range<usize> {
    let offset = |location: Location| usize::try_from(location.column).unwrap_or(1).max(1) - 1;
    offset(span.start)..offset(span.end)
}

/// Divides a statement.
pub(super) fn lex(statement: &str) -> Result<Lexed, ToolError> {
    let mut lexer = Lexer {
        rest: statement,
        text: String::with_capacity(statement.len() + 16),
        tokens: Vec::new(),
        is_apart: false,
        depth: 0,
        signs: 0,
    };
    while lexer.next()? {}
    if lexer.tokens.is_empty() {
        return Err(invalid("the statement is empty"));
    }
    Ok(Lexed { text: lexer.text, tokens: lexer.tokens })
}

struct Lexer<'a> {
    rest: &'a str,
    text: String,
    tokens: Vec<TokenWithSpan>,
    /// Whether space or a comment stood before the next token.
    is_apart: bool,
    depth: usize,
    signs: usize,
}

impl Lexer<'_> {
    /// Takes one token, comment or space; `false` at the end.
    fn next(&mut self) -> Result<bool, ToolError> {
        let Some(first) = self.rest.chars().next() else { return Ok(false) };
        if matches!(first, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c') {
            self.advance(1);
            self.is_apart = true;
            return Ok(true);
        }
        if self.comment()? {
            return Ok(true);
        }
        match first {
            '\'' | '"' => self.string(first, "", Token::SingleQuotedString)?,
            '`' => self.quoted_name()?,
            '@' => self.variable()?,
            ';' => return self.end(),
            '?' => {
                self.advance(1);
                self.push(Token::Placeholder("?".to_owned()), "?");
            }
            '0'..='9' => self.number()?,
            '.' if self.begins_number() => self.number()?,
            _ if is_name_start(first) => self.word()?,
            _ => self.sign()?,
        }
        Ok(true)
    }

    /// After a semicolon only space and comments may come.
    fn end(&mut self) -> Result<bool, ToolError> {
        self.advance(1);
        let count = self.tokens.len();
        while self.rest.starts_with(';') || self.next()? {
            if self.rest.starts_with(';') {
                self.advance(1);
            }
            if self.tokens.len() > count {
                return Err(denied(
                    "One statement at a time: something follows the semicolon. Send the \
                     statements one by one; each must be a SELECT.",
                ));
            }
        }
        Ok(false)
    }

    /// Passes over a comment.
    fn comment(&mut self) -> Result<bool, ToolError> {
        let rest = self.rest;
        let is_dashed = rest.strip_prefix("--").is_some_and(|after| {
            after.chars().next().is_none_or(|next| next.is_ascii_whitespace() || next.is_control())
        });
        if rest.starts_with('#') || is_dashed {
            self.rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
        } else if let Some(inside) = rest.strip_prefix("/*") {
            if inside.starts_with('!') || inside.starts_with("M!") || inside.starts_with("m!") {
                return Err(denied(
                    "a versioned comment (/*! … */) is code that some servers run: write plain \
                     SQL without it",
                ));
            }
            let Some(end) = inside.find("*/") else {
                return Err(invalid("a comment begins with /* and does not end"));
            };
            self.rest = inside.get(end + 2..).unwrap_or_default();
        } else {
            return Ok(false);
        }
        self.is_apart = true;
        Ok(true)
    }

    fn string(
        &mut self,
        quote: char,
        prefix: &str,
        token: fn(String) -> Token,
    ) -> Result<(), ToolError> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        let end = loop {
            let Some((at, char)) = chars.next() else {
                return Err(invalid(format!("a string begins with {quote} and does not end")));
            };
            if char == quote {
                match chars.peek() {
                    Some(&(_, next)) if next == quote => {
                        chars.next();
                        value.push(quote);
                    }
                    _ => break at + 1,
                }
            } else if char == '\\' {
                let Some((_, escaped)) = chars.next() else { continue };
                unescape(escaped, &mut value);
            } else {
                value.push(char);
            }
        };
        self.advance(end);
        let mut text = prefix.to_owned();
        quote_into(&value, &mut text);
        // Another quote than the caller's must not join what was apart: 'a'"b" or x"41".
        if prefix.is_empty() && self.text.ends_with(|last: char| last == '\'' || is_name(last)) {
            self.is_apart = true;
        }
        self.push(token(value), &text);
        Ok(())
    }

    fn quoted_name(&mut self) -> Result<(), ToolError> {
        let mut value = String::new();
        let mut chars = self.rest.char_indices().skip(1).peekable();
        let end = loop {
            match chars.next() {
                None => return Err(invalid("a name begins with ` and does not end")),
                Some((_, '`')) if matches!(chars.peek(), Some((_, '`'))) => {
                    chars.next();
                    value.push('`');
                }
                Some((at, '`')) => break at + 1,
                Some((_, char)) => value.push(char),
            }
        };
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(invalid("a name between backticks is empty or has control characters"));
        }
        self.advance(end);
        if self.text.ends_with('`') {
            self.is_apart = true;
        }
        let text = quote_name(&value);
        self.push(Token::make_word(&value, Some('`')), &text);
        Ok(())
    }

    /// `@@name`, `@@session.name` or `@@global.name` of a harmless variable.
    fn variable(&mut self) -> Result<(), ToolError> {
        let Some(after) = self.rest.strip_prefix("@@") else {
            return Err(denied(
                "user variables (@name) are refused: they outlive the statement. Use a common \
                 table expression, a window function or a parameter (?).",
            ));
        };
        let length = after.find(|char: char| !is_name(char) && char != '.').unwrap_or(after.len());
        let name = after.get(..length).unwrap_or_default();
        let lower = name.to_lowercase();
        let bare = ["session.", "global.", "local."]
            .iter()
            .find_map(|scope| lower.strip_prefix(scope))
            .unwrap_or(&lower);
        if !VARIABLES.contains(&bare) {
            return Err(denied(format!(
                "the system variable @@{name} is not among those that may be read; @@version, \
                 @@time_zone and @@sql_mode are",
            )));
        }
        let text = format!("@@{name}");
        self.advance(text.len());
        self.push(Token::make_word(&text, None), &text);
        Ok(())
    }

    fn begins_number(&self) -> bool {
        let is_member = self.tokens.last().is_some_and(|last| matches!(last.token, Token::Word(_)));
        !is_member && self.rest.get(1..2).is_some_and(|next| next.as_bytes()[0].is_ascii_digit())
    }

    fn number(&mut self) -> Result<(), ToolError> {
        let rest = self.rest;
        let digits = |text: &str, is: fn(&char) -> bool| text.chars().take_while(is).count();
        let is_hex = |char: &char| char.is_ascii_hexdigit();
        let is_digit = |char: &char| char.is_ascii_digit();
        let hex = rest.strip_prefix("0x").map_or(0, |hex| digits(hex, is_hex));
        let bits =
            rest.strip_prefix("0b").map_or(0, |bits| digits(bits, |bit| matches!(bit, '0' | '1')));
        let length = if hex > 0 {
            2 + hex
        } else if bits > 0 {
            2 + bits
        } else {
            let mut length = digits(rest, is_digit);
            if let Some(fraction) = rest.get(length..).and_then(|rest| rest.strip_prefix('.')) {
                length += 1 + digits(fraction, is_digit);
            }
            length + exponent(rest.get(length..).unwrap_or_default())
        };
        let (text, after) = rest.split_at(length);
        if after.starts_with(is_name) {
            return Err(invalid(format!(
                "`{text}` is followed by a letter: a name that begins with a digit is written \
                 between backticks",
            )));
        }
        self.advance(length);
        let token = if hex > 0 {
            Token::HexStringLiteral(text.to_owned())
        } else if bits > 0 {
            Token::SingleQuotedByteStringLiteral(text.to_owned())
        } else {
            Token::Number(text.to_owned(), false)
        };
        self.push(token, text);
        Ok(())
    }

    fn word(&mut self) -> Result<(), ToolError> {
        let rest = self.rest;
        let length = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        if after.starts_with('\'') {
            let token: Option<fn(String) -> Token> = match word {
                "x" | "X" => Some(Token::HexStringLiteral),
                "b" | "B" => Some(Token::SingleQuotedByteStringLiteral),
                "n" | "N" => Some(Token::NationalStringLiteral),
                _ => None,
            };
            if let Some(token) = token {
                self.advance(length);
                return self.string('\'', word, token);
            }
        }
        self.advance(length);
        self.push(Token::make_word(word, None), word);
        Ok(())
    }

    fn sign(&mut self) -> Result<(), ToolError> {
        let Some((text, token)) = SIGN.iter().find(|(text, _)| self.rest.starts_with(text)) else {
            return Err(self.unknown_sign());
        };
        self.signs += usize::from(!matches!(token, Token::Comma | Token::LParen | Token::RParen));
        match token {
            Token::LParen => self.depth += 1,
            Token::RParen => self.depth = self.depth.saturating_sub(1),
            // Two signs of minus that follow each other must not become a comment.
            Token::Minus if self.text.ends_with('-') => self.is_apart = true,
            _ => {}
        }
        if self.depth > DEPTH {
            return Err(invalid(format!("parentheses are nested more than {DEPTH} deep")));
        }
        if self.signs > SIGNS {
            return Err(invalid(format!(
                "there are more than {SIGNS} operators: split the statement, or use IN (…) instead of many OR"
            )));
        }
        self.advance(text.len());
        self.push(token.clone(), text);
        Ok(())
    }

    fn unknown_sign(&self) -> ToolError {
        if self.rest.starts_with(":=") {
            return denied("assignments (:=) are refused: a statement may not set variables");
        }
        let sign = self.rest.chars().next().unwrap_or_default();
        let sign =
            if sign.is_control() { format!("U+{:04X}", u32::from(sign)) } else { sign.into() };
        invalid(format!("`{sign}` outside of quotes is not part of a SELECT of MySQL"))
    }

    fn advance(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn push(&mut self, token: Token, text: &str) {
        if std::mem::take(&mut self.is_apart) && !self.text.is_empty() {
            self.text.push(' ');
        }
        let location = |offset: usize| Location::new(1, offset as u64 + 1);
        let start = location(self.text.len());
        self.text.push_str(text);
        let span = Span::new(start, location(self.text.len()));
        self.tokens.push(TokenWithSpan::new(token, span));
    }
}

/// The signs, longer ones before those they begin with.
static SIGN: &[(&str, Token)] = &[
    ("->>", Token::LongArrow),
    ("<=>", Token::Spaceship),
    ("->", Token::Arrow),
    ("<<", Token::ShiftLeft),
    (">>", Token::ShiftRight),
    ("<=", Token::LtEq),
    (">=", Token::GtEq),
    ("<>", Token::Neq),
    ("!=", Token::Neq),
    ("&&", Token::Overlap),
    ("||", Token::StringConcat),
    ("<", Token::Lt),
    (">", Token::Gt),
    ("=", Token::Eq),
    ("&", Token::Ampersand),
    ("|", Token::Pipe),
    ("^", Token::Caret),
    ("~", Token::Tilde),
    ("!", Token::ExclamationMark),
    ("+", Token::Plus),
    ("-", Token::Minus),
    ("*", Token::Mul),
    ("/", Token::Div),
    ("%", Token::Mod),
    ("(", Token::LParen),
    (")", Token::RParen),
    (",", Token::Comma),
    (".", Token::Period),
];

fn exponent(text: &str) -> usize {
    let Some(after) = text.strip_prefix(['e', 'E']) else { return 0 };
    let unsigned = after.strip_prefix(['+', '-']).unwrap_or(after);
    let digits = unsigned.chars().take_while(char::is_ascii_digit).count();
    if digits == 0 { 0 } else { 1 + (after.len() - unsigned.len()) + digits }
}

fn is_name_start(char: char) -> bool {
    char.is_ascii_alphabetic() || matches!(char, '_' | '$') || is_foreign(char)
}

fn is_name(char: char) -> bool {
    is_name_start(char) || char.is_ascii_digit()
}

/// Letters beyond ASCII that a name may have without quotes.
fn is_foreign(char: char) -> bool {
    !char.is_ascii() && char.is_alphanumeric() && u32::from(char) <= 0xffff
}

fn unescape(escaped: char, value: &mut String) {
    match escaped {
        '0' => value.push('\0'),
        'b' => value.push('\x08'),
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        'Z' => value.push('\x1a'),
        // Both stay as they are, for LIKE.
        '%' | '_' => value.extend(['\\', escaped]),
        other => value.push(other),
    }
}

/// A string in single quotes, whatever is in it.
pub(super) fn quote_into(value: &str, text: &mut String) {
    text.push('\'');
    for char in value.chars() {
        match char {
            '\'' => text.push_str("''"),
            '\\' => text.push_str("\\\\"),
            '\0' => text.push_str("\\0"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\x1a' => text.push_str("\\Z"),
            other => text.push(other),
        }
    }
    text.push('\'');
}

/// A string in single quotes.
pub(super) fn quote(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    quote_into(value, &mut text);
    text
}

/// A name between backticks.
pub(super) fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests;
