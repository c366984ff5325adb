//! What is in functions: the catalogue's word on a function may be wrong in error, so those that
//! were written in SQL or PL/pgSQL are read, as far as their words tell.

use std::collections::BTreeSet;

use contract::ToolError;
use pg_query::protobuf::Token;

use super::admission::Request;
use super::functions::{is_allowed, is_restricted, objection_within};
use super::grammar;
use crate::engine::postgres::catalogue::Name;
use crate::engine::postgres::catalogue::facts::Function;

/// How far functions are followed that functions call.
const DEEPEST: usize = 4;

impl Request<'_> {
    /// Why a function may not be called for what is in it: the parts of an aggregate, and the
    /// text of a function in SQL or PL/pgSQL, whose maker may have called it stable in error.
    pub(super) async fn within(
        &mut self,
        function: &Function,
    ) -> Result<Option<String>, ToolError> {
        if !function.is_own || is_allowed(function, self.rules) {
            return Ok(None);
        }
        let mut seen: BTreeSet<i64> = BTreeSet::new();
        let mut level = vec![function.clone()];
        for depth in 0..DEEPEST {
            let mut names: BTreeSet<String> = BTreeSet::new();
            let mut next = Vec::new();
            for function in &level {
                if !seen.insert(function.oid) {
                    continue;
                }
                next.extend(self.pointed(function.parts.as_deref().unwrap_or_default()).await?);
                let body = body(function).await?;
                if body.runs_text {
                    return Ok(Some(format!("runs text as SQL (EXECUTE in {})", function.title())));
                }
                if body.reads && is_restricted(self.rules) {
                    return Ok(Some(format!(
                        "reads tables by itself ({}), of which some are hidden",
                        function.title()
                    )));
                }
                names.extend(body.calls);
                names.extend(function.default_calls.iter().flatten().cloned());
            }
            let wanted: Vec<Name> =
                names.into_iter().map(|name| (Some("*".to_owned()), name)).collect();
            for candidates in self.memory.functions(self.conn, &wanted).await? {
                next.extend(candidates.iter().cloned());
            }
            for inner in &next {
                let reason = objection_within(inner, self.rules).or_else(|| {
                    (inner.is_definer && inner.is_own && !is_allowed(inner, self.rules))
                        .then(|| "runs with its owner's rights".to_owned())
                });
                if let Some(reason) = reason {
                    return Ok(Some(format!("calls {}, which {reason}", inner.title())));
                }
            }
            next.retain(|inner| inner.is_own && inner.extension.is_none());
            if next.is_empty() || depth + 1 == DEEPEST {
                break;
            }
            level = next;
        }
        Ok(None)
    }
}

/// What the text of a function does, as far as its words tell.
#[derive(Default)]
struct Body {
    runs_text: bool,
    reads: bool,
    calls: Vec<String>,
}

async fn body(function: &Function) -> Result<Body, ToolError> {
    if function.extension.is_some() {
        return Ok(Body::default());
    }
    if let Some(tree) = &function.tree {
        let calls = tree.calls.clone().unwrap_or_default();
        return Ok(Body { runs_text: false, reads: tree.reads, calls });
    }
    let Some(text) = function.body.clone() else { return Ok(Body::default()) };
    let is_procedural = function.language == "plpgsql";
    grammar::deeply(text.len(), move || {
        let tokens = grammar::tokens(&text);
        let mut body = Body::default();
        for (at, token) in tokens.iter().enumerate() {
            body.runs_text |= is_procedural && token.is(Token::Execute);
            body.reads |= token.is(Token::From) || token.is(Token::Join) || token.is(Token::Table);
            let is_call = tokens.get(at + 1).is_some_and(|next| next.is(Token::Ascii40));
            if let (true, Some(name)) = (is_call, text.get(token.start..token.end)) {
                let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
                    Some(quoted) => quoted.replace("\"\"", "\""),
                    None => name.to_lowercase(),
                };
                if name.starts_with(|first: char| first.is_alphabetic() || first == '_') {
                    body.calls.push(name);
                }
            }
        }
        Ok(body)
    })
    .await
}
