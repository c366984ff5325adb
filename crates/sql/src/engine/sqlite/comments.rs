//! Comments of tables and columns. SQLite has no COMMENT ON, but keeps the text of CREATE TABLE
//! with the comments in it.

use std::collections::HashMap;

use super::lexer::{self, Kind, Token};

/// What is said about a table and its columns (by name in lower case).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Comments {
    pub(super) table: Option<String>,
    pub(super) columns: HashMap<String, String>,
}

/// Words that begin a constraint of the table instead of a column.
const CONSTRAINTS: &[&str] = &["constraint", "primary", "unique", "check", "foreign"];

/// Reads the comments of a CREATE TABLE: those before the list or on the line that opens it are
/// the table's; behind a column on its line, or on lines of their own before it, the column's.
pub(super) fn of(sql: &str) -> Comments {
    let mut comments = Comments::default();
    let tokens = lexer::tokens(sql);
    let is_create = tokens.first().is_some_and(|token| token.is("create"));
    if !is_create || !tokens.iter().any(|token| token.kind == Kind::Comment) {
        return comments;
    }
    let mut place = Place::default();
    for token in &tokens {
        match token.kind {
            Kind::Comment => place.comment(sql, token, &mut comments),
            _ => place.token(token, &mut comments),
        }
    }
    comments
}

/// Where the reader is.
#[derive(Default)]
struct Place<'a> {
    depth: usize,
    /// Whether the list of columns is over.
    is_over: bool,
    /// The column whose definition goes on, or ended last.
    column: Option<String>,
    /// Whether a definition has begun behind the last comma.
    is_begun: bool,
    /// The last token that is no comment.
    last: Option<Token<'a>>,
    /// Comments on lines of their own, which wait for their column.
    waiting: String,
}

impl<'a> Place<'a> {
    fn token(&mut self, token: &Token<'a>, comments: &mut Comments) {
        if token.is_sign("(") {
            self.depth += 1;
        } else if token.is_sign(")") {
            self.depth = self.depth.saturating_sub(1);
            self.is_over |= self.depth == 0;
        } else if token.is_sign(",") && self.depth == 1 {
            self.is_begun = false;
        } else if self.depth == 1 && !self.is_begun {
            self.is_begun = true;
            let is_column = !token.is_any(CONSTRAINTS);
            self.column = token.name().filter(|_| is_column);
            let waiting = std::mem::take(&mut self.waiting);
            if let (Some(column), false) = (&self.column, waiting.is_empty()) {
                add(comments.columns.entry(column.clone()).or_default(), &waiting);
            }
        }
        self.last = Some(*token);
    }

    fn comment(&mut self, sql: &str, token: &Token<'_>, comments: &mut Comments) {
        let text = said(token.text);
        let before = self.last.map_or(0, |last| last.at + last.text.len());
        let is_own_line = sql.get(before..token.at).is_some_and(|between| between.contains('\n'));
        let is_opening = self.last.is_some_and(|last| last.is_sign("(")) && self.depth == 1;
        if text.is_empty() || self.is_over {
            return;
        }
        if self.depth == 0 || (is_opening && !is_own_line) {
            add(comments.table.get_or_insert_default(), &text);
        } else if is_own_line && !self.is_begun {
            add(&mut self.waiting, &text);
        } else if let Some(column) = &self.column {
            add(comments.columns.entry(column.clone()).or_default(), &text);
        }
    }
}

/// A comment without its signs and stars.
fn said(comment: &str) -> String {
    let inner = comment
        .strip_prefix("--")
        .or_else(|| comment.strip_prefix("/*"))
        .map_or(comment, |rest| rest.strip_suffix("*/").unwrap_or(rest));
    let words =
        inner.split_whitespace().filter(|word| !word.chars().all(|sign| "*-=".contains(sign)));
    words.collect::<Vec<_>>().join(" ")
}

fn add(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_belong_to_the_table_or_to_their_column() {
        let sql = "CREATE TABLE customers ( -- who buys\n\
            id INTEGER PRIMARY KEY, -- the number\n\
            -- as given on the form,\n\
            -- unchecked\n\
            email TEXT NOT NULL DEFAULT ('a, b'), /* personal */\n\
            city TEXT, -- where\n\
            country TEXT -- ISO 3166\n\
            , UNIQUE (email) -- no column's\n\
            ) -- the end";
        let found = of(sql);
        assert_eq!(found.table.as_deref(), Some("who buys"));
        let column = |name: &str| found.columns.get(name).map(String::as_str);
        assert_eq!(column("id"), Some("the number"));
        assert_eq!(column("email"), Some("as given on the form, unchecked personal"));
        assert_eq!(column("city"), Some("where"));
        assert_eq!(column("country"), Some("ISO 3166"));
        assert_eq!(found.columns.len(), 4);
    }

    #[test]
    fn a_text_without_comments_says_nothing() {
        assert_eq!(of("CREATE TABLE t (a, b DEFAULT '-- no')"), Comments::default());
        assert_eq!(of(""), Comments::default());
    }
}
