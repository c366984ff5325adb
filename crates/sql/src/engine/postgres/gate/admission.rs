//! Looks up what a statement names, and refuses what may do more than read.

use std::sync::Arc;

use contract::ToolError;
use contract::error::Kind;
use sqlx::PgConnection;

use super::functions::{is_restricted, objection, objection_within};
use super::mentions::{Call, Mentions, Name, Notation};
use super::{failed, relations};
use crate::engine::Rules;
use crate::engine::postgres::catalogue::Catalogue;
use crate::engine::postgres::catalogue::facts::{Function, Pointer, Relation, Taint};
use crate::settings::Mask;

/// One statement's look-ups.
pub(super) struct Request<'a> {
    pub(super) conn: &'a mut PgConnection,
    pub(super) rules: &'a Rules,
    pub(super) memory: &'a Catalogue,
}

/// A relation with masked columns, and which mention of the statement it is.
pub(super) struct Substitution {
    pub(super) mention: usize,
    pub(super) needs_key: bool,
    relation: Arc<Option<Relation>>,
    plain: String,
    only: String,
}

impl Substitution {
    pub(super) fn query(&self, only: bool) -> String {
        if only { self.only.clone() } else { self.plain.clone() }
    }

    pub(super) fn schema(&self) -> &str {
        self.relation.as_ref().as_ref().map_or("", |relation| &relation.schema)
    }

    pub(super) fn table(&self) -> &str {
        self.relation.as_ref().as_ref().map_or("", |relation| &relation.name)
    }
}

fn denied<T>(message: String) -> Result<T, ToolError> {
    Err(ToolError::new(Kind::Denied, message))
}

impl Request<'_> {
    /// Refuses, or says what the relations are that it mentions.
    pub(super) async fn admit(
        &mut self,
        mentions: &Mentions,
    ) -> Result<Vec<Arc<Option<Relation>>>, ToolError> {
        let found = self.relations(mentions).await?;
        self.functions(mentions).await?;
        self.notations(mentions, &found).await?;
        self.operators(mentions).await?;
        self.types(mentions, &found).await?;
        Ok(found)
    }

    /// Whether a narrow statement is plain: its relations are, and its functions and operators are
    /// PostgreSQL's own.
    pub(super) async fn is_plain(
        &mut self,
        mentions: &Mentions,
        found: &[Arc<Option<Relation>>],
    ) -> Result<bool, ToolError> {
        let is_plain =
            |one: &Arc<Option<Relation>>| one.as_ref().as_ref().is_some_and(|r| r.is_plain);
        if !found.iter().all(is_plain) {
            return Ok(false);
        }
        let names: Vec<Name> = mentions.functions.iter().map(|call| call.name.clone()).collect();
        let functions = self.memory.functions(self.conn, &names).await?;
        let operators: Vec<Name> = mentions.operators.iter().cloned().collect();
        let operators = self.memory.operators(self.conn, &operators).await?;
        Ok(functions.iter().all(|all| all.iter().all(|one| !one.is_own))
            && operators.iter().all(|all| all.is_empty()))
    }

    /// Sets the key of hashes for this transaction: as a setting, since a constant in the text
    /// would be shown by EXPLAIN.
    pub(super) async fn set_key(&mut self) -> Result<(), ToolError> {
        sqlx::query("SELECT pg_catalog.set_config($1, $2, true)")
            .bind(relations::KEY)
            .bind(self.memory.salt())
            .execute(&mut *self.conn)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn relations(
        &mut self,
        mentions: &Mentions,
    ) -> Result<Vec<Arc<Option<Relation>>>, ToolError> {
        let names: Vec<Name> = mentions.relations.iter().map(|m| m.name.clone()).collect();
        let found = self.memory.relations(self.conn, &names).await?;
        for (name, relation) in names.iter().zip(&found) {
            let Some(relation) = relation.as_ref() else {
                return Err(self.no_relation(name).await?);
            };
            relations::check(relation, self.rules)?;
            for function in self.pointed(relation.calls()).await? {
                if let Some(reason) = objection_within(&function, self.rules) {
                    return denied(format!(
                        "{}: its definition or a row policy calls {}, which {reason}; the \
                         operator may list the function under functions",
                        relation.title(),
                        function.title()
                    ));
                }
            }
        }
        Ok(found)
    }

    async fn no_relation(&mut self, name: &Name) -> Result<ToolError, ToolError> {
        let written = match name {
            (Some(schema), name) => format!("{schema}.{name}"),
            (None, name) => name.clone(),
        };
        let mut known: Vec<String> = Vec::new();
        if !is_restricted(self.rules) || !self.rules.allow.is_empty() {
            let names = self.memory.relation_names(self.conn).await?;
            known.extend(names.into_iter().map(|(schema, name)| format!("{schema}.{name}")));
        }
        known.retain(|title| {
            let is_any = |patterns: &[String]| {
                patterns.iter().any(|pattern| relations::matches(pattern, title))
            };
            (self.rules.allow.is_empty() || is_any(&self.rules.allow)) && !is_any(&self.rules.deny)
        });
        let bare = |title: &str| title.split_once('.').map_or(title, |(_, name)| name).to_owned();
        let nearest = known
            .iter()
            .map(|title| (strsim::jaro_winkler(&bare(title), &name.1), title))
            .filter(|(score, _)| *score > 0.8)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = match nearest {
            Some((_, title)) => format!(" Did you mean {title}?"),
            None => " The schema tool lists what there is.".to_owned(),
        };
        Ok(ToolError::invalid(format!("there is no relation {written}.{hint}")))
    }

    /// The functions that pointers point to.
    pub(super) async fn pointed(
        &mut self,
        pointers: &[Pointer],
    ) -> Result<Vec<Function>, ToolError> {
        if pointers.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<Name> = pointers
            .iter()
            .map(|pointer| (Some(pointer.schema.clone()), pointer.name.clone()))
            .collect();
        let found = self.memory.functions(self.conn, &names).await?;
        let mut functions = Vec::new();
        for (pointer, candidates) in pointers.iter().zip(found) {
            match candidates.iter().find(|function| function.oid == pointer.oid) {
                Some(function) => functions.push(function.clone()),
                None => return denied(format!("{} has changed; try again", pointer.name)),
            }
        }
        Ok(functions)
    }

    async fn functions(&mut self, mentions: &Mentions) -> Result<(), ToolError> {
        let names: Vec<Name> = mentions.functions.iter().map(|call| call.name.clone()).collect();
        let found = self.memory.functions(self.conn, &names).await?;
        for (call, candidates) in mentions.functions.iter().zip(found) {
            self.call(call, &candidates).await?;
        }
        Ok(())
    }

    async fn call(&mut self, call: &Call, candidates: &[Function]) -> Result<(), ToolError> {
        let (schema, name) = &call.name;
        if candidates.is_empty() {
            // The standard's syntax has names of its own in other versions of the server, and
            // `type(value)` is a cast.
            let taint = self.memory.taint(self.conn).await?;
            if let Some(tainted) = taint.by_name(schema.as_deref(), name) {
                return denied(cast_refusal(&tainted.schema, &tainted.name));
            }
            if call.is_syntax || self.is_type(&call.name).await? {
                return Ok(());
            }
            return Err(self.no_function(name).await?);
        }
        let fitting: Vec<&Function> = candidates
            .iter()
            .filter(|function| function.can_take(call.arguments, call.is_variadic))
            .collect();
        for function in &fitting {
            let reason = match objection(function, self.rules, call.constant.as_deref()) {
                Some(reason) => Some(reason),
                None => self.within(function).await?,
            };
            if let Some(reason) = reason {
                return denied(refusal(function, &reason, &fitting));
            }
        }
        Ok(())
    }

    async fn is_type(&mut self, (schema, name): &Name) -> Result<bool, ToolError> {
        let found: Option<(i32,)> = sqlx::query_as(
            "SELECT 1 FROM pg_catalog.pg_type t \
             JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
             WHERE t.typname = $2 AND (n.nspname = $1 OR $1 IS NULL) LIMIT 1",
        )
        .bind(schema)
        .bind(name)
        .persistent(false)
        .fetch_optional(&mut *self.conn)
        .await
        .map_err(failed)?;
        Ok(found.is_some())
    }

    async fn no_function(&mut self, name: &str) -> Result<ToolError, ToolError> {
        let known = self.memory.function_names(self.conn, name).await?;
        let nearest = known
            .iter()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(score, _)| *score > 0.85)
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let hint = nearest.map(|(_, known)| format!(" Did you mean {known}?")).unwrap_or_default();
        Ok(ToolError::invalid(format!("there is no function {name}.{hint}")))
    }

    /// `v.name` is a function where v has no column of that name.
    async fn notations(
        &mut self,
        mentions: &Mentions,
        found: &[Arc<Option<Relation>>],
    ) -> Result<(), ToolError> {
        if mentions.notations.is_empty() {
            return Ok(());
        }
        let names: Vec<Name> =
            mentions.notations.iter().map(|notation| (None, notation.name.clone())).collect();
        let candidates = self.memory.functions(self.conn, &names).await?;
        let taint = self.memory.taint(self.conn).await?;
        for (notation, candidates) in mentions.notations.iter().zip(candidates) {
            if is_column(notation, mentions, found) {
                continue;
            }
            if let Some(tainted) = taint.by_name(None, &notation.name) {
                return denied(cast_refusal(&tainted.schema, &tainted.name));
            }
            let is_row = is_row(notation, mentions);
            let fitting = candidates.iter().filter(|function| {
                function.can_take(Some(1), false) && (!is_row || takes_any_row(function))
            });
            for function in fitting {
                let reason = match objection(function, self.rules, None) {
                    Some(reason) => Some(reason),
                    None => self.within(function).await?,
                };
                if let Some(reason) = reason {
                    return denied(format!(
                        ".{} may call the function {}, which {reason}; where a column is meant, \
                         write alias.{} with the alias of its table",
                        notation.name,
                        function.title(),
                        notation.name
                    ));
                }
            }
        }
        Ok(())
    }

    async fn operators(&mut self, mentions: &Mentions) -> Result<(), ToolError> {
        let names: Vec<Name> = mentions.operators.iter().cloned().collect();
        let found = self.memory.operators(self.conn, &names).await?;
        for ((schema, name), pointers) in names.iter().zip(found) {
            for function in self.pointed(&pointers).await? {
                let reason = match objection(&function, self.rules, None) {
                    Some(reason) => Some(reason),
                    None => self.within(&function).await?,
                };
                if let Some(reason) = reason {
                    let advice = if schema.is_none() {
                        format!("; write OPERATOR(pg_catalog.{name}) for PostgreSQL's own")
                    } else {
                        String::new()
                    };
                    return denied(format!(
                        "the operator {name} calls {}, which {reason}{advice}",
                        function.title()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Types whose casts, checks or comparisons are volatile.
    async fn types(
        &mut self,
        mentions: &Mentions,
        found: &[Arc<Option<Relation>>],
    ) -> Result<(), ToolError> {
        if mentions.types.is_empty() && mentions.functions.is_empty() && found.is_empty() {
            return Ok(());
        }
        let taint = self.memory.taint(self.conn).await?;
        if taint.types.is_empty() {
            return Ok(());
        }
        for (schema, name) in &mentions.types {
            if let Some(tainted) = taint.by_name(schema.as_deref(), name) {
                return denied(cast_refusal(&tainted.schema, &tainted.name));
            }
        }
        self.types_of_functions(mentions, &taint).await?;
        // Only making a value runs the checks of a domain; these make values of any type.
        let makes_any =
            mentions.functions.iter().any(|call| call.name.1.contains("populate_record"))
                || mentions.operators.iter().any(|(_, name)| name == "#=");
        for relation in found.iter().filter_map(|relation| relation.as_ref().as_ref()) {
            for column in relation.columns() {
                let Some(tainted) = taint.by_oid(column.type_id) else { continue };
                if tainted.on_use || makes_any {
                    return denied(format!(
                        "{}.{}: {}",
                        relation.title(),
                        column.name,
                        cast_refusal(&tainted.schema, &tainted.name)
                    ));
                }
            }
        }
        Ok(())
    }

    async fn types_of_functions(
        &mut self,
        mentions: &Mentions,
        taint: &Taint,
    ) -> Result<(), ToolError> {
        let names: Vec<Name> = mentions.functions.iter().map(|call| call.name.clone()).collect();
        for (call, candidates) in
            mentions.functions.iter().zip(self.memory.functions(self.conn, &names).await?)
        {
            let fitting = candidates
                .iter()
                .filter(|function| function.can_take(call.arguments, call.is_variadic));
            for function in fitting {
                let mut types = function.takes.iter().chain([&function.returns]);
                if let Some(tainted) = types.find_map(|oid| taint.by_oid(*oid)) {
                    return denied(format!(
                        "function {}: {}",
                        function.title(),
                        cast_refusal(&tainted.schema, &tainted.name)
                    ));
                }
            }
        }
        Ok(())
    }

    /// The relations that are read in another form.
    pub(super) fn substitutions(&self, found: &[Arc<Option<Relation>>]) -> Vec<Substitution> {
        let mut substitutions = Vec::new();
        for (mention, known) in found.iter().enumerate() {
            let Some(relation) = known.as_ref() else { continue };
            let masked = relations::masks(relation, self.rules);
            if masked.is_empty() {
                continue;
            }
            substitutions.push(Substitution {
                mention,
                needs_key: masked.iter().any(|(_, mask)| *mask == Mask::Hash),
                plain: relations::substitute(relation, &masked, false),
                only: relations::substitute(relation, &masked, true),
                relation: Arc::clone(known),
            });
        }
        substitutions
    }
}

fn cast_refusal(schema: &str, name: &str) -> String {
    format!(
        "type {schema}.{name} calls something volatile when values are cast, checked or compared"
    )
}

/// Why a call is refused, and how to call what was meant.
fn refusal(function: &Function, reason: &str, fitting: &[&Function]) -> String {
    let mut message = format!("function {} {reason}", function.title());
    let twin = fitting.iter().any(|other| other.schema == "pg_catalog");
    if twin && function.schema != "pg_catalog" {
        message.push_str(&format!("; write pg_catalog.{} for PostgreSQL's own", function.name));
    } else if function.is_own {
        message.push_str(
            "; allowed are functions that are IMMUTABLE or STABLE, and what the operator lists \
             under functions",
        );
    } else {
        message.push_str("; allowed are functions that only compute");
    }
    message
}

/// Whether what stands before the dot is certainly a row of no table: of a subquery.
fn is_row(notation: &Notation, mentions: &Mentions) -> bool {
    let is_table = |of: &String| {
        mentions
            .relations
            .iter()
            .any(|mention| mention.alias.as_ref().unwrap_or(&mention.name.1) == of)
    };
    notation.of.as_ref().is_some_and(|of| {
        !mentions.has_unnamed
            && mentions.query_aliases.contains(of)
            && !mentions.function_aliases.contains(of)
            && !is_table(of)
    })
}

/// Whether a function may take a row: of any type (`record`, `anyelement`, `anynonarray`, `"any"`,
/// `anycompatible` and `anycompatiblenonarray`, alone or as what VARIADIC repeats), or of a type
/// that somebody made, to which rows are coerced.
fn takes_any_row(function: &Function) -> bool {
    function.is_variadic
        || function.takes.first().is_none_or(|first| {
            *first >= 16_384 || matches!(first, 2249 | 2283 | 2776 | 2276 | 5077 | 5079)
        })
}

/// Whether a notation is certainly a column: what stands before the dot is only ever a table of
/// the statement, and each such table has the column.
fn is_column(notation: &Notation, mentions: &Mentions, found: &[Arc<Option<Relation>>]) -> bool {
    let Some(of) = &notation.of else { return false };
    if mentions.has_unnamed
        || mentions.function_aliases.contains(of)
        || mentions.query_aliases.contains(of)
    {
        return false;
    }
    let mut meant = mentions
        .relations
        .iter()
        .zip(found)
        .filter(|(mention, _)| mention.alias.as_ref().unwrap_or(&mention.name.1) == of)
        .peekable();
    meant.peek().is_some()
        && meant.all(|(_, relation)| {
            relation.as_ref().as_ref().is_some_and(|relation| {
                relation.columns().iter().any(|column| column.name == notation.name)
            })
        })
}
