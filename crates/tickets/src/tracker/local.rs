//! Tickets kept on this machine, in SQLite: the embedded default, which needs no account.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use contract::ToolError;
use contract::ctx::BoxFuture;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};
use tokio::sync::OnceCell;

use super::{
    Comment, Found, Hit, Hits, Lost, Outgoing, Receipt, Remark, Ticket, Tracker, Wanted, Which,
};
use crate::inert::Dialect;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS tickets (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    labels TEXT NOT NULL,
    fields TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    author TEXT NOT NULL,
    created TEXT NOT NULL,
    changed TEXT NOT NULL,
    marker TEXT NOT NULL UNIQUE,
    UNIQUE (project, number)
) STRICT;
CREATE TABLE IF NOT EXISTS comments (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    author TEXT NOT NULL,
    created TEXT NOT NULL,
    marker TEXT NOT NULL UNIQUE,
    FOREIGN KEY (project, number) REFERENCES tickets (project, number)
) STRICT;
CREATE INDEX IF NOT EXISTS comments_by_ticket ON comments (project, number, id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (title, body, content = '');
";

pub(crate) struct Local {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
}

/// A number of a ticket here.
fn number(ticket: &str) -> Result<i64, ToolError> {
    let digits = ticket.strip_prefix('#').unwrap_or(ticket);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| ToolError::invalid("ticket: write its number, such as 12."))
}

fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// A fault of the file.
fn fault(error: sqlx::Error) -> ToolError {
    let message = "the local tickets cannot be read or written; tell the operator.";
    ToolError::unavailable(message, contract::error::causes(&error))
}

fn nothing(error: sqlx::Error) -> Lost {
    Lost::Nothing(fault(error))
}

impl Local {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join("tickets.db"), pool: OnceCell::new() }
    }

    async fn pool(&self) -> Result<&SqlitePool, sqlx::Error> {
        self.pool.get_or_try_init(|| state::connected(&self.path, SCHEMA)).await
    }

    /// Files it in one transaction.
    async fn file(&self, at: &str, outgoing: &Outgoing) -> Result<Receipt, Lost> {
        let pool = self.pool().await.map_err(nothing)?;
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(nothing)?;
        let number: i64 = sqlx::query_scalar(
            "SELECT coalesce(max(number), 0) + 1 FROM tickets WHERE project = ?",
        )
        .bind(at)
        .fetch_one(&mut *transaction)
        .await
        .map_err(nothing)?;
        let time = now();
        let done = sqlx::query(
            "INSERT INTO tickets (project, number, title, body, labels, fields, author, created, changed, marker)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(at)
        .bind(number)
        .bind(&outgoing.title)
        .bind(&outgoing.body)
        .bind(json!(outgoing.labels).to_string())
        .bind(Value::Object(outgoing.fields.clone()).to_string())
        .bind(&outgoing.author)
        .bind(&time)
        .bind(&time)
        .bind(&outgoing.marker)
        .execute(&mut *transaction)
        .await
        .map_err(nothing)?;
        sqlx::query("INSERT INTO words (rowid, title, body) VALUES (?, ?, ?)")
            .bind(done.last_insert_rowid())
            .bind(&outgoing.title)
            .bind(&outgoing.body)
            .execute(&mut *transaction)
            .await
            .map_err(nothing)?;
        // A commit that fails may have happened.
        transaction.commit().await.map_err(|error| Lost::Unknown(error.to_string()))?;
        Ok(Receipt { ticket: number.to_string(), comment: None, url: String::new() })
    }

    async fn add(&self, at: &str, ticket: &str, outgoing: &Outgoing) -> Result<Receipt, Lost> {
        let number = number(ticket).map_err(Lost::Nothing)?;
        let pool = self.pool().await.map_err(nothing)?;
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(nothing)?;
        let touched =
            sqlx::query("UPDATE tickets SET changed = ? WHERE project = ? AND number = ?")
                .bind(now())
                .bind(at)
                .bind(number)
                .execute(&mut *transaction)
                .await
                .map_err(nothing)?;
        if touched.rows_affected() == 0 {
            return Err(Lost::Nothing(unknown(number)));
        }
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO comments (project, number, body, author, created, marker)
             VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(at)
        .bind(number)
        .bind(&outgoing.body)
        .bind(&outgoing.author)
        .bind(now())
        .bind(&outgoing.marker)
        .fetch_one(&mut *transaction)
        .await
        .map_err(nothing)?;
        transaction.commit().await.map_err(|error| Lost::Unknown(error.to_string()))?;
        let comment = Some(id.to_string());
        Ok(Receipt { ticket: number.to_string(), comment, url: String::new() })
    }

    async fn look(&self, at: &str, outgoing: &Outgoing) -> Result<Found<Receipt>, sqlx::Error> {
        let pool = self.pool().await?;
        let found = if outgoing.on.is_some() {
            sqlx::query("SELECT number, id FROM comments WHERE project = ? AND marker = ?")
        } else {
            sqlx::query("SELECT number, NULL AS id FROM tickets WHERE project = ? AND marker = ?")
        };
        let row = found.bind(at).bind(&outgoing.marker).fetch_optional(pool).await?;
        Ok(row.map_or(Found::Nowhere, |row| {
            Found::At(Receipt {
                ticket: row.get::<i64, _>("number").to_string(),
                comment: row.get::<Option<i64>, _>("id").map(|id| id.to_string()),
                url: String::new(),
            })
        }))
    }

    async fn one(&self, at: &str, number: i64, skip: u64) -> Result<Option<Ticket>, sqlx::Error> {
        let pool = self.pool().await?;
        let found = sqlx::query("SELECT * FROM tickets WHERE project = ? AND number = ?");
        let Some(row) = found.bind(at).bind(number).fetch_optional(pool).await? else {
            return Ok(None);
        };
        let listed = sqlx::query(
            "SELECT * FROM comments WHERE project = ? AND number = ? ORDER BY id LIMIT ? OFFSET ?",
        );
        let skipped = i64::try_from(skip).unwrap_or(i64::MAX);
        let size = i64::try_from(super::COMMENTS).unwrap_or(i64::MAX);
        let listed = listed.bind(at).bind(number).bind(size).bind(skipped).fetch_all(pool).await?;
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM comments WHERE project = ? AND number = ?")
                .bind(at)
                .bind(number)
                .fetch_one(pool)
                .await?;
        let count = u64::try_from(count).unwrap_or_default();
        Ok(Some(Ticket {
            hit: hit(&row),
            body: row.get("body"),
            author: row.get("author"),
            created: row.get("created"),
            url: String::new(),
            more: super::more(skip, listed.len(), count),
            comments: listed.iter().map(comment).collect(),
        }))
    }

    async fn matching(
        &self,
        at: &str,
        wanted: &Wanted<'_>,
    ) -> Result<(Vec<Hit>, bool), sqlx::Error> {
        let words = super::words(wanted.text);
        let any: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
        let any = any.join(" OR ");
        let state = match wanted.state {
            Which::Open => "open",
            Which::Closed => "closed",
            Which::All => "%",
        };
        let most = i64::try_from(wanted.most).unwrap_or(i64::MAX);
        let found = sqlx::query(
            "SELECT tickets.* FROM words CROSS JOIN tickets ON tickets.id = words.rowid
             WHERE words MATCH ? AND project = ? AND state LIKE ?
             ORDER BY bm25(words, 3.0, 1.0), number DESC LIMIT ?",
        );
        let found = found.bind(any).bind(at).bind(state).bind(most + 1);
        let rows = found.fetch_all(self.pool().await?).await?;
        let hits = rows.iter().take(wanted.most).map(hit).collect();
        Ok((hits, rows.len() > wanted.most))
    }
}

impl Tracker for Local {
    fn place(&self) -> String {
        "this machine".to_owned()
    }

    fn dialect(&self) -> Dialect {
        Dialect::Plain
    }

    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>> {
        Box::pin(async move {
            match &outgoing.on {
                None => self.file(at, outgoing).await,
                Some(ticket) => self.add(at, ticket, outgoing).await,
            }
        })
    }

    fn find<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
        _: i64,
    ) -> BoxFuture<'a, Result<Found<Receipt>, ToolError>> {
        Box::pin(async move { self.look(at, outgoing).await.map_err(fault) })
    }

    fn read<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        skip: u64,
    ) -> BoxFuture<'a, Result<Ticket, ToolError>> {
        Box::pin(async move {
            let number = number(ticket)?;
            let found = self.one(at, number, skip).await.map_err(fault)?;
            found.ok_or_else(|| unknown(number))
        })
    }

    fn comment<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        id: &'a str,
    ) -> BoxFuture<'a, Result<Comment, ToolError>> {
        Box::pin(async move {
            let (ticket, id) = (number(ticket)?, number(id)?);
            let pool = self.pool().await.map_err(fault)?;
            let found =
                sqlx::query("SELECT * FROM comments WHERE project = ? AND number = ? AND id = ?");
            let found = found.bind(at).bind(ticket).bind(id).fetch_optional(pool).await;
            let row = found.map_err(fault)?.ok_or_else(|| unknown(ticket))?;
            Ok(comment(&row))
        })
    }

    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>> {
        Box::pin(async move {
            if super::words(wanted.text).is_empty() {
                return Ok(Hits::default());
            }
            let (hits, has_more) = self.matching(at, wanted).await.map_err(fault)?;
            Ok(Hits { hits, has_more })
        })
    }

    fn examine<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Vec<Remark>> {
        Box::pin(async { Vec::new() })
    }
}

fn unknown(number: i64) -> ToolError {
    ToolError::not_found(format!("there is no ticket {number}; ticket_search finds tickets."))
}

fn hit(row: &SqliteRow) -> Hit {
    Hit {
        ticket: row.get::<i64, _>("number").to_string(),
        title: row.get("title"),
        state: row.get("state"),
        labels: serde_json::from_str(row.get("labels")).unwrap_or_default(),
        changed: row.get("changed"),
    }
}

fn comment(row: &SqliteRow) -> Comment {
    Comment {
        id: row.get::<i64, _>("id").to_string(),
        author: row.get("author"),
        created: row.get("created"),
        body: row.get("body"),
    }
}
