//! The schema of a database, as the tools describe it.

/// Everything of one database that may be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schema {
    /// The schema that unqualified names mean, such as `public`.
    pub(crate) home: String,
    /// Tables and views, ordered by schema and name.
    pub(crate) tables: Vec<Table>,
    /// Enumerated types, ordered by schema and name.
    pub(crate) enums: Vec<Enumeration>,
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) kind: TableKind,
    /// What the database's comment says.
    pub(crate) comment: Option<String>,
    /// How many rows the database thinks there are.
    pub(crate) rows: Option<u64>,
    /// In the table's order, without those that are hidden.
    pub(crate) columns: Vec<TableColumn>,
    /// The columns of the primary key.
    pub(crate) primary: Vec<String>,
    pub(crate) foreign: Vec<ForeignKey>,
    pub(crate) indexes: Vec<Index>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    Table,
    View,
    /// A materialised view.
    Materialized,
    /// A table that lives elsewhere.
    Foreign,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    /// As the database writes it, such as `numeric(10,2)`.
    pub(crate) type_name: String,
    pub(crate) is_nullable: bool,
    /// The expression of its default.
    pub(crate) default: Option<String>,
    pub(crate) comment: Option<String>,
    /// Whether what is shown is not what is stored.
    pub(crate) is_masked: bool,
}

/// Columns that point to a row of another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) columns: Vec<String>,
    /// The schema and name of the other table.
    pub(crate) to: (String, String),
    pub(crate) to_columns: Vec<String>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Column names or expressions.
    pub(crate) columns: Vec<String>,
    pub(crate) is_unique: bool,
}

/// An enumerated type and its labels, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enumeration {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
}
