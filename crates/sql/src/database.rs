//! One database as the tools use it: who may ask it, whose turn it is, how long a statement may
//! take, and who it is told is asking.

mod address;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::ctx::BoxFuture;
use contract::{Ctx, Kind, Place, Principal, StartError, Target, ToolError};
use futures_util::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use address::{Address, Endpoint, Family};

use crate::describe::Held;
use crate::engine::{self, Engine, Layers, Plan, Rules, Run, Setup, Sink, Vetted};
use crate::param::Param;
use crate::schema::Schema;
use crate::settings::{Accept, DatabaseSettings, Settings, Tls, Who};

/// The kind of target that policy knows databases by.
pub(crate) const TARGET: &str = "database";

/// How long a start waits for all databases to say what their credentials may do.
const VET_WITHIN: Duration = Duration::from_secs(2);
/// What a call keeps back of its time to hand in its answer.
const MARGIN: Duration = Duration::from_millis(250);
/// How long an engine may outlive the deadline it was given.
const GRACE: Duration = Duration::from_secs(1);

/// One database.
pub(crate) struct Database {
    /// Its id in servers.toml.
    pub(crate) id: String,
    /// What it is, for people and models.
    pub(crate) title: Option<String>,
    /// Which dialect it speaks.
    pub(crate) family: Family,
    /// What one answer may take.
    pub(crate) limits: Limits,
    /// What is known of its schema.
    pub(crate) held: Held,
    engine: Box<dyn Engine>,
    /// Handed out in the order of asking: one caller's many statements hold up nobody for long.
    slots: Semaphore,
    session: BTreeMap<String, Who>,
    accept: Vec<Accept>,
}

/// What one answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most rows.
    pub(crate) rows: u64,
    /// Most bytes of one value.
    pub(crate) cell: usize,
    /// How long one statement may run, and how long it may wait for its turn.
    pub(crate) time: Duration,
}

/// One statement of a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// The text.
    pub(crate) statement: &'a str,
    /// The values of its placeholders, in order.
    pub(crate) params: &'a [Param],
    /// Rows to pass over.
    pub(crate) skip: u64,
    /// The most bytes of one value.
    pub(crate) cell: usize,
}

impl Database {
    /// Checks the settings and makes the engine. Connects to nothing.
    fn open(id: &str, settings: &DatabaseSettings, place: &Place) -> Result<Self, StartError> {
        let address = Address::of(id, settings)?;
        let password = settings.password.as_ref().map(|one| place.secret(one)).transpose()?;
        let urls = settings.replicas.iter().chain([&settings.url]);
        let connections = settings.connections.unwrap_or(5);
        let time = Duration::from_secs(u64::from(settings.seconds.unwrap_or(10)));
        let absolute = |path: &std::path::PathBuf| place.path(path);
        let engine = engine::engine(Setup {
            id: id.to_owned(),
            urls: urls.map(|url| address::absolute(url, place)).collect(),
            password,
            tls: Tls {
                mode: settings.tls.mode,
                ca: settings.tls.ca.as_ref().map(absolute),
                certificate: settings.tls.certificate.as_ref().map(absolute),
                key: settings.tls.key.as_ref().map(absolute),
            },
            connections,
            time,
            rules: Rules {
                allow: settings.allow.clone(),
                deny: settings.deny.clone(),
                mask: settings.mask.clone(),
                functions: settings.functions.clone(),
                cost: settings.cost,
            },
            accept: settings.accept.clone(),
            layers: Layers::ALL,
        })?;
        Ok(Self {
            id: id.to_owned(),
            title: settings.title.clone(),
            family: address.family,
            limits: Limits {
                rows: u64::from(settings.rows.unwrap_or(1_000)),
                cell: usize::try_from(settings.cell.unwrap_or(2_000)).unwrap_or(2_000),
                time,
            },
            held: Held::default(),
            engine,
            slots: Semaphore::new(usize::try_from(connections).unwrap_or(5)),
            session: settings.session.clone(),
            accept: settings.accept.clone(),
        })
    }

    /// Runs one statement and hands its rows to `sink`; returns whether there are more.
    pub(crate) async fn run(
        &self,
        ctx: &Ctx,
        ask: Ask<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, ToolError> {
        let (_turn, deadline) = self.turn(ctx.remaining()).await?;
        let session = self.session(ctx.principal());
        let run = ask.run(&session, deadline);
        self.within(deadline, self.engine.run(&run, sink)).await
    }

    /// The plan of a statement; with `analyze` it is run, read-only, and timed.
    pub(crate) async fn explain(
        &self,
        ctx: &Ctx,
        ask: Ask<'_>,
        analyze: bool,
    ) -> Result<Plan, ToolError> {
        let (_turn, deadline) = self.turn(ctx.remaining()).await?;
        let session = self.session(ctx.principal());
        let run = ask.run(&session, deadline);
        self.within(deadline, self.engine.explain(&run, analyze)).await
    }

    /// Everything the rules let be seen, in the order of names.
    pub(crate) async fn schema(&self, ctx: &Ctx) -> Result<Schema, ToolError> {
        let (_turn, deadline) = self.turn(ctx.remaining()).await?;
        self.within(deadline, self.engine.schema(deadline)).await
    }

    /// What the credential may do.
    pub(crate) async fn vet(&self) -> Result<Vetted, ToolError> {
        let (_turn, deadline) = self.turn(self.limits.time).await?;
        self.within(deadline, self.engine.vet()).await
    }

    /// What of that is neither reading nor accepted by name.
    pub(crate) fn too_much<'a>(&self, vetted: &'a Vetted) -> Vec<&'a engine::Excess> {
        vetted.excess.iter().filter(|excess| !self.accept.contains(&excess.kind)).collect()
    }

    /// Plans a statement on nobody's behalf, to find mistakes in it.
    pub(crate) async fn rehearse(&self, ask: Ask<'_>) -> Result<Plan, ToolError> {
        let (_turn, deadline) = self.turn(self.limits.time + MARGIN).await?;
        let nobody = self.nobody();
        let run = ask.run(&nobody, deadline);
        self.within(deadline, self.engine.explain(&run, false)).await
    }

    /// Runs a statement on nobody's behalf, to look for what an operator should know.
    pub(crate) async fn run_for_nobody(
        &self,
        ask: Ask<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, ToolError> {
        let (_turn, deadline) = self.turn(self.limits.time + MARGIN).await?;
        let nobody = self.nobody();
        let run = ask.run(&nobody, deadline);
        self.within(deadline, self.engine.run(&run, sink)).await
    }

    /// The schema, asked on nobody's behalf.
    pub(crate) async fn schema_for_nobody(&self) -> Result<Schema, ToolError> {
        let (_turn, deadline) = self.turn(self.limits.time + MARGIN).await?;
        self.within(deadline, self.engine.schema(deadline)).await
    }

    /// The session variables where nobody asks.
    fn nobody(&self) -> Vec<(String, String)> {
        self.session.keys().map(|name| (name.clone(), String::new())).collect()
    }

    /// Waits for a connection's turn; the time that the statement then has.
    async fn turn(&self, left: Duration) -> Result<(SemaphorePermit<'_>, Instant), ToolError> {
        let began = Instant::now();
        let patience = self.limits.time.min(left);
        let turn = match self.slots.try_acquire() {
            Ok(turn) => turn,
            Err(_) => match tokio::time::timeout(patience, self.slots.acquire()).await {
                Ok(Ok(turn)) => turn,
                Ok(Err(closed)) => return Err(ToolError::internal(closed)),
                Err(_) => return Err(self.busy()),
            },
        };
        let end = began + left.saturating_sub(MARGIN);
        Ok((turn, end.min(Instant::now() + self.limits.time)))
    }

    fn busy(&self) -> ToolError {
        let message = format!("all connections to `{}` are busy with other statements.", self.id);
        ToolError::new(Kind::Unavailable, message).retry_after(Duration::from_secs(1))
    }

    /// Engines keep to their deadline; one that does not is dropped, which cancels at the server.
    async fn within<T>(
        &self,
        deadline: Instant,
        work: BoxFuture<'_, Result<T, ToolError>>,
    ) -> Result<T, ToolError> {
        let done = tokio::time::timeout_at((deadline + GRACE).into(), work).await;
        done.unwrap_or_else(|_| {
            let message = format!(
                "`{}` did not finish within {} s; ask for less: filter, aggregate, or look at \
                 the plan.",
                self.id,
                self.limits.time.as_secs()
            );
            Err(ToolError::new(Kind::Timeout, message))
        })
    }

    /// The session variables that say who asks.
    fn session(&self, principal: &Principal) -> Vec<(String, String)> {
        let value = |who: &Who| match who {
            Who::Subject => principal.subject.clone(),
            Who::Identity => principal.identity.clone(),
        };
        self.session.iter().map(|(name, who)| (name.clone(), value(who))).collect()
    }

    /// What policy asks about.
    pub(crate) fn target(&self) -> Target {
        Target::one(TARGET, self.id.clone())
    }

    /// A database on an engine of a test's own.
    #[cfg(test)]
    pub(crate) fn on(id: &str, family: Family, limits: Limits, engine: Box<dyn Engine>) -> Self {
        Self {
            id: id.to_owned(),
            title: None,
            family,
            limits,
            held: Held::default(),
            engine,
            slots: Semaphore::new(2),
            session: BTreeMap::new(),
            accept: Vec::new(),
        }
    }
}

impl<'a> Ask<'a> {
    fn run(self, session: &'a [(String, String)], deadline: Instant) -> Run<'a> {
        let Self { statement, params, skip, cell } = self;
        Run { statement, params, session, skip, cell, deadline }
    }
}

/// All databases of the server, ordered by id.
pub(crate) struct Databases(Vec<Database>);

impl Databases {
    /// Checks the settings of all of them.
    pub(crate) fn open(settings: &Settings, place: &Place) -> Result<Self, StartError> {
        let opened = settings.databases.iter().map(|(id, one)| Database::open(id, one, place));
        Ok(Self(opened.collect::<Result<_, _>>()?))
    }

    /// Databases of a test's own.
    #[cfg(test)]
    pub(crate) fn of(databases: Vec<Database>) -> Self {
        Self(databases)
    }

    /// Every one, to be changed by a test.
    #[cfg(test)]
    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Database> {
        self.0.iter_mut()
    }

    /// Every one, whoever may see it.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Database> {
        self.0.iter()
    }

    /// Those that the caller may ask with the tool that runs.
    pub(crate) fn visible<'a>(&'a self, ctx: &'a Ctx) -> impl Iterator<Item = &'a Database> {
        self.iter().filter(|database| ctx.permits(&database.target()))
    }

    /// What a call touches: the database it names, or the only one there is.
    pub(crate) fn target(&self, name: Option<&str>) -> Target {
        Target::named_or_only(TARGET, name, self.iter().map(|database| &database.id))
    }

    /// The database of a call: the named one, or the only one there is.
    pub(crate) fn named(&self, ctx: &Ctx, name: Option<&str>) -> Result<&Database, ToolError> {
        let found = match (name, self.0.as_slice()) {
            (Some(name), all) => all.iter().find(|database| database.id == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        if let Some(database) = found.filter(|database| ctx.permits(&database.target())) {
            return Ok(database);
        }
        let known: Vec<String> = self.visible(ctx).map(|database| database.id.clone()).collect();
        let known_names = match known.as_slice() {
            [] => "there is none you may ask".to_owned(),
            known => format!("databases: {}", known.join(", ")),
        };
        Err(match name {
            Some(name) => {
                let unknown = contract::schema::unknown(name, &known);
                let listed = unknown.contains("known: ") || known.is_empty();
                let names = if listed { String::new() } else { format!(" {known_names}.") };
                ToolError::not_found(format!("database {unknown}.{names}").replace("?.", "?"))
            }
            None => ToolError::invalid(format!("name a `database`; {known_names}.")),
        })
    }

    /// Asks every database what its credential may do; refuses those that may do too much. One
    /// that does not answer is asked before its first statement.
    pub(crate) async fn vet(&self) -> Result<(), StartError> {
        let vetted = self.iter().map(|database| async move {
            if database.engine.is_vetted() {
                return None;
            }
            let asked = tokio::time::timeout(VET_WITHIN, database.vet()).await;
            match asked {
                Ok(Ok(vetted)) => return database.refusal(&vetted),
                Ok(Err(error)) => database.unvetted(&error.text(), error.log.as_deref()),
                Err(_) => database.unvetted("no answer yet", None),
            }
            None
        });
        let refused: Vec<String> = join_all(vetted).await.into_iter().flatten().collect();
        if refused.is_empty() { Ok(()) } else { Err(StartError::new(refused.join("\n\n"))) }
    }
}

/// The most that a refusal lists.
const LISTED: usize = 8;

impl Database {
    fn unvetted(&self, why: &str, log: Option<&str>) {
        tracing::warn!(
            database = self.id,
            "database `{}` could not be asked what its credential may do ({why}{}{}); it is asked \
             again before the first statement",
            self.id,
            if log.is_some() { ": " } else { "" },
            log.unwrap_or_default(),
        );
    }

    /// Why the server does not start with this credential.
    fn refusal(&self, vetted: &Vetted) -> Option<String> {
        let excess = self.too_much(vetted);
        if excess.is_empty() {
            return None;
        }
        let mut what: Vec<&str> =
            excess.iter().take(LISTED).map(|excess| excess.what.as_str()).collect();
        let more = format!("and {} more", excess.len().saturating_sub(LISTED));
        if excess.len() > LISTED {
            what.push(&more);
        }
        let mut kinds: Vec<Accept> = excess.iter().map(|excess| excess.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("\"{kind}\"")).collect();
        let mut text = format!(
            "databases.{}: its credential may do more than read: {}. Give it one that may not",
            self.id,
            what.join("; ")
        );
        if !vetted.remedy.is_empty() {
            text.push_str(&format!(", made like this:\n{}\n", vetted.remedy.trim_end()));
        }
        text.push_str(&format!(
            "{}or say that it may: accept = [{}]",
            if vetted.remedy.is_empty() { ", " } else { "" },
            kinds.join(", ")
        ));
        Some(text)
    }
}

#[cfg(test)]
mod tests;
