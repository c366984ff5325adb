//! The desk of a server that acts: what is drafted, and the journal of what left.
//!
//! One SQLite file, `desk.db`. A draft is a JSON document with a revision; whoever changes it makes
//! the next revision, and an approval is of one revision. The [`journal`] makes an effect happen
//! once, and [`delivery`] takes its steps around a sending.

pub mod delivery;
pub mod journal;

use std::path::{Path, PathBuf};

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};
use tokio::sync::OnceCell;

use crate::StateError;
use crate::store::{connected, now};

/// How many drafts of one person are kept that were not sent: the last written.
const MOST: i64 = 200;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS drafts (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    owner TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    marker TEXT NOT NULL,
    content TEXT NOT NULL,
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS drafts_by_owner ON drafts (owner, changed);
CREATE TABLE IF NOT EXISTS journal (
    id INTEGER PRIMARY KEY,
    draft TEXT NOT NULL,
    revision INTEGER NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    marker TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL,
    began INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reference TEXT,
    why TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS journal_once ON journal (draft) WHERE state <> 'failed';
CREATE INDEX IF NOT EXISTS journal_by_target ON journal (target, began);
";

/// The desk of one server.
#[derive(Debug)]
pub struct Desk {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
}

/// Something that is not sent yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name, the same for all revisions.
    pub id: String,
    /// How often it was written; the first time is 1.
    pub revision: u32,
    /// Whose it is.
    pub owner: String,
    /// Where it would go, as policy names it.
    pub target: String,
    /// What it is, such as `ticket` or `comment`.
    pub kind: String,
    /// What makes it known again where it arrived: 32 hexadecimal digits of its own.
    pub marker: String,
    /// What it says.
    pub content: Value,
    /// When it was first written, in milliseconds since 1970.
    pub created: i64,
    /// When it was last written, in milliseconds since 1970.
    pub changed: i64,
}

impl Draft {
    /// How a call names this revision: `web-4f2a9c.2`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.id, self.revision)
    }

    /// The id and the revision in a name; `None` where it names no revision.
    pub fn parse(name: &str) -> Option<(&str, u32)> {
        let (id, revision) = name.rsplit_once('.')?;
        let digits = !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_digit());
        Some((id, revision.parse().ok().filter(|_| digits)?))
    }

    /// The target in a name, with or without a revision; `None` where it names none.
    pub fn target_in(name: &str) -> Option<&str> {
        let id = Self::parse(name).map_or(name, |(id, _)| id);
        Some(id.rsplit_once('-')?.0)
    }
}

/// A draft that was not kept.
#[derive(Debug, thiserror::Error)]
pub enum Unkept {
    /// The owner has no such draft.
    #[error("there is no such draft")]
    Unknown,
    /// Somebody wrote another revision meanwhile; its number.
    #[error("revision {0} was written meanwhile")]
    Changed(u32),
    /// It was sent, or is being sent.
    #[error("it was sent, or is being sent")]
    Sent,
    /// The desk cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

impl Desk {
    /// The desk in `folder`; nothing is opened yet.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("desk.db"), pool: OnceCell::new() }
    }

    fn fault(&self) -> impl FnOnce(sqlx::Error) -> StateError + '_ {
        |error| StateError { path: self.path.clone(), source: std::io::Error::other(error) }
    }

    async fn pool(&self) -> Result<&SqlitePool, StateError> {
        let open = || connected(&self.path, SCHEMA);
        self.pool.get_or_try_init(open).await.map_err(self.fault())
    }

    /// Keeps a new draft. Of the owner's drafts that were not sent, those older than `keep`
    /// milliseconds are dropped, and the oldest where there are too many.
    pub async fn draft(
        &self,
        owner: &str,
        (target, kind): (&str, &str),
        content: &Value,
        keep: i64,
    ) -> Result<Draft, Unkept> {
        let (id, marker) = names(target)?;
        let draft = Draft {
            id,
            revision: 1,
            owner: owner.to_owned(),
            target: target.to_owned(),
            kind: kind.to_owned(),
            marker,
            content: content.clone(),
            created: now(),
            changed: now(),
        };
        // One statement, which asks as well whether there is something to drop.
        let oldest = draft.created.saturating_sub(keep);
        let is_more: bool = sqlx::query_scalar(
            "INSERT INTO drafts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             RETURNING (SELECT count(*) > ?10 OR min(changed) < ?11 FROM drafts WHERE owner = ?3)",
        )
        .bind(&draft.id)
        .bind(draft.revision)
        .bind(owner)
        .bind(target)
        .bind(kind)
        .bind(&draft.marker)
        .bind(content.to_string())
        .bind(draft.created)
        .bind(draft.changed)
        .bind(MOST)
        .bind(oldest)
        .fetch_one(self.pool().await?)
        .await
        .map_err(self.fault())?;
        if is_more {
            self.drop_old(&draft, oldest).await?;
        }
        Ok(draft)
    }

    /// Drops drafts of the owner that were not sent: the old ones, and those beyond the last.
    async fn drop_old(&self, newest: &Draft, oldest: i64) -> Result<(), StateError> {
        let dropped = sqlx::query(
            "DELETE FROM drafts WHERE owner = ?1 AND id <> ?4 AND id NOT IN (SELECT draft FROM journal)
             AND (changed < ?2 OR id NOT IN (SELECT id FROM drafts WHERE owner = ?1 AND id <> ?4
                  AND id NOT IN (SELECT draft FROM journal) ORDER BY changed DESC, id LIMIT ?3))",
        )
        .bind(&newest.owner)
        .bind(oldest)
        .bind(MOST - 1)
        .bind(&newest.id);
        dropped.execute(self.pool().await?).await.map(drop).map_err(self.fault())
    }

    /// Writes the next revision of a draft.
    pub async fn revise(&self, draft: &Draft, content: &Value) -> Result<Draft, Unkept> {
        let revised = sqlx::query(
            "UPDATE drafts SET revision = revision + 1, content = ?, changed = ?
             WHERE id = ? AND owner = ? AND revision = ?
             AND id NOT IN (SELECT draft FROM journal WHERE state NOT IN ('failed', 'approved'))
             RETURNING *",
        )
        .bind(content.to_string())
        .bind(now())
        .bind(&draft.id)
        .bind(&draft.owner)
        .bind(draft.revision);
        let row = revised.fetch_optional(self.pool().await?).await.map_err(self.fault())?;
        if let Some(row) = row {
            return Ok(read(&row));
        }
        match self.find(&draft.owner, &draft.id).await? {
            None => Err(Unkept::Unknown),
            Some(found) if found.revision != draft.revision => Err(Unkept::Changed(found.revision)),
            Some(_) => Err(Unkept::Sent),
        }
    }

    /// The newest revision of a draft of this owner.
    pub async fn find(&self, owner: &str, id: &str) -> Result<Option<Draft>, StateError> {
        let found = sqlx::query("SELECT * FROM drafts WHERE owner = ? AND id = ?");
        let row = found.bind(owner).bind(id).fetch_optional(self.pool().await?).await;
        Ok(row.map_err(self.fault())?.as_ref().map(read))
    }

    /// The drafts of this owner, the last written first.
    pub async fn drafts(&self, owner: &str, most: u32) -> Result<Vec<Draft>, StateError> {
        let listed =
            sqlx::query("SELECT * FROM drafts WHERE owner = ? ORDER BY changed DESC, id LIMIT ?");
        let rows = listed.bind(owner).bind(most).fetch_all(self.pool().await?).await;
        Ok(rows.map_err(self.fault())?.iter().map(read).collect())
    }
}

/// A new id in which the target can be read, and a new marker.
fn names(target: &str) -> Result<(String, String), StateError> {
    let mut random = [0u8; 20];
    let failed = |error: getrandom::Error| StateError {
        path: PathBuf::from("/dev/urandom"),
        source: std::io::Error::other(error),
    };
    getrandom::fill(&mut random).map_err(failed)?;
    let (id, marker) = random.split_at(4);
    Ok((format!("{target}-{}", contract::text::hex(id)), contract::text::hex(marker)))
}

fn read(row: &SqliteRow) -> Draft {
    Draft {
        id: row.get("id"),
        revision: row.get("revision"),
        owner: row.get("owner"),
        target: row.get("target"),
        kind: row.get("kind"),
        marker: row.get("marker"),
        content: serde_json::from_str(row.get("content")).unwrap_or_default(),
        created: row.get("created"),
        changed: row.get("changed"),
    }
}

#[cfg(test)]
mod tests;
