//! `suite demo`: the main job on embedded defaults, told step by step. It starts the servers as a
//! host would, as child processes on pipes, and speaks the protocol to them.

mod host;
mod mail;
mod person;
mod ticket;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::terminal::{BAD, DIM, GOOD, NAME, TITLE, columns};
use host::Host;
use person::Person;

/// The documentation that ships with suite, and a page that nobody but payroll may read.
const PAGES: &[(&str, &str)] = &[
    ("docs/getting-started.md", include_str!("../../../docs/getting-started.md")),
    ("docs/configuration.md", include_str!("../../../docs/configuration.md")),
    ("docs/roles.md", include_str!("../../../docs/roles.md")),
    ("docs/records.md", include_str!("../../../docs/records.md")),
    ("docs/hosts.md", include_str!("../../../docs/hosts.md")),
    ("docs/security.md", include_str!("../../../docs/security.md")),
    ("docs/servers/docs.md", include_str!("../../../docs/servers/docs.md")),
    ("docs/servers/sql.md", include_str!("../../../docs/servers/sql.md")),
    ("docs/servers/tickets.md", include_str!("../../../docs/servers/tickets.md")),
    ("docs/servers/mail.md", include_str!("../../../docs/servers/mail.md")),
    ("payroll/2026.md", "# Salaries\n\nConfidential.\n"),
];

/// A small shop; samples/sales.sql says what is in it.
const SHOP: &[u8] = include_bytes!("../../../samples/sales.db");

const SERVERS: &str = r#"[people]                     # deny by default
"*" = ["reader", "analyst", "reporter", "writer"]
ann = ["lead"]
[roles.reader]
tools   = ["docs_*"]
targets = { collection = ["suite"] }
[roles.analyst]
tools   = ["sql_*"]
targets = { database = ["sales"] }
[roles.reporter]
tools   = ["ticket_*"]
targets = { project = ["shop"] }
[roles.writer]
tools   = ["mail_*"]
targets = { account = ["shop"] }
[roles.lead]
approves = ["ticket_*", "mail_send"]
targets  = { project = ["shop"], account = ["shop"] }
[servers.docs]
purpose = "Answer questions about suite from its own documentation."
owner   = "you"
[[servers.docs.collections]]
name = "suite"
path = "docs"
[[servers.docs.collections]]
name = "payroll"
path = "payroll"
[servers.sql]
purpose = "Answer questions about sales from a sample database."
owner   = "you"
[servers.sql.databases.sales]
url  = "sqlite:sales.db"
mask = { "main.customers.email" = "hash", "main.customers.phone" = "last4" }
[servers.tickets]
purpose = "File tickets about the shop on this machine."
owner   = "you"
[servers.tickets.projects.shop]
title  = "A small shop."
labels = ["stock"]
[servers.mail]
purpose = "Write to the mills that the shop buys from."
owner   = "you"
[servers.mail.accounts.shop]
from       = "The shop <shop@shop.example>"
recipients = ["*@mill.example", "books@shop.example"]
send       = true
"#;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    lay_out(folder.path())?;
    anstream::println!(
        "{TITLE}suite demo{TITLE:#}  Four MCP servers, an agent's questions, a ticket and a mail that a person approves, and the records of it all.\n\
         {DIM}No key, no network; everything happens in {} and is gone afterwards.{DIM:#}",
        folder.path().display()
    );
    heading(1, "A host starts the servers, as its children, on two pipes each");
    let (mut docs, mut sql) = (start(folder.path(), "docs")?, start(folder.path(), "sql")?);
    let mut tickets = start(folder.path(), "tickets")?;
    let mut mail = start(folder.path(), "mail")?;
    read(&mut docs)?;
    query(&mut sql)?;
    let wanted = ticket::draft(&mut tickets)?;
    let person = Person::new(folder.path())?;
    ticket::approve(&mut tickets, &person, &wanted)?;
    ticket::file(&mut tickets, &wanted)?;
    mail::send(&mut mail, &person, folder.path())?;
    heading(8, "What is not allowed does not happen");
    refuse_reading(&mut docs)?;
    refuse_writing(&mut sql, &folder.path().join("sales.db"))?;
    docs.stop()?;
    sql.stop()?;
    tickets.stop()?;
    mail.stop()?;
    records(folder.path())?;
    wire()?;
    Ok(ExitCode::SUCCESS)
}

fn lay_out(folder: &Path) -> anyhow::Result<()> {
    let files = PAGES.iter().copied().chain([("servers.toml", SERVERS)]);
    for (name, text) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    std::fs::write(folder.join("sales.db"), SHOP)?;
    Ok(())
}

fn heading(number: u32, text: &str) {
    anstream::println!("\n{TITLE}{number}. {text}{TITLE:#}");
}

fn start(folder: &Path, server: &str) -> anyhow::Result<Host> {
    let mut host = Host::start(server, &folder.join("servers.toml"))?;
    let found = host.request("server/discover", json!({}))?;
    let tools = host.request("tools/list", json!({}))?;
    let name = found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].as_str().unwrap_or("?");
    let revisions: Vec<&str> = found["supportedVersions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    anstream::println!("   {NAME}{name}{NAME:#} speaks MCP {}", revisions.join(", "));
    for tool in tools["tools"].as_array().into_iter().flatten() {
        let text = |key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        anstream::println!(
            "   {NAME}{}{NAME:#}  {DIM}{}{DIM:#}",
            text("name"),
            text("description")
        );
    }
    Ok(host)
}

fn read(host: &mut Host) -> anyhow::Result<()> {
    heading(2, "The agent asks the documentation, and reads where the answer stands");
    let found =
        call(host, "docs_search", &json!({"query": "who may call which tool", "limit": 2}))?;
    show(&found);
    call(host, "docs_search", &json!({"query": "what does a record contain", "limit": 1}))
        .map(|found| show(&found))?;
    let passage =
        call(host, "docs_read", &json!({"collection": "suite", "path": "roles.md", "lines": 14}))?;
    show(&passage);
    anstream::println!(
        "   {DIM}Whatever a document says arrives between marks that name its source: it is data.{DIM:#}"
    );
    Ok(())
}

fn query(host: &mut Host) -> anyhow::Result<()> {
    heading(3, "The agent asks a database, which shows as much as it should");
    show(&call(host, "sql_schema", &json!({"database": "sales"}))?);
    let statement = "SELECT c.name, c.email, c.phone, sum(t.total_cents) AS cents \
        FROM customers c JOIN order_totals t ON t.customer_id = c.id \
        GROUP BY c.id ORDER BY cents DESC LIMIT 3";
    show(&call(host, "sql_query", &json!({"database": "sales", "statement": statement}))?);
    let late = "SELECT id FROM orders WHERE status = 'shipped' AND shipped_on IS NULL";
    let args = json!({"database": "sales", "statement": late, "expect": "empty"});
    show(&call(host, "sql_check", &args)?);
    let gone = "SELECT id, name FROM products WHERE stock = 0";
    let args = json!({"database": "sales", "statement": gone, "expect": "empty"});
    show(&call(host, "sql_check", &args)?);
    Ok(())
}

fn refuse_reading(host: &mut Host) -> anyhow::Result<()> {
    for args in [
        json!({"query": "salaries", "collection": "payroll"}),
        json!({"query": "salaries", "limitt": 3}),
    ] {
        let answer = call(host, "docs_search", &args)?;
        anstream::println!("   {BAD}{}{BAD:#}", text(&answer));
    }
    let answer = call(host, "docs_search", &json!({"query": "confidential salaries"}))?;
    let leaked = text(&answer).contains("payroll");
    let (style, verdict) = if leaked {
        (BAD, "payroll was found!")
    } else {
        (GOOD, "payroll is not searched, nor counted")
    };
    anstream::println!("   {style}{verdict}{style:#}");
    anyhow::ensure!(!leaked, "the demo found what it may not see");
    Ok(())
}

fn refuse_writing(host: &mut Host, database: &Path) -> anyhow::Result<()> {
    for statement in ["DELETE FROM orders", "SELECT 1; DROP TABLE orders"] {
        let answer =
            call(host, "sql_query", &json!({"database": "sales", "statement": statement}))?;
        anstream::println!("   {BAD}{}{BAD:#}", text(&answer));
    }
    let guess = "SELECT name FROM customers WHERE email LIKE '%@%'";
    show(&call(host, "sql_query", &json!({"database": "sales", "statement": guess}))?);
    anyhow::ensure!(std::fs::read(database)? == SHOP, "the demo changed a database");
    anstream::println!(
        "   {GOOD}the database is as it was, to the byte; a mask holds in conditions, too{GOOD:#}"
    );
    Ok(())
}

fn records(folder: &Path) -> anyhow::Result<()> {
    heading(9, "Every call left a record, refused ones too");
    let mut rows = vec![
        ["time", "who", "tool", "target", "outcome", "µs", "because"].map(str::to_owned).to_vec(),
    ];
    let of = |server: &str| state::tail(&folder.join(format!("state/{server}/records")), 50);
    let all = [of("docs")?, of("sql")?, of("tickets")?, of("mail")?];
    for record in all.into_iter().flatten() {
        if record["event"] != "call" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let because = match record["decision"]["rule"].as_str() {
            _ if record["outcome"] == "pending" => "it waits for a person".to_owned(),
            Some(rule) if record["error"].is_null() || record["outcome"] == "denied" => {
                rule.replace(&format!("{}/", folder.display()), "")
            }
            _ => text(&record["detail"]),
        };
        rows.push(vec![
            text(&record["time"]).chars().skip(11).take(12).collect(),
            text(&record["principal"]["subject"]),
            text(&record["tool"]),
            text(&record["target"]),
            text(&record["outcome"]),
            record["duration_us"].to_string(),
            because,
        ]);
    }
    for line in columns(&rows).lines() {
        anstream::println!("   {line}");
    }
    ticket::account(folder)
}

fn wire() -> anyhow::Result<()> {
    heading(10, "Wire it into your host");
    let suite = std::env::current_exe()?;
    let config = std::env::current_dir()?.join("servers.toml");
    let entry = |server: &str| json!({"command": suite, "args": [server, "--config", config]});
    let entries = json!({"mcpServers": {"suite-docs": entry("docs"), "suite-sql": entry("sql"), "suite-tickets": entry("tickets"), "suite-mail": entry("mail")}});
    anstream::println!(
        "   Claude Code   {NAME}claude mcp add suite-docs -- {suite} docs --config {config}{NAME:#}\n   \
         \x20             {NAME}claude mcp add suite-sql -- {suite} sql --config {config}{NAME:#}\n   \
         \x20             {NAME}claude mcp add suite-tickets -- {suite} tickets --config {config}{NAME:#}\n   \
         \x20             {NAME}claude mcp add suite-mail -- {suite} mail --config {config}{NAME:#}\n   \
         Others        {NAME}{entries}{NAME:#}\n   \
         {DIM}docs/hosts.md has VS Code, Codex, Gemini and more; `suite check` explains who may call what.{DIM:#}",
        suite = suite.display(),
        config = config.display(),
    );
    Ok(())
}

/// Calls a tool and says so.
fn call(host: &mut Host, tool: &str, args: &Value) -> anyhow::Result<Value> {
    anstream::println!("   {GOOD}→{GOOD:#} {NAME}{tool}{NAME:#} {args}");
    host.request("tools/call", json!({"name": tool, "arguments": args}))
}

fn text(answer: &Value) -> String {
    answer["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

fn show(answer: &Value) {
    quote(&text(answer));
}

/// Shows what somebody else wrote.
fn quote(text: &str) {
    for line in text.lines() {
        anstream::println!("     {DIM}│{DIM:#} {line}");
    }
}
