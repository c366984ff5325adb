//! A few connections to one file, in the order of asking. A call has a thread of its own, unless
//! it is a quick look.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::ToolError;
use ring::{hmac, rand};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::address::{Address, Mode};
use super::catalogue;
use super::connection::{Connection, Plan};
use super::failure::{self, stopped};
use super::masks::Salt;
use super::raw::{self, Call, Counted, Stop};
use super::relations;
use crate::engine::{Layers, Rules, Setup, Vetted};
use crate::schema::Schema;

/// How long vetting may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a schema that was read is shown again, as long as no table changes.
const FRESH: Duration = Duration::from_mins(1);

/// For how long a statement may run where the other calls do.
const GLANCE: Duration = Duration::from_millis(1);

/// The connections of one database.
pub(super) struct Pool {
    id: String,
    address: Address,
    rules: Rules,
    layers: Layers,
    salt: Salt,
    /// One for each connection; given in the order of asking.
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// How the file was opened last.
    mode: Mutex<Option<Mode>>,
    schema: Mutex<Option<Read>>,
}

/// A schema that was read.
struct Read {
    schema: Schema,
    mode: Mode,
    version: i64,
    at: Instant,
}

/// A connection in use.
pub(super) struct Taken {
    pub(super) connection: Connection,
    permit: OwnedSemaphorePermit,
}

/// Work that goes on on a thread; dropped, it ends there.
pub(super) struct Work<T> {
    _call: Call,
    result: oneshot::Receiver<Result<T, ToolError>>,
}

impl<T> Work<T> {
    /// Waits for what comes of it.
    pub(super) async fn finish(self, deadline: Instant) -> Result<T, ToolError> {
        match tokio::time::timeout_at(deadline.into(), self.result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ToolError::internal("the thread of a SQLite statement panicked")),
            Err(_) => Err(stopped(Stop::Deadline)),
        }
    }
}

impl Pool {
    pub(super) fn new(setup: Setup, address: Address) -> Self {
        raw::bound_memory();
        let random = rand::SystemRandom::new();
        let salt = hmac::Key::generate(hmac::HMAC_SHA256, &random);
        let connections = usize::try_from(setup.connections.max(1)).unwrap_or(1);
        Self {
            id: setup.id,
            address,
            rules: setup.rules,
            layers: setup.layers,
            salt: Arc::new(salt.expect("the kernel's random numbers")),
            permits: Arc::new(Semaphore::new(connections)),
            idle: Mutex::default(),
            mode: Mutex::default(),
            schema: Mutex::default(),
        }
    }

    pub(super) fn layers(&self) -> Layers {
        self.layers
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Starts work on a connection, as soon as one is free.
    pub(super) async fn start<T: Send + 'static>(
        self: &Arc<Self>,
        deadline: Instant,
        work: impl FnOnce(&mut Connection) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<Work<T>, ToolError> {
        let taken = self.take(deadline).await?;
        Ok(self.begin(taken, deadline, work))
    }

    /// Waits for a connection's turn.
    pub(super) async fn take(self: &Arc<Self>, deadline: Instant) -> Result<Taken, ToolError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout_at(deadline.into(), permit).await;
        let permit = permit.map_err(|_| {
            ToolError::unavailable("All connections are busy.", &self.id)
                .retry_after(Duration::from_secs(1))
        })?;
        let permit = permit.map_err(ToolError::internal)?;
        Ok(Taken { connection: self.connection().await?, permit })
    }

    /// Works on a thread.
    pub(super) fn begin<T: Send + 'static>(
        self: &Arc<Self>,
        taken: Taken,
        deadline: Instant,
        work: impl FnOnce(&mut Connection) -> Result<T, ToolError> + Send + 'static,
    ) -> Work<T> {
        let Taken { mut connection, permit } = taken;
        let call = connection.handle.begin(deadline);
        let (send, result) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let counted = Counted::begin();
            let result = pool.ready(&mut connection).and_then(|()| work(&mut connection));
            drop(counted);
            connection.handle.finish();
            pool.give_back(Taken { connection, permit });
            // Nobody waits where the call was cancelled.
            let _ = send.send(result);
        });
        Work { _call: call, result }
    }

    /// Works here and now, where that takes no longer than waking a thread would: for so long, and
    /// with all layers, since their clock is what ends it. `None` where it is not done, which
    /// leaves nothing behind.
    pub(super) fn at_once<T>(
        &self,
        taken: &Taken,
        work: impl FnOnce(&Connection) -> Option<T>,
    ) -> Option<T> {
        let connection = &taken.connection;
        let may_be = self.layers == Layers::ALL && !relations::is_restricted(&self.rules);
        if !may_be || !connection.is_set_up() {
            return None;
        }
        let call = connection.handle.begin(Instant::now() + GLANCE);
        connection.handle.hurry();
        let counted = Counted::begin();
        let result = work(connection);
        drop(counted);
        connection.handle.finish();
        drop(call);
        result
    }

    /// Keeps a connection that is clean for the next call.
    pub(super) fn give_back(&self, taken: Taken) {
        if taken.connection.handle.is_clean() {
            lock(&self.idle).push(taken.connection);
        }
    }

    /// A connection to the file as it is now: one that is idle, or a new one.
    async fn connection(&self) -> Result<Connection, ToolError> {
        let mode = self.mode()?;
        {
            let mut idle = lock(&self.idle);
            idle.retain(|connection| connection.mode == mode);
            if let Some(connection) = idle.pop() {
                return Ok(connection);
            }
        }
        let further = self.rules.functions.clone();
        let opened = Connection::open(&self.address, mode, self.layers, further).await;
        opened.map_err(|error| {
            let log = format!("{}: {error}", self.address.path.display());
            ToolError::unavailable(failure::UNREADABLE, log)
        })
    }

    /// How the file must be opened now.
    fn mode(&self) -> Result<Mode, ToolError> {
        let mut held = lock(&self.mode);
        let mode = Mode::of(&self.address, *held).map_err(|error| {
            let log = format!("{}: {error}", self.address.path.display());
            ToolError::unavailable(
                format!("The file of the database `{}` cannot be opened.", self.id),
                log,
            )
        })?;
        *held = Some(mode);
        Ok(mode)
    }

    /// Fails where a file that is read without locks was written to meanwhile.
    pub(super) fn still_is(&self, mode: Mode) -> Result<(), ToolError> {
        if matches!(mode, Mode::Still(_)) && Mode::of(&self.address, Some(mode)).ok() != Some(mode)
        {
            return Err(ToolError::unavailable(
                "The database began to change while it was read. Ask again.",
                &self.id,
            )
            .retry_after(Duration::from_secs(1)));
        }
        Ok(())
    }

    /// Sets the connection up, where it is new.
    fn ready(&self, connection: &mut Connection) -> Result<(), ToolError> {
        let plan = Plan { rules: &self.rules, layers: self.layers, salt: &self.salt };
        connection.make_ready(&plan)
    }

    /// Opens the file, and looks whether the rules speak of what is there. A file has no
    /// accounts, so no credential can be too much.
    pub(super) async fn vet(self: &Arc<Self>) -> Result<Vetted, ToolError> {
        let deadline = Instant::now() + PATIENCE;
        let pool = Arc::clone(self);
        let work = self.start(deadline, move |connection| {
            connection.schema_version().map_err(|failure| {
                failure::error(&connection.handle, &failure, "")
            })?;
            let relations = connection.handle.relations();
            let missing = pool.rules.mask.keys().find(|pattern| !relations.has_column(pattern));
            match missing {
                Some(pattern) => Err(ToolError::invalid(format!(
                    "The rule `{pattern}` masks nothing: there is no such column. Correct its name in servers.toml."
                ))),
                None => Ok(()),
            }
        });
        work.await?.finish(deadline).await?;
        Ok(Vetted {
            excess: Vec::new(),
            remedy: String::new(),
            server: format!("SQLite {}", raw::version()),
        })
    }

    /// Everything that the rules let be seen.
    pub(super) async fn schema(self: &Arc<Self>, deadline: Instant) -> Result<Schema, ToolError> {
        let pool = Arc::clone(self);
        let work = self.start(deadline, move |connection| {
            let fail = |failure| failure::error(&connection.handle, &failure, "");
            let version = connection.schema_version().map_err(fail)?;
            let mut held = lock(&pool.schema);
            let is_fresh = |read: &&Read| {
                read.mode == connection.mode && read.version == version && read.at.elapsed() < FRESH
            };
            if let Some(read) = held.as_ref().filter(is_fresh) {
                return Ok(read.schema.clone());
            }
            let schema = catalogue::schema(&connection.handle, &pool.rules).map_err(fail)?;
            pool.still_is(connection.mode)?;
            let (schema, mode) = (schema, connection.mode);
            *held = Some(Read { schema: schema.clone(), mode, version, at: Instant::now() });
            Ok(schema)
        });
        work.await?.finish(deadline).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
