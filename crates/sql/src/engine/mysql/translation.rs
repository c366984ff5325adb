//! What sqlparser does not know of MySQL, in words it knows.
//!
//! Only its reading is translated, never the text that is sent. Nothing is left out but words
//! that name no table, no column and call nothing, so that every expression is still walked.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// Units of two parts, which the parser takes for names.
const UNITS: &[&str] = &[
    "DAY_HOUR",
    "DAY_MICROSECOND",
    "DAY_MINUTE",
    "DAY_SECOND",
    "HOUR_MICROSECOND",
    "HOUR_MINUTE",
    "HOUR_SECOND",
    "MINUTE_MICROSECOND",
    "MINUTE_SECOND",
    "SECOND_MICROSECOND",
    "YEAR_MONTH",
];

/// Units of one part.
const SIMPLE: &[&str] =
    &["DAY", "HOUR", "MICROSECOND", "MINUTE", "MONTH", "QUARTER", "SECOND", "WEEK", "YEAR"];

/// The tokens as the parser is given them.
pub(super) fn translate(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut translated = Vec::with_capacity(tokens.len());
    // The words before the parentheses that are open.
    let mut open: Vec<String> = Vec::new();
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let word = word(token);
        let next = tokens.get(index + 1);
        let is_call = next.is_some_and(|next| next.token == Token::LParen);
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let is_member = before.is_some_and(|before| before.token == Token::Period);
        let mut put = |new: Token| translated.push(TokenWithSpan::new(new, token.span));
        match (&token.token, word.as_str()) {
            _ if is_member => put(token.token.clone()),
            (Token::LParen, _) => {
                open.push(before.map(self::word).unwrap_or_default());
                put(Token::LParen);
            }
            (Token::RParen, _) => {
                open.pop();
                put(Token::RParen);
            }
            (_, "MOD") if !is_call || operates(before) => put(Token::Mod),
            (_, "DISTINCTROW") => put(Token::make_keyword("DISTINCT")),
            (_, "SOUNDS") if next.is_some_and(|next| self::word(next) == "LIKE") => {}
            (_, unit) if UNITS.contains(&unit) => put(Token::make_keyword("HOUR")),
            (_, "INTERVAL") if is_call && !has_unit(tokens, index + 1) => {
                put(Token::make_word("greatest", None));
            }
            // TRIM(BOTH FROM a).
            (_, "FROM") if before.is_some_and(is_side) => {}
            // CHAR(65 USING utf8mb4).
            (_, "USING") if open.last().is_some_and(|name| name == "CHAR") => index += 1,
            _ => put(token.token.clone()),
        }
        index += 1;
    }
    translated
}

/// An unquoted word in capitals; nothing for any other token.
fn word(token: &TokenWithSpan) -> String {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => String::new(),
    }
}

fn is_side(token: &TokenWithSpan) -> bool {
    matches!(word(token).as_str(), "BOTH" | "LEADING" | "TRAILING")
}

/// Whether what stands before a word is an operand, so that the word is an operator.
fn operates(before: Option<&TokenWithSpan>) -> bool {
    before.is_some_and(|before| {
        matches!(before.token, Token::Number(..) | Token::RParen | Token::Placeholder(_))
    })
}

/// Whether a unit follows the parenthesis that opens at `open`.
fn has_unit(tokens: &[TokenWithSpan], open: usize) -> bool {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => {
                let unit = tokens.get(index + 1).map(word).unwrap_or_default();
                return UNITS.contains(&unit.as_str()) || SIMPLE.contains(&unit.as_str());
            }
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    false
}
