//! `sql_schema`: what there is, from databases to the columns, keys and labels of a table.
//!
//! It says as much as fits a few thousand tokens at once: a small database with all of its
//! columns, a large one by the names of its tables, and everything else when it is asked for.

mod detail;
mod found;
mod held;
mod line;
#[cfg(test)]
pub(crate) mod samples;

use std::fmt::Write as _;
use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Resource, ResourceCall, Size, Target, Template,
    Text, Tool, ToolError,
};
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) use found::{table, unknown};
pub(crate) use held::Held;

use crate::Sql;
use crate::database::Database;
use crate::overview::{self, Entry};
use crate::schema::{Schema, Table};
use crate::words;

/// Describes databases.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_schema",
    title: "Describe databases",
    purpose: "Tables of a database; columns by `pattern` or `words`; keys, comments, enums of \
              `tables`.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(300),
    timeout: Duration::from_secs(15),
    size: Size::tokens(9_000),
    verified_by: None,
};

/// What the fence and the trailer may take of the size, in bytes.
const FRAME: usize = 800;
/// A database whose columns take no more bytes is described with all of them at once.
const SMALL: usize = 4_000;
/// The most tables that words find.
const HITS: usize = 25;
/// How long a list of databases waits to count their tables.
const GLANCE: Duration = Duration::from_secs(2);

pub(crate) struct Describe;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    database: Option<String>,
    /// `order*`, `sales.*`, `*`.
    #[schemars(length(max = 200))]
    pattern: Option<String>,
    #[schemars(length(max = 200))]
    words: Option<String>,
    #[schemars(length(max = 20), inner(length(max = 200)))]
    tables: Option<Vec<String>>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for Describe {
    type Server = Sql;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Sql, args: &Args) -> Target {
        server.databases.target(args.database.as_deref())
    }

    async fn call(server: &Sql, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let from = position(ctx, args.cursor.as_deref())?;
        let chosen = [args.pattern.is_some(), args.words.is_some(), args.tables.is_some()];
        let chosen = chosen.into_iter().filter(|one| *one).count();
        if chosen > 1 {
            return Err(ToolError::invalid("give one of `pattern`, `words` and `tables`."));
        }
        let visible: Vec<&Database> = server.databases.visible(ctx).collect();
        let database = match (&args.database, visible.as_slice()) {
            (None, [only]) => only,
            (None, []) => return Err(ToolError::not_found("there is no database you may see.")),
            (None, several) if chosen == 0 => return Ok(list(ctx, several).await),
            (name, _) => server.databases.named(ctx, name.as_deref())?,
        };
        let schema = database.described(ctx).await?;
        let page = Page { ctx, database, schema: &schema, from };
        match (args.pattern, args.words, args.tables) {
            (Some(pattern), ..) => page.matching(&pattern),
            (_, Some(words), _) => page.words(&words),
            (_, _, Some(tables)) => page.tables(&tables),
            _ => Ok(page.overview()),
        }
    }
}

/// The address of the schema of a database.
pub(crate) const TEMPLATE: Template = Template {
    uri: "sql://{database}/schema",
    name: "schema",
    description: "The tables of a database.",
    mime: "text/plain",
    tool: CONTRACT.name,
};

/// The schema of a database as a resource.
pub(crate) fn resource(database: &Database) -> Resource {
    Resource {
        uri: source(database),
        name: format!("schema of {}", database.title.as_deref().unwrap_or(&database.id)),
        mime: TEMPLATE.mime,
        size: None,
        target: database.target(),
        tool: CONTRACT.name,
    }
}

/// The call that reads a schema, where the address is one.
pub(crate) fn call_of(uri: &str) -> Option<ResourceCall> {
    let id = uri.strip_prefix("sql://")?.strip_suffix("/schema")?;
    let mut args = Map::new();
    args.insert("database".to_owned(), Value::from(id));
    (!id.is_empty() && !id.contains('/')).then_some(ResourceCall {
        tool: CONTRACT.name,
        args,
        mime: TEMPLATE.mime,
    })
}

fn source(database: &Database) -> String {
    format!("sql://{}/schema", database.id)
}

/// How many entries come before the page of a cursor; none without one.
fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<usize, ToolError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let position = ctx.open_cursor(cursor)?;
    let from = position.get("from").and_then(Value::as_u64);
    from.and_then(|from| usize::try_from(from).ok())
        .ok_or_else(|| ToolError::invalid("the cursor is of another tool; call again without it."))
}

/// The databases, in our own words: the operator wrote the titles.
async fn list(ctx: &Ctx, databases: &[&Database]) -> Text {
    let asked =
        databases.iter().map(|database| tokio::time::timeout(GLANCE, database.described(ctx)));
    let counted = join_all(asked).await;
    let mut text = String::new();
    for (database, counted) in databases.iter().zip(counted) {
        text.push_str(&database.id);
        if let Some(title) = &database.title {
            let _ = write!(text, " — {title}");
        }
        let tables = match counted {
            Ok(Ok(schema)) => format!("{} tables", schema.tables.len()),
            Ok(Err(_)) => "does not answer".to_owned(),
            Err(_) => "no answer yet".to_owned(),
        };
        let _ = writeln!(text, " ({}, {tables})", database.family);
    }
    let _ =
        write!(text, "databases 1-{0} of {0}; next: sql_schema with `database`", databases.len());
    Text { parts: vec![Part::Text(text)], more: Some("name a `database`") }
}

/// One page of a description.
struct Page<'a> {
    ctx: &'a Ctx,
    database: &'a Database,
    schema: &'a Schema,
    from: usize,
}

impl Page<'_> {
    /// All columns of a small database, the names of the tables of a large one.
    fn overview(&self) -> Text {
        let tables = &self.schema.tables;
        let line = |table: &Table| line::of(self.schema, table);
        let mut size = 0;
        let is_small = tables.iter().all(|table| {
            size += line(table).len() + 1;
            size <= SMALL
        });
        if is_small {
            return self.lines(tables, line, "keys, indexes, comments: `tables`");
        }
        let entries = overview::entries(self.schema);
        let largest = overview::largest(self.schema).unwrap_or_default();
        let room = self.room().saturating_sub(largest.len());
        let (mut text, shown) = fit(&entries, self.from, room, overview::append);
        if !largest.is_empty() {
            let _ = write!(text, "\n{largest}");
        }
        let count = |entries: &[Entry]| entries.iter().map(|entry| entry.tables).sum::<usize>();
        let before = count(entries.get(..self.from).unwrap_or_default());
        let here = count(entries.get(self.from..self.from + shown).unwrap_or_default());
        let is_last = self.from + shown >= entries.len();
        let trailer = self.trailer("tables", before, here, tables.len(), shown, is_last);
        let mut on_page = entries.iter().skip(self.from).take(shown);
        let has_pairs = on_page.any(overview::is_of_pairs);
        let legend = if has_pairs { "; {a b}_{c d}: every pair" } else { "" };
        self.text(text, format!("{trailer}{legend}; columns: `pattern` or `words`"))
    }

    fn matching(&self, pattern: &str) -> Result<Text, ToolError> {
        let tables: Vec<&Table> = found::matching(self.schema, pattern).collect();
        if tables.is_empty() {
            return Err(unknown(self.schema, &self.database.id, pattern));
        }
        Ok(self.lines(&tables, |table| line::of(self.schema, table), ""))
    }

    fn words(&self, words: &str) -> Result<Text, ToolError> {
        let found = words::find(self.schema, words);
        if found.is_empty() {
            return Err(ToolError::not_found(format!(
                "no table, column or comment in {} says `{words}`; try other words, or call with \
                 `database` alone for all names.",
                self.database.id
            )));
        }
        let line = |one: &words::Found| {
            let table = self.schema.tables.get(one.table)?;
            let wanted: Vec<&str> = one
                .columns
                .iter()
                .filter_map(|at| Some(table.columns.get(*at)?.name.as_str()))
                .collect();
            let is_wanted =
                |column: &crate::schema::TableColumn| wanted.contains(&column.name.as_str());
            let mut line = line::with(self.schema, table, is_wanted);
            if let Some(comment) = table.comment.as_deref().filter(|text| !text.is_empty()) {
                let _ = write!(line, " -- {}", detail::clip(comment, 100));
            }
            Some(line)
        };
        let lines: Vec<String> = found.iter().take(HITS).filter_map(line).collect();
        let hint = match found.len().checked_sub(HITS) {
            Some(more @ 1..) => format!("{more} more fit less well; all columns: `tables`"),
            _ => "all columns: `tables`".to_owned(),
        };
        Ok(self.lines(&lines, Clone::clone, &hint))
    }

    fn tables(&self, wanted: &[String]) -> Result<Text, ToolError> {
        let mut lines = Vec::new();
        for name in wanted {
            let table = found::table(self.schema, name)
                .ok_or_else(|| unknown(self.schema, &self.database.id, name))?;
            lines.extend(detail::of(self.schema, table).into_iter().map(|line| line + "\n"));
        }
        let (text, shown) =
            fit(&lines, self.from, self.room(), |text, _, line| text.push_str(line));
        let is_last = self.from + shown >= lines.len();
        let trailer = self.trailer("lines", self.from, shown, lines.len(), shown, is_last);
        Ok(self.text(text, trailer))
    }

    /// Tables, one a line; lines are written as far as there is room.
    fn lines<T>(&self, tables: &[T], line: impl Fn(&T) -> String, hint: &str) -> Text {
        let (text, shown) = fit(tables, self.from, self.room(), |text, _, table| {
            text.push_str(&line(table));
            text.push('\n');
        });
        let (is_last, total) = (self.from + shown >= tables.len(), tables.len());
        let trailer = self.trailer("tables", self.from, shown, total, shown, is_last);
        let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
        self.text(text, format!("{trailer}; {}{hint}", line::LEGEND))
    }

    /// Which of how many are shown, and how to go on.
    fn trailer(
        &self,
        what: &str,
        before: usize,
        here: usize,
        total: usize,
        shown: usize,
        is_last: bool,
    ) -> String {
        if here == 0 {
            return format!("no {what} after {before} of {total}");
        }
        let mut trailer = format!("{what} {}-{} of {total}", before + 1, before + here);
        if !is_last {
            let cursor = self.ctx.seal_cursor(&json!({ "from": self.from + shown }));
            let _ = write!(trailer, "; next: cursor={cursor}");
        }
        trailer
    }

    fn room(&self) -> usize {
        self.ctx.size().bytes().saturating_sub(FRAME)
    }

    fn text(&self, text: String, trailer: String) -> Text {
        let source = source(self.database);
        let parts = vec![Part::Untrusted { source, text }, Part::Text(trailer)];
        Text { parts, more: Some("go on with the cursor") }
    }
}

/// As many entries as fit, at least one; the text and their number.
fn fit<T>(
    entries: &[T],
    from: usize,
    room: usize,
    append: impl Fn(&mut String, Option<&T>, &T),
) -> (String, usize) {
    let mut text = String::new();
    let mut before = None;
    let mut shown = 0;
    for entry in entries.iter().skip(from) {
        let end = text.len();
        append(&mut text, before, entry);
        if shown > 0 && text.len() > room {
            text.truncate(end);
            break;
        }
        before = Some(entry);
        shown += 1;
    }
    (text, shown)
}

#[cfg(test)]
mod tests;
