//! What the gate asks of the database's catalogue, and remembers for a short time.
//!
//! Look-ups are by name, as one user sees one database; the statements are in [`statements`].
//! A memory is good for [`LIFETIME`]: whoever makes a function volatile waits that long.

pub(crate) mod facts;
mod statements;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::ToolError;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;

use facts::{Function, Pointer, Relation, Taint, TaintedType};

/// How long an answer is believed.
const LIFETIME: Duration = Duration::from_secs(30);
/// The most answers of each kind that are kept.
const MOST: usize = 500;

/// A name, with the schema where it is written.
pub(crate) type Name = (Option<String>, String);

/// Look-ups in the catalogue of one database as one user sees it.
#[derive(Debug)]
pub(crate) struct Catalogue {
    relations: Kept<Name, Option<Relation>>,
    functions: Kept<Name, Vec<Function>>,
    operators: Kept<Name, Vec<Pointer>>,
    taint: Kept<(), Taint>,
    /// What hashes of masked values begin from: random, and the same as long as the process runs.
    salt: String,
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random).expect("the system has random bytes");
        let salt = random.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Self {
            relations: Kept::default(),
            functions: Kept::default(),
            operators: Kept::default(),
            taint: Kept::default(),
            salt,
        }
    }

    /// The secret that hashes of masked values are keyed with.
    pub(crate) fn salt(&self) -> &str {
        &self.salt
    }

    /// Tables and views by name; `None` where there is none.
    pub(crate) async fn relations(
        &self,
        conn: &mut PgConnection,
        names: &[Name],
    ) -> Result<Vec<Arc<Option<Relation>>>, ToolError> {
        let missing = self.relations.missing(names);
        if !missing.is_empty() {
            let mut found = ask::<Relation>(conn, statements::RELATIONS, &missing).await?;
            for name in missing {
                let relation = found.remove(&name).and_then(|mut found| found.pop());
                self.relations.keep(name, relation);
            }
        }
        Ok(names.iter().map(|name| self.relations.get(name).unwrap_or_default()).collect())
    }

    /// The functions that each name may mean, whatever their arguments.
    pub(crate) async fn functions(
        &self,
        conn: &mut PgConnection,
        names: &[Name],
    ) -> Result<Vec<Arc<Vec<Function>>>, ToolError> {
        let missing = self.functions.missing(names);
        if !missing.is_empty() {
            let mut found = ask::<Function>(conn, statements::FUNCTIONS, &missing).await?;
            for name in missing {
                let functions = found.remove(&name).unwrap_or_default();
                self.functions.keep(name, functions);
            }
        }
        Ok(names.iter().map(|name| self.functions.get(name).unwrap_or_default()).collect())
    }

    /// The functions behind the operators that each name may mean, where they are volatile or not
    /// PostgreSQL's own; with their negators and commutators, which the planner may use instead.
    pub(crate) async fn operators(
        &self,
        conn: &mut PgConnection,
        names: &[Name],
    ) -> Result<Vec<Arc<Vec<Pointer>>>, ToolError> {
        let missing = self.operators.missing(names);
        if !missing.is_empty() {
            let mut found = ask::<Pointer>(conn, statements::OPERATORS, &missing).await?;
            for name in missing {
                let functions = found.remove(&name).unwrap_or_default();
                self.operators.keep(name, functions);
            }
        }
        Ok(names.iter().map(|name| self.operators.get(name).unwrap_or_default()).collect())
    }

    /// The types by which something volatile is called without being named.
    pub(crate) async fn taint(&self, conn: &mut PgConnection) -> Result<Arc<Taint>, ToolError> {
        if let Some(taint) = self.taint.get(&()) {
            return Ok(taint);
        }
        let asked = sqlx::query_as(statements::TAINT).persistent(false);
        let rows: Vec<(String,)> = asked.fetch_all(&mut *conn).await.map_err(failed)?;
        let mut taint = Taint::default();
        let mut new = Vec::new();
        for (json,) in rows {
            new.extend(taint.add(read(&json)?));
        }
        while !new.is_empty() {
            let asked = sqlx::query_as(statements::HOLDERS).bind(new).persistent(false);
            let rows: Vec<(i64, String)> = asked.fetch_all(&mut *conn).await.map_err(failed)?;
            new = Vec::new();
            for (of, json) in rows {
                let mut holder: TaintedType = read(&json)?;
                holder.on_use = taint.by_oid(of).is_some_and(|held| held.on_use);
                new.extend(taint.add(holder));
            }
        }
        self.taint.keep((), taint);
        Ok(self.taint.get(&()).unwrap_or_default())
    }

    /// Names of relations that may be read, to suggest one.
    pub(crate) async fn relation_names(
        &self,
        conn: &mut PgConnection,
    ) -> Result<Vec<(String, String)>, ToolError> {
        let asked = sqlx::query_as(statements::RELATION_NAMES).persistent(false);
        asked.fetch_all(conn).await.map_err(failed)
    }

    /// Names of functions that begin alike, to suggest one.
    pub(crate) async fn function_names(
        &self,
        conn: &mut PgConnection,
        like: &str,
    ) -> Result<Vec<String>, ToolError> {
        let first: String = like.chars().take(1).collect();
        let asked = sqlx::query_as(statements::FUNCTION_NAMES).bind(first).persistent(false);
        let rows: Vec<(String,)> = asked.fetch_all(conn).await.map_err(failed)?;
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }
}

/// Asks for all names at once.
async fn ask<T: DeserializeOwned>(
    conn: &mut PgConnection,
    statement: &'static str,
    names: &[Name],
) -> Result<HashMap<Name, Vec<T>>, ToolError> {
    let (schemas, plain): (Vec<_>, Vec<_>) = names.iter().cloned().unzip();
    let rows: Vec<(i64, String)> = sqlx::query_as(statement)
        .bind(schemas)
        .bind(plain)
        .persistent(false)
        .fetch_all(conn)
        .await
        .map_err(failed)?;
    let mut found: HashMap<Name, Vec<T>> = HashMap::new();
    for (number, json) in rows {
        let name = usize::try_from(number - 1).ok().and_then(|at| names.get(at));
        let name = name.ok_or_else(|| ToolError::internal("the catalogue miscounts"))?;
        found.entry(name.clone()).or_default().push(read(&json)?);
    }
    Ok(found)
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, ToolError> {
    serde_json::from_str(json).map_err(|error| {
        ToolError::internal(format!("the catalogue answers unexpectedly: {error}: {json}"))
    })
}

/// What the caller learns when the catalogue does not answer.
pub(crate) fn failed(error: sqlx::Error) -> ToolError {
    match &error {
        sqlx::Error::Database(said) if said.code().as_deref() == Some("57014") => {
            ToolError::new(contract::error::Kind::Timeout, "the time was up before it could run")
        }
        sqlx::Error::Database(said) if !said.code().is_some_and(|code| code.starts_with("57")) => {
            ToolError::internal(format!("the catalogue cannot be asked: {error}"))
        }
        _ => ToolError::unavailable("the database does not answer.", error)
            .retry_after(Duration::from_secs(1)),
    }
}

/// Answers with their age.
#[derive(Debug)]
struct Kept<K, V> {
    answers: Mutex<HashMap<K, (Instant, Arc<V>)>>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { answers: Mutex::default() }
    }
}

impl<K: Hash + Eq + Clone, V> Kept<K, V> {
    fn get(&self, key: &K) -> Option<Arc<V>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has just been asked for is given even where asking took long.
        answers.get(key).map(|(_, value)| Arc::clone(value))
    }

    /// Those that are not known, or no longer; each once.
    fn missing(&self, keys: &[K]) -> Vec<K> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<K> = Vec::new();
        for key in keys {
            if answers.get(key).is_some_and(|(since, _)| since.elapsed() > LIFETIME) {
                answers.remove(key);
            }
            if !answers.contains_key(key) && !missing.contains(key) {
                missing.push(key.clone());
            }
        }
        missing
    }

    fn keep(&self, key: K, value: V) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MOST {
            answers.retain(|_, (since, _)| since.elapsed() <= LIFETIME / 2);
        }
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(key, (Instant::now(), Arc::new(value)));
    }
}
