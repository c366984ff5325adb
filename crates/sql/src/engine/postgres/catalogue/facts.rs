//! What the catalogue says of relations, functions and types.

use serde::Deserialize;

/// A table, view, or what else can stand in FROM.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Relation {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether the database can hold any character.
    pub(crate) is_unicode: bool,
    /// A table whose rows are never stored out of line, so that by the types of its columns none
    /// has more than two kilobytes; and reading it computes nothing: it has no policies.
    pub(crate) is_plain: bool,
    #[serde(default)]
    pub(crate) columns: Option<Vec<Attribute>>,
    /// Itself, what it is a part of, and its parts: partitions and heirs.
    #[serde(default)]
    pub(crate) family: Option<Vec<(String, String)>>,
    /// The foreign tables that it reads: itself, its parts, and what a view is made of.
    #[serde(default)]
    pub(crate) foreign: Option<Vec<(String, String)>>,
    /// What a view reads, through other views, too.
    #[serde(default)]
    pub(crate) beneath: Option<Vec<(String, String)>>,
    /// What a view and the row policies of all that it reads call, where it is volatile or not
    /// PostgreSQL's own.
    #[serde(default)]
    pub(crate) calls: Option<Vec<Pointer>>,
}

/// A function that something is made of.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) oid: i64,
}

impl Relation {
    pub(crate) fn columns(&self) -> &[Attribute] {
        self.columns.as_deref().unwrap_or_default()
    }

    pub(crate) fn family(&self) -> &[(String, String)] {
        self.family.as_deref().unwrap_or_default()
    }

    pub(crate) fn foreign(&self) -> &[(String, String)] {
        self.foreign.as_deref().unwrap_or_default()
    }

    pub(crate) fn beneath(&self) -> &[(String, String)] {
        self.beneath.as_deref().unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> &[Pointer] {
        self.calls.as_deref().unwrap_or_default()
    }

    /// `schema.name`.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// A column of a relation.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    /// As SQL writes it.
    pub(crate) type_name: String,
    pub(crate) type_id: i64,
}

/// A function, aggregate or window function.
#[expect(clippy::struct_excessive_bools, reason = "each is a column of pg_proc")]
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Function {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_proc.prokind`.
    pub(crate) kind: String,
    /// `pg_proc.provolatile`.
    pub(crate) volatility: String,
    /// Whether it runs with its owner's rights.
    pub(crate) is_definer: bool,
    pub(crate) arguments: usize,
    pub(crate) defaults: usize,
    pub(crate) is_variadic: bool,
    pub(crate) language: String,
    /// The types of its arguments.
    #[serde(default)]
    pub(crate) takes: Vec<i64>,
    pub(crate) returns: i64,
    /// Whether only the server itself may sensibly call it.
    pub(crate) is_internal: bool,
    /// Whether somebody made it, other than PostgreSQL itself.
    pub(crate) is_own: bool,
    pub(crate) extension: Option<String>,
    /// The text of one that is not of PostgreSQL or an extension, in SQL or PL/pgSQL.
    pub(crate) body: Option<String>,
    /// What the tree of one says whose text is kept as a tree.
    #[serde(default)]
    pub(crate) tree: Option<Body>,
    /// The names of what the defaults of its arguments call.
    #[serde(default)]
    pub(crate) default_calls: Option<Vec<String>>,
    /// What an aggregate is made of, where it is not PostgreSQL's own.
    #[serde(default)]
    pub(crate) parts: Option<Vec<Pointer>>,
}

impl Function {
    /// Whether it may be called with so many arguments.
    pub(crate) fn can_take(&self, arguments: Option<usize>, is_variadic: bool) -> bool {
        let Some(given) = arguments else { return true };
        if self.is_variadic {
            return is_variadic || given + 1 + self.defaults >= self.arguments;
        }
        !is_variadic && given <= self.arguments && given + self.defaults >= self.arguments
    }

    /// `schema.name`.
    pub(crate) fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

/// What the tree of a function's body says.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Body {
    /// Whether it reads relations.
    pub(crate) reads: bool,
    /// The names of what it calls.
    #[serde(default)]
    pub(crate) calls: Option<Vec<String>>,
}

/// Types by which something volatile is called without being named.
#[derive(Debug, Default)]
pub(crate) struct Taint {
    pub(crate) types: Vec<TaintedType>,
}

/// One of them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TaintedType {
    pub(crate) oid: i64,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Whether using a value may do it (a cast, an operator class), not only making one (a check).
    pub(crate) on_use: bool,
}

impl Taint {
    /// Adds a type; its number, where that changed anything.
    pub(crate) fn add(&mut self, new: TaintedType) -> Option<i64> {
        let known = self.types.iter_mut().find(|known| known.oid == new.oid);
        let Some(known) = known else {
            self.types.push(new);
            return self.types.last().map(|added| added.oid);
        };
        let is_worse = new.on_use && !known.on_use;
        known.on_use |= new.on_use;
        is_worse.then_some(known.oid)
    }

    /// The tainted type with this number.
    pub(crate) fn by_oid(&self, oid: i64) -> Option<&TaintedType> {
        self.types.iter().find(|tainted| tainted.oid == oid)
    }

    /// The tainted type that a name may mean.
    pub(crate) fn by_name(&self, schema: Option<&str>, name: &str) -> Option<&TaintedType> {
        self.types.iter().find(|tainted| {
            tainted.name == name && schema.is_none_or(|schema| schema == tainted.schema)
        })
    }
}
