//! The server's own keys in `[servers.sql]`.

mod check;
mod needs;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use contract::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which databases may be read, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The databases by id: each is one target of policy.
    #[schemars(length(min = 1, max = 100))]
    pub databases: BTreeMap<String, DatabaseSettings>,
    /// Reviewed statements by name: each becomes a tool of its own, `sql_` and its name.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub queries: BTreeMap<String, QuerySettings>,
    /// How long a saved result is kept, in minutes; 60 if absent.
    #[schemars(range(min = 1, max = 10_080))]
    pub keep: Option<u32>,
    /// How much may be saved.
    #[serde(default)]
    pub saved: SavedSettings,
}

/// How much of results may be saved; a result ends where its room does, and says so.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SavedSettings {
    /// Most rows of one result; 1,000,000 if absent.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub rows: Option<u64>,
    /// Most megabytes of one result; 100 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub megabytes: Option<u32>,
    /// Most megabytes of all results together; 1,000 if absent.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub total_megabytes: Option<u32>,
}

/// One database.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// Its address, without a password: `postgres://user@host/database`,
    /// `mysql://user@host/database` or `sqlite:path` (relative to servers.toml). Sockets:
    /// `postgres://user@%2Frun%2Fpostgresql/database`, `mysql://user@localhost/database?socket=/run/mysqld/mysqld.sock`.
    #[schemars(length(min = 1, max = 2000))]
    pub url: String,
    /// Where read replicas are, in the order of preference; the address itself is asked when
    /// none answers.
    #[serde(default)]
    #[schemars(length(max = 10), inner(length(min = 1, max = 2000)))]
    pub replicas: Vec<String>,
    /// The password.
    pub password: Option<SecretRef>,
    /// What it is, for people and models.
    #[schemars(length(min = 1, max = 300))]
    pub title: Option<String>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// Most connections at a time; 5 if absent.
    #[schemars(range(min = 1, max = 50))]
    pub connections: Option<u32>,
    /// Patterns `schema.table` of what may be read; everything, if absent. SQLite's schema is
    /// `main`, MySQL's is the database.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 200)))]
    pub allow: Vec<String>,
    /// Patterns `schema.table` of what may not be read; they win.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 200)))]
    pub deny: Vec<String>,
    /// What is shown instead of the values of a column, by `schema.table.column`.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub mask: BTreeMap<String, Mask>,
    /// Functions (`schema.name`) that may be called although the database says that they may
    /// change something.
    #[serde(default)]
    #[schemars(length(max = 200), inner(length(min = 1, max = 200)))]
    pub functions: Vec<String>,
    /// Session variables that say who asks, for row-level security: the name, and what of the
    /// caller it is set to.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub session: BTreeMap<String, Who>,
    /// What the credential may do beyond reading; anything else that is too much refuses to
    /// start.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub accept: Vec<Accept>,
    /// Most rows of one answer; 1,000 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub rows: Option<u32>,
    /// Most bytes shown of one value; 2,000 if absent.
    #[schemars(range(min = 20, max = 20_000))]
    pub cell: Option<u32>,
    /// Most seconds of one statement; 10 if absent.
    #[schemars(range(min = 1, max = 60))]
    pub seconds: Option<u32>,
    /// The highest cost that the planner may expect of a statement, in its own unit; not asked,
    /// if absent.
    #[schemars(range(min = 1.0))]
    pub cost: Option<f64>,
}

/// How a connection is protected.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether it is asked for; `verify` if absent. `off` is for this machine and sockets.
    #[serde(default)]
    pub mode: TlsMode,
    /// A file of authorities that count beside the system's, such as the company's own.
    #[schemars(length(min = 1, max = 4096))]
    pub ca: Option<PathBuf>,
    /// The client's certificate, a PEM file.
    #[schemars(length(min = 1, max = 4096))]
    pub certificate: Option<PathBuf>,
    /// The key of the client's certificate, a PEM file.
    #[schemars(length(min = 1, max = 4096))]
    pub key: Option<PathBuf>,
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Always, and the server's name is checked.
    #[default]
    Verify,
    /// Never: only over loopback or a socket.
    Off,
}

/// What is shown instead of a value.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Mask {
    /// Sixteen hexadecimal digits that are the same for the same value.
    Hash,
    /// Its last four characters.
    Last4,
    /// NULL.
    Null,
    /// Nothing: the column is not there.
    Drop,
}

/// What a session variable is set to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The person or service, such as `ann`.
    Subject,
    /// The credential, such as `key:laptop`.
    Identity,
}

/// What a credential may do beyond reading.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// It is a superuser, or may act as one.
    Superuser,
    /// It may insert, update or delete.
    Writes,
    /// It owns tables, schemas or the database.
    Owns,
    /// It may create tables, schemas, roles or databases.
    Creates,
    /// It may read or write files of the database's machine, or run programs there.
    Files,
    /// It may see or end what others run, or pass over row-level security.
    Others,
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accept::Superuser => "superuser",
            Accept::Writes => "writes",
            Accept::Owns => "owns",
            Accept::Creates => "creates",
            Accept::Files => "files",
            Accept::Others => "others",
        })
    }
}

/// A reviewed statement that is a tool of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuerySettings {
    /// The database's id.
    #[schemars(length(min = 1, max = 40))]
    pub database: String,
    /// What it answers and when to use it, in a sentence or two the model reads.
    #[schemars(length(min = 10, max = 400))]
    pub purpose: String,
    /// The statement, with the database's own placeholders: `$1` for PostgreSQL, `?` for the
    /// others.
    #[schemars(length(min = 1, max = 20_000))]
    pub statement: String,
    /// What the placeholders stand for, in their order.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub params: Vec<ParamSettings>,
    /// Most rows of one answer; the database's, if absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub rows: Option<u32>,
}

/// One parameter of a reviewed statement.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParamSettings {
    /// Its name in the tool's arguments.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What values it takes.
    #[serde(rename = "type")]
    pub kind: ParamKind,
    /// What it means.
    #[schemars(length(min = 1, max = 200))]
    pub purpose: Option<String>,
    /// The least number.
    pub min: Option<f64>,
    /// The greatest number.
    pub max: Option<f64>,
    /// Most characters of a text; 200 if absent.
    #[schemars(range(min = 1, max = 2000))]
    pub length: Option<u32>,
    /// The only values it may have.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 200)))]
    pub values: Vec<String>,
    /// The value of a call that gives none; without it the parameter is required, unless it is
    /// `optional`.
    pub default: Option<serde_json::Value>,
    /// Whether a call may leave it out, and the statement gets NULL.
    #[serde(default)]
    pub optional: bool,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ParamKind {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// `2026-11-22`.
    Date,
    /// `2026-11-22T09:30:00Z`, with its zone.
    Time,
}
