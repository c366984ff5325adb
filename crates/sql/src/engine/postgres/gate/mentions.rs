//! What a statement names: relations, functions, operators, types and parameters.
//!
//! The walk goes through every node generically; a name is left out only where the grammar itself
//! says what it means (a WITH query that hides a table of its name).

use std::collections::BTreeSet;

use contract::ToolError;
use contract::error::Kind;

use super::kinds;
use super::tree::{Node, Tree};

/// Everything a statement names. Positions are bytes of its text.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) relations: Vec<RelationMention>,
    pub(super) functions: Vec<Call>,
    /// Names that are columns or functions of one argument: `v.name`, `(v).name`.
    pub(super) notations: Vec<Notation>,
    pub(super) operators: BTreeSet<Name>,
    pub(super) types: BTreeSet<Name>,
    pub(super) params: Vec<Placeholder>,
    /// Columns written with a schema: `public.customers.email`.
    pub(super) long_columns: Vec<LongColumn>,
    /// Names in FROM of functions, which may stand for values of any type.
    pub(super) function_aliases: BTreeSet<String>,
    /// Names in FROM of subqueries and WITH queries, which stand for rows.
    pub(super) query_aliases: BTreeSet<String>,
    /// Something in FROM has a name that is not among them.
    pub(super) has_unnamed: bool,
}

/// A name, with the schema where it is written.
pub(super) type Name = (Option<String>, String);

/// A table or view in FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RelationMention {
    pub(super) name: Name,
    pub(super) alias: Option<String>,
    /// Where the name begins.
    pub(super) place: usize,
    pub(super) is_sampled: bool,
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: Name,
    /// How many arguments; unknown for ordered-set aggregates.
    pub(super) arguments: Option<usize>,
    pub(super) is_variadic: bool,
    /// Written as the standard's syntax, such as EXTRACT, which the server translates itself.
    pub(super) is_syntax: bool,
    /// The first argument, where it is a constant text.
    pub(super) constant: Option<String>,
}

/// A name behind a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notation {
    /// What stands before the dot, where that is one name.
    pub(super) of: Option<String>,
    pub(super) name: String,
}

/// `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) number: usize,
    pub(super) place: usize,
}

/// A column with its table and schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LongColumn {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) place: usize,
}

/// Walks a query; refuses what is not known to be harmless.
pub(super) fn collect(query: &Tree) -> Result<Mentions, ToolError> {
    let mut walk = Walk::default();
    walk.tree(query)?;
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Mentions,
    /// The WITH queries that are visible here.
    scope: Vec<String>,
}

fn denied<T>(message: impl Into<String>) -> Result<T, ToolError> {
    Err(ToolError::new(Kind::Denied, message))
}

/// The schema and name of a qualified name.
fn qualified(names: &[&str], what: &str) -> Result<Name, ToolError> {
    match names {
        [name] => Ok((None, (*name).to_owned())),
        [schema, name] => Ok((Some((*schema).to_owned()), (*name).to_owned())),
        _ => denied(format!("the {what} {}: write it as schema.name", names.join("."))),
    }
}

impl Walk {
    fn tree(&mut self, tree: &Tree) -> Result<(), ToolError> {
        match tree {
            Tree::List(items) => items.iter().try_for_each(|item| self.tree(item)),
            Tree::Node(node) => self.node(node),
            Tree::Nothing | Tree::Bool | Tree::Int(_) | Tree::Text(_) => Ok(()),
        }
    }

    fn children(&mut self, node: &Node) -> Result<(), ToolError> {
        node.fields.iter().try_for_each(|(_, tree)| self.tree(tree))
    }

    fn node(&mut self, node: &Node) -> Result<(), ToolError> {
        kinds::check(node.kind)?;
        match node.kind {
            "SelectStmt" => return self.select(node),
            "RangeVar" => self.relation(node, false)?,
            "RangeTableSample" => return self.sample(node),
            "FuncCall" => self.call(node)?,
            "ColumnRef" => self.column(node),
            "AIndirection" => self.indirection(node),
            "AExpr" => self.expression(node)?,
            "SubLink" => self.operator(node.get("oper_name"), "=")?,
            "SortBy" if !node.get("use_op").is_nothing() => {
                self.operator(node.get("use_op"), "<")?;
            }
            "CaseExpr" | "JoinExpr" => self.implied("="),
            "CteCycleClause" => self.implied("<>"),
            "TypeName" => self.type_name(node)?,
            "ParamRef" => self
                .found
                .params
                .push(Placeholder { number: node.place("number"), place: node.place("location") }),
            kind if kind.starts_with("Json") => self.json(node),
            "RangeFunction" | "RangeSubselect" | "RangeTableFunc" => self.alias(node),
            _ => {}
        }
        self.children(node)
    }

    /// A query, with the WITH queries that it sees: all of them in their own texts where it is
    /// WITH RECURSIVE, else those before.
    fn select(&mut self, node: &Node) -> Result<(), ToolError> {
        if !node.get("into_clause").is_nothing() {
            return Err(kinds::refusal("IntoClause"));
        }
        if !node.get("locking_clause").is_nothing() {
            return Err(kinds::refusal("LockingClause"));
        }
        let outside = self.scope.len();
        if let Some(with) = node.get("with_clause").node() {
            kinds::check(with.kind)?;
            let names = |tree: &Tree| tree.node().map(|cte| cte.text("ctename").to_owned());
            let queries = with.get("ctes").items();
            if with.is("recursive") {
                self.scope.extend(queries.iter().filter_map(names));
            }
            for query in queries {
                self.tree(query)?;
                if !with.is("recursive") {
                    self.scope.extend(names(query));
                }
            }
        }
        for (field, tree) in &node.fields {
            if *field != "with_clause" {
                self.tree(tree)?;
            }
        }
        self.scope.truncate(outside);
        Ok(())
    }

    fn relation(&mut self, node: &Node, is_sampled: bool) -> Result<(), ToolError> {
        let (catalog, schema, name) =
            (node.text("catalogname"), node.text("schemaname"), node.text("relname"));
        if !catalog.is_empty() {
            return denied(format!("{catalog}.{schema}.{name}: write it as {schema}.{name}"));
        }
        let alias = node.get("alias").node().map(|alias| alias.text("aliasname").to_owned());
        if schema.is_empty() && self.scope.iter().any(|query| query == name) {
            self.found.query_aliases.insert(alias.unwrap_or_else(|| name.to_owned()));
            return Ok(());
        }
        let schema = (!schema.is_empty()).then(|| schema.to_owned());
        self.found.relations.push(RelationMention {
            name: (schema, name.to_owned()),
            alias,
            place: node.place("location"),
            is_sampled,
        });
        Ok(())
    }

    fn sample(&mut self, node: &Node) -> Result<(), ToolError> {
        let method = node.get("method").names();
        let is_known = match method.as_slice() {
            [name] | ["pg_catalog", name] => {
                matches!(*name, "system" | "bernoulli" | "system_rows" | "system_time")
            }
            _ => false,
        };
        if !is_known {
            return denied(format!(
                "TABLESAMPLE {}: allowed are SYSTEM and BERNOULLI",
                method.join(".")
            ));
        }
        for (field, tree) in &node.fields {
            match tree.as_kind("RangeVar") {
                Some(relation) if *field == "relation" => {
                    self.relation(relation, true)?;
                    self.children(relation)?;
                }
                _ => self.tree(tree)?,
            }
        }
        Ok(())
    }

    fn call(&mut self, node: &Node) -> Result<(), ToolError> {
        let names = node.get("funcname").names();
        let name = qualified(&names, "function")?;
        let arguments = node.get("args").items();
        let constant = arguments.first().and_then(super::bounds::text).map(str::to_owned);
        let is_ordered_set = node.is("agg_within_group");
        self.found.functions.push(Call {
            name,
            arguments: (!is_ordered_set).then_some(arguments.len()),
            is_variadic: node.is("func_variadic"),
            is_syntax: node.int("funcformat") == 4,
            constant,
        });
        Ok(())
    }

    /// What is syntax to this grammar is a call of a function to servers before it.
    fn json(&mut self, node: &Node) {
        let names: &[&str] = match node.kind {
            "JsonScalarExpr" => &["json_scalar"],
            "JsonParseExpr" => &["json"],
            "JsonSerializeExpr" => &["json_serialize"],
            "JsonFuncExpr" => &["json_exists", "json_query", "json_value"],
            "JsonObjectConstructor" => &["json_object"],
            "JsonArrayConstructor" | "JsonArrayQueryConstructor" => &["json_array"],
            "JsonObjectAgg" => &["json_objectagg"],
            "JsonArrayAgg" => &["json_arrayagg"],
            "JsonTable" => {
                self.alias(node);
                &["json_table"]
            }
            _ => &[],
        };
        for name in names {
            self.found.functions.push(Call {
                name: (None, (*name).to_owned()),
                arguments: None,
                is_variadic: false,
                is_syntax: true,
                constant: None,
            });
        }
    }

    fn column(&mut self, node: &Node) {
        let fields = node.get("fields").items();
        let names = node.get("fields").names();
        let ends_in_star = fields.last().is_some_and(|last| last.as_kind("AStar").is_some());
        let place = node.place("location");
        if let ([schema, table], true) | ([schema, table, _], false) =
            (names.as_slice(), ends_in_star)
        {
            self.found.long_columns.push(LongColumn {
                schema: (*schema).to_owned(),
                table: (*table).to_owned(),
                place,
            });
        }
        if let (false, [before @ .., name]) = (ends_in_star, names.as_slice())
            && let Some(of) = before.last()
        {
            let of = (before.len() == 1).then(|| (*of).to_owned());
            self.found.notations.push(Notation { of, name: (*name).to_owned() });
        }
    }

    fn indirection(&mut self, node: &Node) {
        // `(v).name` may be one of v's columns, too, but which v is cannot be seen here.
        for name in node.get("indirection").names() {
            self.found.notations.push(Notation { of: None, name: name.to_owned() });
        }
    }

    fn expression(&mut self, node: &Node) -> Result<(), ToolError> {
        // The numbers are the grammar's A_Expr_Kind.
        match node.int("kind") {
            11..=14 => {
                for operator in [">=", "<=", ">", "<"] {
                    self.implied(operator);
                }
                Ok(())
            }
            4..=6 => {
                self.implied("=");
                self.operator(node.get("name"), "=")
            }
            _ => self.operator(node.get("name"), "="),
        }
    }

    fn operator(&mut self, names: &Tree, otherwise: &str) -> Result<(), ToolError> {
        let names = names.names();
        if names.is_empty() {
            self.implied(otherwise);
            return Ok(());
        }
        let name = qualified(&names, "operator")?;
        self.found.operators.insert(name);
        Ok(())
    }

    /// An operator that the server looks up though nobody wrote it.
    fn implied(&mut self, operator: &str) {
        self.found.operators.insert((None, operator.to_owned()));
    }

    fn type_name(&mut self, node: &Node) -> Result<(), ToolError> {
        if node.is("pct_type") || node.is("setof") {
            return denied("types are written by their names here, without %TYPE and SETOF");
        }
        let names = node.get("names").names();
        let name = qualified(&names, "type")?;
        self.found.types.insert(name);
        Ok(())
    }

    fn alias(&mut self, node: &Node) {
        if let Some(alias) = node.get("alias").node() {
            let aliases = match node.kind {
                "RangeSubselect" => &mut self.found.query_aliases,
                _ => &mut self.found.function_aliases,
            };
            aliases.insert(alias.text("aliasname").to_owned());
            return;
        }
        // A function without an alias is called by its own name.
        for function in node.get("functions").items() {
            let call = function.items().first().and_then(|call| call.as_kind("FuncCall"));
            match call.and_then(|call| call.get("funcname").names().pop()) {
                Some(name) => drop(self.found.function_aliases.insert(name.to_owned())),
                None => self.found.has_unnamed = true,
            }
        }
    }
}
