//! What is tried against a hostile database, with all layers and with each one off: after every
//! statement a second connection, of a superuser, looks whether anything is as it was before.

mod fuzz;
mod state;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use contract::error::Kind;
use contract::{Secret, ToolError};
use servers::postgres::{PASSWORD, Postgres as Server, READER};

use self::state::Witness;
use super::Postgres;
use crate::engine::{Cell, Column, Engine, Layers, Rules, Run, Setup, Sink};
use crate::settings::{Mask, Tls, TlsMode};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/attacks/postgres.layers.txt");

/// How long a statement may run, so that none is only too slow to do what it would.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for those that would run for ever.
const HASTE: Duration = Duration::from_millis(500);
/// What every secret of the database begins with.
const CANARY: &str = "CANARY";

/// One line of the list.
struct Attack {
    class: String,
    /// As it is written in the list.
    line: String,
    is_harmless: bool,
}

impl Attack {
    fn all() -> Vec<Self> {
        let mut class = String::new();
        let mut attacks = Vec::new();
        for line in file("attacks/postgres.txt").lines() {
            if let Some(name) = line.strip_prefix("## ") {
                name.clone_into(&mut class);
            } else if !line.is_empty() && !line.starts_with('#') {
                let harmless = line.strip_prefix("= ");
                attacks.push(Self {
                    class: class.clone(),
                    line: harmless.unwrap_or(line).to_owned(),
                    is_harmless: harmless.is_some(),
                });
            }
        }
        attacks
    }

    fn statement(&self, link: &str, bystander: i32) -> String {
        let text = self.line.replace("{bystander}", &bystander.to_string());
        unescape(&repeated(&text.replace("{link}", link)))
    }

    /// The line as a table shows it.
    fn short(&self) -> String {
        let mut short: String = self.line.chars().take(100).collect();
        if short.len() < self.line.len() {
            short.push('…');
        }
        short
    }
}

/// A file of this crate.
fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn unescape(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => text.push('\n'),
                Some('0') => text.push('\0'),
                Some(other) => text.push(other),
                None => {}
            },
            (letter, false) => text.push(letter),
        }
    }
    text
}

/// Writes out `{repeat 3 ab}`.
fn repeated(line: &str) -> String {
    let Some((before, rest)) = line.split_once("{repeat ") else { return line.to_owned() };
    let (times, rest) = rest.split_once(' ').expect("a number and a text");
    let (text, after) = rest.split_once('}').expect("an end");
    let times = times.parse().expect("a number");
    format!("{before}{}{}", text.repeat(times), repeated(after))
}

/// Looks for secrets in what comes; takes a hundred rows.
#[derive(Default)]
struct Looker {
    rows: usize,
    leaked: Option<String>,
}

impl Sink for Looker {
    fn columns(&mut self, _: &[Column]) -> Result<(), ToolError> {
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.rows >= 100 {
            return Ok(false);
        }
        self.rows += 1;
        for cell in cells {
            if let Cell::Text { text, .. } = cell
                && let Some(at) = text.find(CANARY)
            {
                let found = text[at..].split(|c: char| !c.is_alphanumeric() && c != '-').next();
                self.leaked = found.map(str::to_owned);
            }
        }
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        (100 - self.rows as u64) + 1
    }
}

/// The engines of one run: one without rules, and one whose rules hide something.
struct Engines {
    plain: Postgres,
    ruled: Postgres,
}

impl Engines {
    fn new(server: &Server, user: &str, layers: Layers) -> Self {
        let setup = |rules: Rules| Setup {
            id: "attacked".to_owned(),
            urls: vec![server.url(user, "attacked")],
            password: Some(Secret::new(PASSWORD.to_owned())),
            tls: Tls { mode: TlsMode::Off, ..Tls::default() },
            connections: 1,
            time: std::time::Duration::from_mins(1),
            rules,
            accept: Vec::new(),
            layers,
        };
        let patterns = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        let rules = Rules {
            deny: patterns(&["tenant2.*", "public.hidden", "public.hidden_child"]),
            mask: BTreeMap::from([("public.people.card".to_owned(), Mask::Hash)]),
            ..Rules::default()
        };
        let engine = |rules| Postgres::new(setup(rules)).expect("right settings");
        Self { plain: engine(Rules::default()), ruled: engine(rules) }
    }

    async fn run(&self, attack: &Attack, statement: &str) -> (Result<bool, ToolError>, Looker) {
        let engine = if attack.class.starts_with("hidden") { &self.ruled } else { &self.plain };
        let mut looker = Looker::default();
        let run = Run {
            statement,
            params: &[],
            session: &[],
            skip: 0,
            cell: 2_000,
            deadline: Instant::now() + if attack.class == "time" { HASTE } else { PATIENCE },
        };
        let outcome = engine.run(&run, &mut looker).await;
        (outcome, looker)
    }

    /// Connects and fills the caches, so that no attack is only too slow.
    async fn warm(&self) {
        for engine in [&self.plain, &self.ruled] {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut looker = Looker::default();
            let statement = "SELECT count(*) FROM orders WHERE id > 3";
            let run = Run { statement, params: &[], session: &[], skip: 0, cell: 2_000, deadline };
            engine.run(&run, &mut looker).await.expect("an honest statement runs");
        }
    }
}

/// Runs the whole list; returns what got through, and what was wrong with the answers.
async fn run(server: &Server, user: &str, layers: Layers) -> (Vec<String>, Vec<String>) {
    let engines = Engines::new(server, user, layers);
    engines.warm().await;
    let mut witness = Witness::new(server, user).await;
    let link = link(server);
    let (mut through, mut wrong) = (Vec::new(), Vec::new());
    for attack in Attack::all() {
        // Only the statement layer keeps the server from building values of a gigabyte, which
        // cannot even be cancelled: without it there is nothing to be learnt.
        if attack.class == "memory" && !layers.statement {
            continue;
        }
        let statement = attack.statement(&link, witness.bystander());
        let (outcome, looker) = engines.run(&attack, &statement).await;
        let mut changes = witness.changes().await;
        changes.extend(looker.leaked.map(|secret| format!("shows {secret}")));
        if !changes.is_empty() {
            through.push(format!("{}: {} — {}", attack.class, attack.short(), changes.join(", ")));
        }
        match outcome {
            Ok(_) if !attack.is_harmless => wrong.push(format!("runs: {}", attack.short())),
            Err(error) if error.kind == Kind::Internal || error.kind == Kind::Unavailable => {
                let log = error.log.clone().unwrap_or_default();
                wrong.push(format!("{}: {}: {log}", error.text(), attack.short()));
            }
            _ => {}
        }
    }
    (through, wrong)
}

/// A connection string of the superuser, for use inside quotes.
fn link(server: &Server) -> String {
    let folder = server.folder().display();
    let port = server.port();
    format!("host={folder} port={port} user=postgres password=''{PASSWORD}'' dbname=attacked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_gets_through_and_what_would_without_a_layer_is_known() {
    let server = Server::start();
    server.psql("postgres", "ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf();");
    std::fs::write(server.data().join("canary.txt"), "CANARY-file").expect("a file");
    server.database(
        "attacked",
        &file("attacks/postgres.fixture.sql").replace("{link}", &link(&server)),
    );

    let all = Layers::ALL;
    let runs = [
        ("with all layers", READER, all),
        (
            "without the credential layer, as a superuser",
            "postgres",
            Layers { credential: false, ..all },
        ),
        ("without the session layer", READER, Layers { session: false, ..all }),
        ("without the engine layer", READER, Layers { engine: false, ..all }),
        (
            "without the statement layer, all but the class memory",
            READER,
            Layers { statement: false, ..all },
        ),
    ];
    let mut table = format!("{} statements are tried.\n", Attack::all().len());
    let mut mistakes = Vec::new();
    for (name, user, layers) in runs {
        let (through, wrong) = run(&server, user, layers).await;
        let _ = writeln!(table, "\n{name}: {} get through", through.len());
        for line in &through {
            let _ = writeln!(table, "  {line}");
        }
        if layers.statement {
            mistakes.extend(wrong.iter().map(|line| format!("{name}: {line}")));
        }
        if layers == all {
            mistakes.extend(through.iter().map(|line| format!("{name}: {line}")));
        }
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &table).expect("a file");
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert_eq!(table, golden, "UPDATE_GOLDEN=1 writes attacks/postgres.layers.txt");
}

#[test]
fn there_are_enough_attacks() {
    assert!(Attack::all().iter().filter(|attack| !attack.is_harmless).count() >= 220);
}
