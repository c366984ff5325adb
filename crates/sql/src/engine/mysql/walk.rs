//! What a parsed statement consists of: everything it names is collected, and a construct that is
//! not on the list of what only reads is refused.
//!
//! Structures are taken apart field by field, so that a field that a later parser adds is a
//! compile error here and not a hole.

mod expression;

use std::collections::BTreeSet;
use std::ops::Range;

use contract::ToolError;
use sqlparser::ast::{
    Cte, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, NamedWindowExpr,
    ObjectName, ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectFlavor,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, TableVersion,
    TableWithJoins, With,
};

use super::failure::{denied, invalid};
use super::lexer::bytes;

/// A table or view that a statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// The database, where the statement names it.
    pub(super) schema: Option<String>,
    /// The table.
    pub(super) name: String,
    /// Where the name stands.
    pub(super) at: Range<usize>,
    /// Whether it is a common table expression that is in force where it stands.
    pub(super) is_expression: bool,
    /// Whether it has a name of its own in the statement.
    pub(super) has_alias: bool,
    /// Whether a subquery can stand in its place: no partitions, index hints or versions.
    pub(super) is_plain: bool,
}

/// A name of three parts: `shop.orders.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qualified {
    pub(super) schema: String,
    pub(super) table: String,
    /// The database and its dot.
    pub(super) at: Range<usize>,
}

/// What a statement names.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) relations: Vec<Relation>,
    pub(super) qualified: Vec<Qualified>,
    /// The common table expressions that are in force where the walk is. Their names are
    /// compared as they are written: what differs in case is taken for a table, which is safe.
    scope: Vec<String>,
    /// Where names stand that the statement gives and a parenthesis may follow.
    pub(super) declared: BTreeSet<usize>,
    /// Calls whose result is as long as an argument says: the function and where it stands.
    pub(super) counting: Vec<(String, usize)>,
}

type Done = Result<(), ToolError>;

impl Found {
    /// Collects what a query names.
    pub(super) fn query(&mut self, query: &Query) -> Done {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        if !locks.is_empty() {
            return Err(locking());
        }
        let is_foreign = for_clause.is_some()
            || settings.is_some()
            || format_clause.is_some()
            || !pipe_operators.is_empty();
        if is_foreign {
            return Err(unsupported("a clause behind the query"));
        }
        let outside = self.scope.len();
        if let Some(With { with_token: _, recursive, cte_tables }) = with {
            for table in cte_tables {
                self.expression(table, *recursive)?;
            }
        }
        self.set(body)?;
        if let Some(OrderBy { kind, interpolate }) = order_by {
            match (kind, interpolate) {
                (OrderByKind::Expressions(by), None) => self.order(by)?,
                _ => return Err(unsupported("this ORDER BY")),
            }
        }
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                self.all(limit.iter().chain(offset.iter().map(|offset| &offset.value)))?;
                self.all(limit_by)?;
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => self.all([offset, limit])?,
        }
        self.all(fetch.iter().filter_map(|fetch| fetch.quantity.as_ref()))?;
        self.scope.truncate(outside);
        Ok(())
    }

    /// One expression of WITH: those before it are in force in it, and it itself if it may recur.
    fn expression(&mut self, table: &Cte, is_recursive: bool) -> Done {
        let Cte { alias, query, from, materialized, closing_paren_token: _ } = table;
        if from.is_some() || materialized.is_some() {
            return Err(unsupported("this WITH"));
        }
        self.alias(Some(alias));
        if is_recursive {
            self.scope.push(alias.name.value.clone());
            return self.query(query);
        }
        self.query(query)?;
        self.scope.push(alias.name.value.clone());
        Ok(())
    }

    fn alias(&mut self, alias: Option<&TableAlias>) {
        self.declared.extend(alias.map(|alias| bytes(alias.name.span).start));
    }

    fn set(&mut self, set: &SetExpr) -> Done {
        match set {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
                self.set(left)?;
                self.set(right)
            }
            SetExpr::Values(values) => {
                values.rows.iter().try_for_each(|row| self.all(&row.content))
            }
            SetExpr::Table(table) => {
                self.relations.push(Relation {
                    schema: table.schema_name.clone(),
                    name: table.table_name.clone().unwrap_or_default(),
                    at: 0..0,
                    is_expression: false,
                    has_alias: false,
                    is_plain: false,
                });
                Ok(())
            }
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(denied("only queries are run: INSERT, UPDATE and DELETE change data"))
            }
        }
    }

    fn select(&mut self, select: &Select) -> Done {
        let Select {
            select_token: _,
            optimizer_hints: _,
            distinct: _,
            select_modifiers: _,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        if into.is_some() {
            return Err(writing_into());
        }
        let is_foreign = top.is_some()
            || exclude.is_some()
            || !lateral_views.is_empty()
            || prewhere.is_some()
            || !connect_by.is_empty()
            || !(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty())
            || qualify.is_some()
            || value_table_mode.is_some()
            || *flavor != SelectFlavor::Standard;
        if is_foreign {
            return Err(unsupported("a clause of another database's SELECT"));
        }
        projection.iter().try_for_each(|item| self.item(item))?;
        from.iter().try_for_each(|tables| self.tables(tables))?;
        self.all(selection)?;
        match group_by {
            GroupByExpr::Expressions(by, _) => self.all(by)?,
            GroupByExpr::All(_) => return Err(unsupported("GROUP BY ALL")),
        }
        self.all(having)?;
        for definition in named_window {
            if let NamedWindowExpr::WindowSpec(window) = &definition.1 {
                self.window(window)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &SelectItem) -> Done {
        match item {
            SelectItem::UnnamedExpr(value)
            | SelectItem::ExprWithAlias { expr: value, alias: _ } => self.value(value),
            SelectItem::Wildcard(_) => Ok(()),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                self.names(&parts(name)?, 2);
                Ok(())
            }
            _ => Err(unsupported("this column of the result")),
        }
    }

    fn tables(&mut self, tables: &TableWithJoins) -> Done {
        let TableWithJoins { relation, joins } = tables;
        self.table(relation)?;
        joins.iter().try_for_each(|join| self.join(join))
    }

    fn join(&mut self, join: &Join) -> Done {
        let Join { relation, global: _, join_operator } = join;
        self.table(relation)?;
        let (JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::StraightJoin(constraint)) = join_operator
        else {
            return Err(unsupported("this kind of join"));
        };
        match constraint {
            JoinConstraint::On(condition) => self.value(condition),
            JoinConstraint::Using(_) | JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn table(&mut self, table: &TableFactor) -> Done {
        match table {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                json_path,
                sample,
                index_hints,
            } => {
                let is_foreign = args.is_some()
                    || !with_hints.is_empty()
                    || *with_ordinality
                    || json_path.is_some()
                    || sample.is_some();
                if is_foreign {
                    return Err(unsupported("this form of a table"));
                }
                match version {
                    None => {}
                    Some(TableVersion::ForSystemTimeAsOf(time)) => self.value(time)?,
                    Some(_) => return Err(unsupported("this version of a table")),
                }
                self.alias(alias.as_ref());
                let is_plain = version.is_none() && partitions.is_empty() && index_hints.is_empty();
                self.relation(name, alias.is_some(), is_plain)
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample: None } => {
                self.alias(alias.as_ref());
                self.query(subquery)
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.tables(table_with_joins)
            }
            TableFactor::JsonTable { json_expr, json_path: _, columns: _, alias: _ } => {
                self.value(json_expr)
            }
            _ => Err(unsupported("this form of a table")),
        }
    }

    fn relation(&mut self, name: &ObjectName, has_alias: bool, is_plain: bool) -> Done {
        let parts = parts(name)?;
        let (schema, table) = match parts.as_slice() {
            [table] => (None, *table),
            [schema, table] => (Some(schema.value.clone()), *table),
            _ => return Err(invalid("a table is named `database.table` or `table`")),
        };
        let start = parts.first().map_or(0, |first| bytes(first.span).start);
        self.relations.push(Relation {
            is_expression: schema.is_none() && self.scope.contains(&table.value),
            schema,
            name: table.value.clone(),
            at: start..bytes(table.span).end,
            has_alias,
            is_plain,
        });
        Ok(())
    }

    /// Remembers a name that says its database; `least` is how many parts that takes.
    fn names(&mut self, parts: &[&Ident], least: usize) {
        if let ([schema, table, ..], true) = (parts, parts.len() >= least) {
            self.qualified.push(Qualified {
                schema: schema.value.clone(),
                table: table.value.clone(),
                at: bytes(schema.span).start..bytes(table.span).start,
            });
        }
    }

    fn order(&mut self, by: &[OrderByExpr]) -> Done {
        self.all(by.iter().map(|by| &by.expr))
    }
}

fn parts(name: &ObjectName) -> Result<Vec<&Ident>, ToolError> {
    let mut parts = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(name) => parts.push(name),
            ObjectNamePart::Function(_) => return Err(unsupported("a computed name")),
        }
    }
    Ok(parts)
}

/// Rows are locked by none.
pub(super) fn locking() -> ToolError {
    denied(
        "FOR UPDATE, FOR SHARE and LOCK IN SHARE MODE are refused: they hold up those who write. Leave the clause out.",
    )
}

/// A result goes to the caller and nowhere else.
pub(super) fn writing_into() -> ToolError {
    denied("INTO is refused: it writes files or variables. Leave it out; the rows are the answer.")
}

fn unsupported(what: &str) -> ToolError {
    invalid(format!("{what} is not supported here: write it as a plain SELECT of MySQL"))
}
