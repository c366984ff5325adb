//! An engine that answers from memory, and the world a call sees, for the tests of this crate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::ctx::{BoxFuture, CtxParts};
use contract::{
    Channel, Configured, Ctx, Cursors, Output as _, Part, Principal, Proof, Question, Rendered,
    Size, Target, Tool, ToolError,
};
use serde_json::Value;

use crate::Sql;
use crate::database::{Database, Databases, Family, Limits};
use crate::engine::{Cell, Column, Engine, Kind, Plan, Run, Sink, Vetted};
use crate::saved::Results;
use crate::schema::Schema;

/// An engine that answers every statement with the same rows.
#[derive(Clone)]
pub(crate) struct Fake {
    /// The columns: name, type and kind.
    pub(crate) columns: Vec<Column>,
    /// How many rows there are.
    pub(crate) rows: u64,
    /// The cells of a row, by its number from 0.
    pub(crate) row: fn(u64) -> Vec<Option<String>>,
    /// What every statement fails with, if it does.
    pub(crate) error: Option<fn() -> ToolError>,
    /// What the credential may do beyond reading.
    pub(crate) vetted: Vetted,
    /// What the database describes itself as.
    pub(crate) schema: Schema,
    /// Never answers.
    pub(crate) hangs: bool,
    /// What was asked of it: statement, parameters and session variables, as text.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    /// How many rows it was asked for at a time.
    pub(crate) fetched: Arc<Mutex<Vec<u64>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            columns: vec![column("id", Kind::Integer), column("name", Kind::Text)],
            rows: 3,
            row: |number| vec![Some(number.to_string()), Some(format!("name {number}"))],
            error: None,
            vetted: Vetted::default(),
            schema: Schema::default(),
            hangs: false,
            heard: Arc::default(),
            fetched: Arc::default(),
        }
    }
}

/// A column of a fake result.
pub(crate) fn column(name: &str, kind: Kind) -> Column {
    Column { name: name.to_owned(), type_name: format!("{kind:?}").to_lowercase(), kind }
}

impl Fake {
    fn hear(&self, run: &Run<'_>) {
        let said = format!("{} {:?} {:?}", run.statement, run.params, run.session);
        self.heard.lock().expect("no panic").push(said);
    }

    async fn answer<T>(&self, value: T) -> Result<T, ToolError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.error.map_or(Ok(value), |error| Err(error()))
    }

    fn rows(&self, run: &Run<'_>, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        sink.columns(&self.columns)?;
        let mut next = run.skip;
        while next < self.rows {
            let batch = sink.appetite().max(1);
            self.fetched.lock().expect("no panic").push(batch);
            for number in next..self.rows.min(next + batch) {
                let values = (self.row)(number);
                let cells: Vec<Cell<'_>> =
                    values.iter().map(|value| cell(value.as_ref(), run)).collect();
                if !sink.row(&cells)? {
                    return Ok(true);
                }
            }
            next += batch;
        }
        Ok(false)
    }
}

fn cell<'a>(value: Option<&'a String>, run: &Run<'_>) -> Cell<'a> {
    let Some(text) = value else { return Cell::Null };
    let kept = &text[..text.floor_char_boundary(run.cell.min(text.len()))];
    Cell::Text { text: kept, cut: u64::try_from(text.len() - kept.len()).expect("a length") }
}

impl Engine for Fake {
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>> {
        Box::pin(self.answer(self.vetted.clone()))
    }

    fn run<'a>(
        &'a self,
        run: &'a Run<'a>,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move {
            self.hear(run);
            self.answer(()).await?;
            self.rows(run, sink)
        })
    }

    fn explain<'a>(&'a self, run: &'a Run<'a>, _: bool) -> BoxFuture<'a, Result<Plan, ToolError>> {
        self.hear(run);
        Box::pin(self.answer(Plan::default()))
    }

    fn schema(&self, _: Instant) -> BoxFuture<'_, Result<Schema, ToolError>> {
        self.heard.lock().expect("no panic").push("schema".to_owned());
        Box::pin(self.answer(self.schema.clone()))
    }
}

/// What the databases of tests allow.
pub(crate) const LIMITS: Limits = Limits { rows: 1_000, cell: 200, time: Duration::from_secs(10) };

/// A server with one database for each id, all of them on the same engine.
pub(crate) fn server(ids: &[&str], engine: &Fake, state: &Path) -> Sql {
    let database = |id: &&str| Database::on(id, Family::Postgres, LIMITS, Box::new(engine.clone()));
    Sql {
        databases: Arc::new(Databases::of(ids.iter().map(database).collect())),
        results: Arc::new(Results::new(state, &crate::settings::SavedSettings::default(), None)),
        queries: Vec::new(),
    }
}

/// Who calls, what they may see, and how long a call may take.
pub(crate) struct Caller {
    /// The person.
    pub(crate) subject: &'static str,
    /// The databases the caller may see; all, if `None`.
    pub(crate) permitted: Option<&'static [&'static str]>,
    /// How long the call may take.
    pub(crate) patience: Duration,
    /// The progress messages the caller got.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    /// The largest result, where it is not the tool's own.
    pub(crate) size: Option<Size>,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            subject: "ann",
            permitted: None,
            patience: Duration::from_secs(20),
            heard: Arc::default(),
            size: None,
        }
    }
}

impl Caller {
    /// Makes a context.
    pub(crate) fn ctx(&self, own: Size) -> Ctx {
        let permitted = self.permitted;
        Ctx::new(CtxParts {
            principal: Arc::new(Principal {
                actor: None,
                groups: Vec::new(),
                identity: format!("user:{}", self.subject),
                proof: Proof::Loopback,
                roles: Vec::new(),
                subject: self.subject.to_owned(),
            }),
            deadline: Instant::now() + self.patience,
            size: self.size.unwrap_or(own),
            cancelled: Arc::new(|| false),
            channel: Arc::new(Ear(Arc::clone(&self.heard))),
            cursors: Arc::new(PlainCursors),
            permits: Arc::new(move |target: &Target| {
                let name = target.name.as_deref().unwrap_or_default();
                permitted.is_none_or(|permitted| permitted.contains(&name))
            }),
        })
    }

    /// Calls a tool; what it gives back, before it is rendered.
    pub(crate) async fn out<T: Tool<Server = Sql>>(
        &self,
        sql: &Sql,
        args: Value,
    ) -> Result<T::Out, ToolError> {
        let args = serde_json::from_value(args).expect("arguments");
        T::call(sql, &self.ctx(T::CONTRACT.size), args).await
    }

    /// Calls a tool; see [`shown`].
    pub(crate) async fn call<T: Tool<Server = Sql>>(
        &self,
        sql: &Sql,
        args: Value,
    ) -> Result<String, ToolError> {
        Ok(shown(self.out::<T>(sql, args).await?.render()))
    }

    /// Calls a tool of servers.toml; see [`shown`].
    pub(crate) async fn call_configured<T: Configured<Server = Sql>>(
        &self,
        tool: &T,
        sql: &Sql,
        args: Value,
    ) -> Result<String, ToolError> {
        let Value::Object(args) = args else { panic!("arguments are an object") };
        let ctx = self.ctx(tool.contract().size);
        Ok(shown(tool.call(sql, &ctx, args).await?))
    }
}

/// Calls a tool as a caller who may see everything; an error as its text.
pub(crate) async fn call<T: Tool<Server = Sql>>(sql: &Sql, args: Value) -> String {
    let answer = Caller::default().call::<T>(sql, args).await;
    answer.unwrap_or_else(|error| error.text())
}

/// The parts of an answer, joined by line breaks; foreign ones marked with their source.
pub(crate) fn shown(rendered: Rendered) -> String {
    let parts = rendered.parts.into_iter().map(|part| match part {
        Part::Text(text) => text,
        Part::Untrusted { source, text } => format!("<{source}>\n{}", text.trim_end()),
        Part::Media(media) => format!("{media:?}"),
    });
    parts.collect::<Vec<_>>().join("\n")
}

struct Ear(Arc<Mutex<Vec<String>>>);

impl Channel for Ear {
    fn progress(&self, _: f64, _: Option<f64>, message: String) -> BoxFuture<'_, ()> {
        self.0.lock().expect("no panic").push(message);
        Box::pin(async {})
    }

    fn log(&self, _: &'static str, _: Value) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn ask(
        &self,
        _: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        Box::pin(async { Err(ToolError::invalid("nobody to ask")) })
    }
}

struct PlainCursors;

impl Cursors for PlainCursors {
    fn seal(&self, position: &Value) -> String {
        position.to_string()
    }

    fn open(&self, cursor: &str) -> Result<Value, ToolError> {
        serde_json::from_str(cursor).map_err(|_| ToolError::invalid("a forged cursor"))
    }
}
