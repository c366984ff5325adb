//! One open file: how it is opened and set up, and when it is thrown away.

use contract::ToolError;
use libsqlite3_sys as ffi;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::address::{Address, Mode};
use super::computing;
use super::failure;
use super::masks::{self, Salt};
use super::raw::{Failure, Handle};
use super::relations;
use crate::engine::{Layers, Rules};

/// The steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;

/// What a connection may do at most, by `SQLITE_LIMIT_…`. What an honest statement needs is far
/// below; what is above is refused by SQLite before it runs.
const LIMITS: &[(i32, i32)] = &[
    (ffi::SQLITE_LIMIT_LENGTH, computing::MOST_BYTES),
    (ffi::SQLITE_LIMIT_SQL_LENGTH, 1_000_000),
    (ffi::SQLITE_LIMIT_COLUMN, 2000),
    (ffi::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (ffi::SQLITE_LIMIT_COMPOUND_SELECT, 500),
    (ffi::SQLITE_LIMIT_VDBE_OP, 250_000),
    (ffi::SQLITE_LIMIT_FUNCTION_ARG, 200),
    (ffi::SQLITE_LIMIT_ATTACHED, 0),
    (ffi::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 250),
    (ffi::SQLITE_LIMIT_VARIABLE_NUMBER, 1000),
    (ffi::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (ffi::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// The switches of the session layer, by `SQLITE_DBCONFIG_…`.
const SWITCHES: &[(i32, bool)] = &[
    (ffi::SQLITE_DBCONFIG_DEFENSIVE, true),
    (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (ffi::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (ffi::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
    (ffi::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, false),
    (ffi::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
    (ffi::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    (ffi::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
];

/// What a connection is made from.
pub(super) struct Plan<'a> {
    pub(super) rules: &'a Rules,
    pub(super) layers: Layers,
    pub(super) salt: &'a Salt,
}

/// An open file.
pub(super) struct Connection {
    pub(super) handle: Handle,
    /// How the file was when it was opened.
    pub(super) mode: Mode,
    is_set_up: bool,
    /// The schema that the rules were applied to.
    version: i64,
}

impl Connection {
    /// Opens the file, and reads nothing of it yet.
    pub(super) async fn open(
        address: &Address,
        mode: Mode,
        layers: Layers,
        further: Vec<String>,
    ) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&address.path)
            .create_if_missing(false)
            .read_only(layers.credential)
            .immutable(mode.is_immutable())
            .thread_name(|number| format!("sqlite-{number}"))
            .disable_statement_logging();
        let handle = Handle::new(options.connect().await?, further).await?;
        Ok(Self { handle, mode, is_set_up: false, version: 0 })
    }

    /// Whether it is set up.
    pub(super) fn is_set_up(&self) -> bool {
        self.is_set_up
    }

    /// Makes it ready for a statement: sets it up the first time, and later sees to it that the
    /// rules are applied to the schema as it is.
    pub(super) fn make_ready(&mut self, plan: &Plan<'_>) -> Result<(), ToolError> {
        let made = self.try_make_ready(plan);
        made.map_err(|failure| failure::error(&self.handle, &failure, ""))
    }

    fn try_make_ready(&mut self, plan: &Plan<'_>) -> Result<(), Failure> {
        let is_restricted = relations::is_restricted(plan.rules);
        if !self.is_set_up {
            self.handle.wait_for_locks()?;
            computing::define(&self.handle)?;
            if plan.layers.session {
                self.bound()?;
            }
        }
        if is_restricted {
            let version = self.schema_version()?;
            if !self.is_set_up || version != self.version {
                self.apply_rules(plan)?;
                self.version = version;
            }
        }
        if !self.is_set_up {
            if plan.layers.session {
                self.handle.execute("PRAGMA query_only = ON")?;
            }
            if plan.layers.engine {
                self.handle.authorize()?;
            }
            self.is_set_up = true;
        }
        Ok(())
    }

    /// Makes the views of the masks, in place of those that were made for an older schema.
    fn apply_rules(&self, plan: &Plan<'_>) -> Result<(), Failure> {
        self.handle.trusted(|handle| {
            handle.execute("PRAGMA query_only = OFF")?;
            masks::remove(handle)?;
            let relations = masks::relations(handle, plan.rules, &nonce())?;
            masks::install(handle, &relations, plan.salt)?;
            handle.set_relations(relations);
            let query_only = if plan.layers.session { "ON" } else { "OFF" };
            handle.execute(&format!("PRAGMA query_only = {query_only}"))
        })
    }

    /// Does something that the authorizer may refuse for what a virtual table does when it is
    /// opened: the R*Tree prepares its writing statements then, though nobody runs them. Opened
    /// once by this server, the tables stay open until the schema changes.
    pub(super) fn with_virtual_tables<T>(
        &self,
        work: impl Fn() -> Result<T, ToolError>,
        may_repeat: impl Fn() -> bool,
    ) -> Result<T, ToolError> {
        match work() {
            Err(_) if self.handle.was_writing() && may_repeat() => {
                self.handle.trusted(open_virtual_tables);
                work()
            }
            result => result,
        }
    }

    /// The session layer, as far as it stands before anything is read.
    fn bound(&self) -> Result<(), Failure> {
        for (limit, value) in LIMITS {
            self.handle.limit(*limit, *value);
        }
        for (switch, is_on) in SWITCHES {
            self.handle.switch(*switch, *is_on)?;
        }
        self.handle.watch(STEPS);
        // Nothing goes to temporary files: what is sorted is bounded by memory.
        self.handle.execute("PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON")
    }

    /// A number that changes with every change of the schema.
    pub(super) fn schema_version(&self) -> Result<i64, Failure> {
        self.handle.trusted(|handle| {
            let (statement, _) = handle.prepare("PRAGMA main.schema_version")?;
            let Some(mut statement) = statement else { return Ok(0) };
            Ok(if statement.step()? { statement.integer(0) } else { 0 })
        })
    }
}

/// Compiles a statement on each virtual table, which opens it.
fn open_virtual_tables(handle: &Handle) {
    const LIST: &str = "SELECT name FROM main.sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'";
    let Ok((Some(mut list), _)) = handle.prepare(LIST) else { return };
    while list.step().unwrap_or(false) {
        // One that cannot be opened says so to whoever reads it.
        let _ = handle.prepare(&format!("SELECT 1 FROM main.{}", masks::quoted(&list.text(0))));
    }
}

/// Sixteen random bytes as hexadecimal digits.
fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the kernel's random numbers");
    masks::digits(&bytes)
}
