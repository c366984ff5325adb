//! What every database engine does for the tools: vet its credential, run one statement
//! read-only, explain it, describe the schema.
//!
//! An engine trusts no single layer: see [`Layers`].

pub(crate) mod mysql;
pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::ctx::BoxFuture;
use contract::{Secret, StartError, ToolError};

use crate::schema::Schema;
use crate::settings::{Accept, Mask, Tls};

/// The layers that keep a database as it is. Every one is on; tests switch single ones off to
/// see that the others hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four layers, each on or off")]
pub(crate) struct Layers {
    /// The credential may do no more than read.
    pub(crate) credential: bool,
    /// The session is a read-only transaction with time-outs, always rolled back.
    pub(crate) session: bool,
    /// The statement is parsed, and only what is allowed passes.
    pub(crate) statement: bool,
    /// The engine's own switch: a cursor for PostgreSQL, the prepared protocol for MySQL, the
    /// authorizer for SQLite.
    pub(crate) engine: bool,
}

impl Layers {
    /// As the product runs.
    pub(crate) const ALL: Self =
        Self { credential: true, session: true, statement: true, engine: true };
}

/// What an engine is made from.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The database's id in servers.toml.
    pub(crate) id: String,
    /// Where it is, in the order of preference: replicas, then the primary. No password in it;
    /// SQLite's path is absolute.
    pub(crate) urls: Vec<String>,
    /// The password.
    pub(crate) password: Option<Secret>,
    /// How TLS is checked; paths absolute.
    pub(crate) tls: Tls,
    /// Most connections at a time.
    pub(crate) connections: u32,
    /// The longest that one statement may take.
    pub(crate) time: Duration,
    /// What statements may touch.
    pub(crate) rules: Rules,
    /// What the credential may do beyond reading, by the operator's word.
    pub(crate) accept: Vec<Accept>,
    /// The layers; all of them outside tests.
    pub(crate) layers: Layers,
}

/// What statements may touch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// Patterns `schema.table` of the relations that may be read; empty is all but the engine's
    /// own. SQLite's schema is `main`, MySQL's is the database.
    pub(crate) allow: Vec<String>,
    /// Patterns `schema.table` of relations that may not; they win.
    pub(crate) deny: Vec<String>,
    /// What is done with columns, by `schema.table.column`.
    pub(crate) mask: BTreeMap<String, Mask>,
    /// Functions (`schema.name`) that may be called though the catalogue calls them volatile.
    pub(crate) functions: Vec<String>,
    /// The highest cost the planner may expect; asked first where set.
    pub(crate) cost: Option<f64>,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no integer, as its digits.
    Number(String),
    Text(String),
    /// A day that exists, as ISO 8601 writes it.
    Date(String),
    /// A time of a day with its offset, as RFC 3339 writes it.
    Time(String),
}

/// One statement to run.
pub(crate) struct Run<'a> {
    /// The caller's text.
    pub(crate) statement: &'a str,
    /// The values of its placeholders, in order.
    pub(crate) params: &'a [Param],
    /// Session variables that say who asks, for row-level security; set for this transaction.
    pub(crate) session: &'a [(String, String)],
    /// Rows to pass over before the first that is shown.
    pub(crate) skip: u64,
    /// The most bytes of one cell that leave the database; longer ones are cut, and counted by
    /// their whole length.
    pub(crate) cell: usize,
    /// When it ends, whatever it does. A future that is dropped ends at the server, too.
    pub(crate) deadline: Instant,
}

impl Run<'_> {
    /// The time that is left.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name, as the database has it; names may repeat.
    pub(crate) name: String,
    /// The database's name of its type.
    pub(crate) type_name: String,
    /// How its text reads in JSON and Arrow.
    pub(crate) kind: Kind,
}

/// What kind of values a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers of at most 64 bits.
    Integer,
    /// Binary floating point.
    Float,
    /// Exact decimals, of any length.
    Decimal,
    Bool,
    /// A JSON document.
    Json,
    /// Bytes, shown as `\x` and hexadecimal digits.
    Bytes,
    /// Whatever else, as the database writes it.
    Text,
}

/// One value, in the database's own exact text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Null,
    /// Text, and the bytes that were cut off its end.
    Text {
        text: &'a str,
        cut: u64,
    },
}

/// Takes rows as they come.
pub(crate) trait Sink: Send {
    /// The columns, once, before the first row and also where there is none.
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError>;

    /// One row; `false` where it was not taken and no further one is wanted.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError>;

    /// How many rows may be asked of the database at once before the next look at the sink.
    fn appetite(&self) -> u64;

    /// How many rows it looks at in all from here on, where it knows: one more than it takes.
    fn horizon(&self) -> Option<u64> {
        None
    }
}

/// The plan of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The planner's cost, in its own unit, where it has one.
    pub(crate) cost: Option<f64>,
    /// The rows it expects.
    pub(crate) rows: Option<f64>,
    /// The plan as indented lines.
    pub(crate) text: String,
    /// What matters about it, one sentence each, the most important first: at most two.
    pub(crate) remarks: Vec<String>,
    /// Milliseconds it took, where it was run.
    pub(crate) ran: Option<f64>,
}

/// What a credential may do though reading needs none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    /// Which setting of `accept` lets it pass.
    pub(crate) kind: Accept,
    /// What it may do, such as `may INSERT into public.orders`.
    pub(crate) what: String,
}

/// What was found out about a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vetted {
    /// Everything that is too much, whether accepted or not.
    pub(crate) excess: Vec<Excess>,
    /// SQL that makes a right credential, for whoever administers the database.
    pub(crate) remedy: String,
    /// The server, such as `PostgreSQL 15.14`.
    pub(crate) server: String,
}

/// A database engine with the databases behind one id.
///
/// Every method gives a caller's error: what is wrong and what would be allowed; what the log
/// should know goes into the error's source.
pub(crate) trait Engine: Send + Sync {
    /// Asks the database what the credential may do. Fails where it cannot be reached.
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>>;

    /// Whether a call has found the credential right a moment ago.
    fn is_vetted(&self) -> bool {
        false
    }

    /// Runs one statement and hands its rows to `sink`; returns whether there are more.
    ///
    /// The statement is refused before anything runs where a layer says so, and for a credential
    /// that may do too much (asked once, before the first statement).
    fn run<'a>(
        &'a self,
        run: &'a Run<'a>,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>>;

    /// The plan; with `analyze` the statement is run, read-only, and timed.
    fn explain<'a>(
        &'a self,
        run: &'a Run<'a>,
        analyze: bool,
    ) -> BoxFuture<'a, Result<Plan, ToolError>>;

    /// Everything the rules let be seen, in the order of names.
    fn schema(&self, deadline: Instant) -> BoxFuture<'_, Result<Schema, ToolError>>;
}

/// Makes the engine that the address names. Connects to nothing.
pub(crate) fn engine(setup: Setup) -> Result<Box<dyn Engine>, StartError> {
    let url = setup.urls.first().map(String::as_str).unwrap_or_default();
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => Ok(Box::new(postgres::Postgres::new(setup)?)),
        Some("mysql" | "mariadb") => Ok(Box::new(mysql::Mysql::new(setup)?)),
        Some("sqlite") => Ok(Box::new(sqlite::Sqlite::new(setup)?)),
        _ => Err(StartError::new(format!(
            "servers.sql.databases.{}.url: begin it with postgres://, mysql:// or sqlite:",
            setup.id
        ))),
    }
}
