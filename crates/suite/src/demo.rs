//! `suite demo`: the main job on embedded defaults, told step by step. It starts the server as a
//! host would, as a child process on pipes, and speaks the protocol to it.

mod host;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::terminal::{BAD, DIM, GOOD, NAME, TITLE, columns};
use host::Host;

/// The documentation that ships with suite, and a page that nobody but payroll may read.
const PAGES: &[(&str, &str)] = &[
    ("docs/getting-started.md", include_str!("../../../docs/getting-started.md")),
    ("docs/configuration.md", include_str!("../../../docs/configuration.md")),
    ("docs/roles.md", include_str!("../../../docs/roles.md")),
    ("docs/records.md", include_str!("../../../docs/records.md")),
    ("docs/hosts.md", include_str!("../../../docs/hosts.md")),
    ("docs/security.md", include_str!("../../../docs/security.md")),
    ("docs/servers/docs.md", include_str!("../../../docs/servers/docs.md")),
    ("payroll/2026.md", "# Salaries\n\nConfidential.\n"),
];

const SERVERS: &str = r#"[people]                     # deny by default
"*" = ["reader"]
[roles.reader]
tools   = ["docs_*"]
targets = { collection = ["suite"] }
[servers.docs]
purpose = "Answer questions about suite from its own documentation."
owner   = "you"
[[servers.docs.collections]]
name = "suite"
path = "docs"
[[servers.docs.collections]]
name = "payroll"
path = "payroll"
"#;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    lay_out(folder.path())?;
    anstream::println!(
        "{TITLE}suite demo{TITLE:#}  One MCP server, one agent's questions, and the records they leave.\n\
         {DIM}No key, no network; everything happens in {} and is gone afterwards.{DIM:#}",
        folder.path().display()
    );
    let mut host = start(folder.path())?;
    ask(&mut host)?;
    refuse(&mut host)?;
    host.stop()?;
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
    Ok(())
}

fn heading(number: u32, text: &str) {
    anstream::println!("\n{TITLE}{number}. {text}{TITLE:#}");
}

fn start(folder: &Path) -> anyhow::Result<Host> {
    heading(1, "A host starts the server, as its child, on two pipes");
    let mut host = Host::start(&folder.join("servers.toml"))?;
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

fn ask(host: &mut Host) -> anyhow::Result<()> {
    heading(2, "The agent asks, and reads where the answer stands");
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

fn refuse(host: &mut Host) -> anyhow::Result<()> {
    heading(3, "What is not allowed does not happen");
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

fn records(folder: &Path) -> anyhow::Result<()> {
    heading(4, "Every call left a record, refused ones too");
    let mut rows = vec![
        ["time", "who", "tool", "target", "outcome", "µs", "because"].map(str::to_owned).to_vec(),
    ];
    for record in state::tail(&folder.join("state/docs/records"), 50)? {
        if record["event"] != "call" {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let because = match record["decision"]["rule"].as_str() {
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
    Ok(())
}

fn wire() -> anyhow::Result<()> {
    heading(5, "Wire it into your host");
    let suite = std::env::current_exe()?;
    let config = std::env::current_dir()?.join("servers.toml");
    let entry = json!({"mcpServers": {"suite-docs": {
        "command": suite, "args": ["docs", "--config", config]
    }}});
    anstream::println!(
        "   Claude Code   {NAME}claude mcp add suite-docs -- {suite} docs --config {config}{NAME:#}\n   \
         Others        {NAME}{entry}{NAME:#}\n   \
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
    for line in text(answer).lines() {
        anstream::println!("     {DIM}│{DIM:#} {line}");
    }
}
