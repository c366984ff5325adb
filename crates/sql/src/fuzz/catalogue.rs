//! What a database offers to statements, as its own catalogue lists it.

use std::collections::BTreeMap;

/// Whose grammar is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Mysql,
    Sqlite,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// As it is written in a statement.
    pub(crate) name: String,
    /// Its columns, each with its type.
    pub(crate) columns: Vec<(String, String)>,
}

/// A function, an operator or an aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routine {
    pub(crate) name: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) result: String,
}

impl Routine {
    /// Reads `name(type, type) type`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, rest) = line.trim().split_once('(')?;
        let (arguments, result) = rest.rsplit_once(')')?;
        let arguments = arguments.split(',').map(str::trim).filter(|word| !word.is_empty());
        Some(Self {
            name: name.to_owned(),
            arguments: arguments.map(str::to_owned).collect(),
            result: result.trim().to_owned(),
        })
    }

    /// Reads one a line.
    pub(crate) fn parse_all(lines: &str) -> Vec<Self> {
        lines.lines().filter_map(Self::parse).collect()
    }
}

/// All of it.
pub(crate) struct Catalogue {
    pub(crate) dialect: Dialect,
    pub(crate) relations: Vec<Relation>,
    /// Relations that harm whoever reads them, are hidden by rules, or are the engine's own.
    pub(crate) doubtful: Vec<Relation>,
    /// Functions that honest statements call.
    pub(crate) functions: Vec<Routine>,
    pub(crate) aggregates: Vec<Routine>,
    pub(crate) windows: Vec<Routine>,
    /// Those with two operands.
    pub(crate) operators: Vec<Routine>,
    /// Expressions that are constant, by type.
    pub(crate) constants: BTreeMap<String, Vec<String>>,
    /// From one type to another.
    pub(crate) casts: Vec<(String, String)>,
    /// The names of all functions, whatever they do.
    pub(crate) everything: Vec<String>,
}

impl Catalogue {
    /// The type of what is true or false.
    pub(crate) fn truth(&self) -> &'static str {
        if self.dialect == Dialect::Postgres { "bool" } else { "int" }
    }

    /// The types that constants are known of.
    pub(crate) fn types(&self) -> Vec<&str> {
        self.constants.keys().map(String::as_str).collect()
    }

    /// Asserts that there is something of everything.
    pub(crate) fn check(self) -> Self {
        let counts = [
            self.relations.len(),
            self.doubtful.len(),
            self.functions.len(),
            self.aggregates.len(),
            self.windows.len(),
            self.operators.len(),
            self.constants.len(),
            self.casts.len(),
            self.everything.len(),
        ];
        assert!(counts.iter().all(|count| *count > 2), "the catalogue is too small: {counts:?}");
        self
    }
}

/// Columns as rows of relation, column and type, in the order of relations.
pub(crate) fn relations(rows: impl Iterator<Item = [String; 3]>) -> Vec<Relation> {
    let mut relations: Vec<Relation> = Vec::new();
    for [name, column, type_name] in rows {
        match relations.last_mut().filter(|relation| relation.name == name) {
            Some(relation) => relation.columns.push((column, type_name)),
            None => relations.push(Relation { name, columns: vec![(column, type_name)] }),
        }
    }
    relations
}

/// Constants, a type a line, divided by ` | `.
pub(crate) fn constants(lines: &str) -> BTreeMap<String, Vec<String>> {
    let line = |line: &str| {
        let (name, list) = line.trim().split_once(": ")?;
        Some((name.to_owned(), list.split(" | ").map(str::to_owned).collect()))
    };
    lines.lines().filter_map(line).collect()
}
