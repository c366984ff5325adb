//! How a statement is written when it runs: masked relations and typed parameters go into the
//! caller's text at the places that the grammar names; everything else stays as it was written.

use contract::ToolError;
use contract::error::Kind;
use pg_query::protobuf::Token;

use super::bounds::Guard;
use super::grammar::Lexeme;
use super::mentions::{LongColumn, Placeholder, RelationMention};
use crate::engine::Param;

/// Text that takes the place of other text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

/// A statement with its tokens.
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: &'a [Lexeme],
}

impl Source<'_> {
    /// The part `start..end` with all edits that are in it.
    pub(super) fn edited(
        &self,
        start: usize,
        end: usize,
        mut edits: Vec<Edit>,
    ) -> Result<String, ToolError> {
        edits.sort();
        edits.dedup();
        let lost = || ToolError::internal("an edit of a statement is out of place");
        let mut sql = String::with_capacity(end.saturating_sub(start) + 64);
        let mut at = start;
        for edit in edits {
            if edit.start < at || edit.end > end {
                return Err(lost());
            }
            sql.push_str(self.text.get(at..edit.start).ok_or_else(lost)?);
            sql.push_str(&edit.text);
            at = edit.end;
        }
        sql.push_str(self.text.get(at..end).ok_or_else(lost)?);
        Ok(sql)
    }

    /// The number of the token that begins at a place.
    fn token_at(&self, place: usize) -> Result<usize, ToolError> {
        self.tokens
            .binary_search_by_key(&place, |token| token.start)
            .map_err(|_| ToolError::internal("a position of the grammar is no token's"))
    }

    fn is(&self, index: usize, token: Token) -> bool {
        self.tokens.get(index).is_some_and(|lexeme| lexeme.is(token))
    }

    /// The last token of a dotted name that begins with the token `first`.
    fn end_of_name(&self, first: usize) -> Result<usize, ToolError> {
        let mut last = first;
        while self.is(last + 1, Token::Ascii46) {
            last += 2;
        }
        let names = self.tokens.get(first..=last).unwrap_or_default();
        if names.is_empty() || names.iter().any(|lexeme| lexeme.is(Token::Uident)) {
            return Err(ToolError::new(Kind::Denied, "write names without U& here"));
        }
        Ok(last)
    }

    /// Puts a query in the place of a relation, also behind ONLY and TABLE. `query` is made with
    /// whether ONLY was written.
    pub(super) fn substitute(
        &self,
        relation: &RelationMention,
        query: impl FnOnce(bool) -> String,
    ) -> Result<Edit, ToolError> {
        if relation.is_sampled {
            return Err(ToolError::new(
                Kind::Denied,
                format!("TABLESAMPLE does not go with masked columns of {}", relation.name.1),
            ));
        }
        let first = self.token_at(relation.place)?;
        let mut from = first;
        let mut last = self.end_of_name(first)?;
        let mut is_only = false;
        if first >= 1 && self.is(first - 1, Token::Only) {
            from = first - 1;
            is_only = true;
        } else if first >= 2
            && self.is(first - 1, Token::Ascii40)
            && self.is(first - 2, Token::Only)
        {
            from = first - 2;
            last += 1;
            is_only = true;
        }
        // `name *` is the opposite of ONLY, which is what happens anyway.
        if self.is(last + 1, Token::Ascii42) && !is_only {
            last += 1;
        }
        let mut text = query(is_only);
        if relation.alias.is_none() {
            text.push_str(&format!(" AS \"{}\"", relation.name.1.replace('"', "\"\"")));
        }
        if from >= 1 && self.is(from - 1, Token::Table) {
            from -= 1;
            text = format!("SELECT * FROM {text}");
        }
        let place = |index: usize| self.tokens.get(index).copied();
        match (place(from), place(last)) {
            (Some(from), Some(last)) => Ok(Edit { start: from.start, end: last.end, text }),
            _ => Err(ToolError::internal("a relation is out of place")),
        }
    }

    /// Takes the schema off a column, for a relation that is substituted: the query in its stead
    /// has no schema.
    pub(super) fn shorten(&self, column: &LongColumn) -> Result<Edit, ToolError> {
        let first = self.token_at(column.place)?;
        self.end_of_name(first)?;
        match (self.tokens.get(first), self.tokens.get(first + 2)) {
            (Some(schema), Some(table)) => {
                Ok(Edit { start: schema.start, end: table.start, text: String::new() })
            }
            _ => Err(ToolError::internal("a column is out of place")),
        }
    }

    /// Makes an argument fail where it is no `smallint`; it is evaluated only once.
    pub(super) fn guard(&self, guard: Guard) -> Result<[Edit; 2], ToolError> {
        let lost = || ToolError::internal("an argument is out of place");
        let open = self.end_of_name(self.token_at(guard.place)?)? + 1;
        let (mut depth, mut argument, mut first) = (0_i32, 0, open + 1);
        for at in open..self.tokens.len() {
            let opens = self.is(at, Token::Ascii40) || self.is(at, Token::Ascii91);
            let closes = self.is(at, Token::Ascii41) || self.is(at, Token::Ascii93);
            depth += i32::from(opens) - i32::from(closes);
            let is_end = depth == 0 || (depth == 1 && self.is(at, Token::Ascii44));
            if !is_end {
                continue;
            }
            if argument == guard.argument {
                let place = |index: usize| self.tokens.get(index).copied().ok_or_else(lost);
                let (start, end) = (place(first)?.start, place(at - 1)?.end);
                let edit = |place, text: &str| Edit { start: place, end: place, text: text.into() };
                return Ok([edit(start, "("), edit(end, ")::pg_catalog.int2")]);
            }
            argument += 1;
            first = at + 1;
        }
        Err(lost())
    }

    /// Gives a parameter, which is bound as text, the type of its value.
    pub(super) fn bind(
        &self,
        placeholder: Placeholder,
        params: &[Param],
    ) -> Result<Edit, ToolError> {
        let number = placeholder.number;
        let value = number.checked_sub(1).and_then(|at| params.get(at)).ok_or_else(|| {
            let given = match params.len() {
                0 => "no parameters are".to_owned(),
                1 => "1 parameter is".to_owned(),
                more => format!("{more} parameters are"),
            };
            ToolError::invalid(format!("${number} has no value: {given} given"))
        })?;
        let token = self.token_at(placeholder.place)?;
        let end = self.tokens.get(token).map_or(placeholder.place, |lexeme| lexeme.end);
        let bound = format!("${number}::pg_catalog.text");
        let text = match value {
            Param::Null => "NULL".to_owned(),
            Param::Text(_) => format!("({bound})"),
            Param::Bool(_) => format!("({bound}::pg_catalog.bool)"),
            // As a constant in the text: bigint only where it must be, since `date + bigint` and
            // `repeat(text, bigint)` do not exist.
            Param::Integer(number) if i32::try_from(*number).is_ok() => {
                format!("({bound}::pg_catalog.int4)")
            }
            Param::Integer(_) => format!("({bound}::pg_catalog.int8)"),
            Param::Number(_) => format!("({bound}::pg_catalog.numeric)"),
            Param::Date(_) => format!("({bound}::pg_catalog.date)"),
            Param::Time(_) => format!("({bound}::pg_catalog.timestamptz)"),
        };
        Ok(Edit { start: placeholder.place, end, text })
    }
}
