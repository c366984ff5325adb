//! What governance costs: a call that proves who makes it with an access token, and a long list of
//! approvals.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use contract::{Approval, Preview};
use serde_json::json;
use state::Store;
use state::approvals::{Asked, StoredCall};

use super::Effort;
use super::http::{load, request};
use super::measures::{echo, row};
use super::numbers::{median, micros, percentile};
use super::process::{Subject, modern};
use super::report::{Limit, Row};
use crate::harness::{Folder, fixture, idp::Idp};

/// How many approvals wait.
const WAITING: u32 = 1_000;

/// One connection, one call after the other: what identity, policy, limit, record and guard add.
pub(super) fn governance(effort: Effort) -> Result<Vec<Row>> {
    let idp = Idp::start();
    let folder = Folder::new(&format!(
        "[people]\n\"group:staff\" = [\"all\"]\n[roles.all]\ntools = [\"*\"]\n\
         [roles.other]\ntools = [\"docs_*\"]\ndeny = {{ tools = [\"mail_*\"] }}\n\
         [identity]\nkeys = true\n[identity.oauth]\nissuer = \"{}\"\ngroups = \"groups\"\n\
         audience = \"https://suite.example/mcp\"\n\
         [servers.trivial]\npurpose = \"Be measured.\"\nowner = \"tests\"\nlimit = \"1000000/second\"\n\
         [servers.trivial.http]\nurl = \"https://suite.example/mcp\"\n",
        idp.issuer()
    ));
    let key = folder.key("bench", None);
    let token = idp.token(&json!({}), &json!({"groups": ["staff"]}));
    let body = modern("tools/call", echo());
    let (_bare, floor) = Subject::bare().start_http()?;
    let (_ours, ours) = Subject::trivial(&folder).start_http()?;
    let plain = request(floor, &body, None);
    let signed = request(ours, &body, Some(&token));
    let mut times = [const { Vec::new() }; 2];
    let mut late = [const { Vec::new() }; 2];
    for round in 0..=effort.rounds {
        for (index, (address, request)) in [(floor, &plain), (ours, &signed)].iter().enumerate() {
            let calls = load(*address, request, effort.calls / 4, 1)?.times;
            let calls: Vec<f64> = calls.into_iter().map(micros).collect();
            if round > 0 {
                times[index].push(median(&calls));
                late[index].push(percentile(&calls, 99));
            }
        }
    }
    drop(key);
    let [floor, ours] = times.map(|times| median(&times));
    let [floor_late, ours_late] = late.map(|times| median(&times));
    let mut rows = vec![
        row(
            "HTTP with access token, 1 connection: p50",
            "µs",
            ours,
            Some(floor),
            &[Limit::Adds(100.0)],
        ),
        row("HTTP with access token, 1 connection: p99", "µs", ours_late, Some(floor_late), &[]),
    ];
    rows.push(approvals(effort)?);
    Ok(rows)
}

/// `suite approvals list`, from the start of the process to its end.
fn approvals(effort: Effort) -> Result<Row> {
    let folder = Folder::fixture("");
    let home = folder.path("state/test");
    state::private_folder(&home)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::new(&home);
        for number in 0..WAITING {
            let asked = store.ask(waiting(number)).await?;
            ensure!(matches!(asked, Asked::New(_)), "a new approval: {asked:?}");
        }
        Ok(())
    })?;
    let mut times = Vec::new();
    for _ in 0..effort.rounds * 2 {
        let began = Instant::now();
        let listed = Command::new(fixture())
            .args(["approvals", "list", "--config"])
            .arg(folder.config())
            .stdin(Stdio::null())
            .output()
            .context("suite approvals list")?;
        times.push(micros(began.elapsed()) / 1e3);
        let lines = String::from_utf8_lossy(&listed.stdout).lines().count();
        ensure!(lines == WAITING as usize + 1, "{lines} lines: {listed:?}");
    }
    let what = format!("suite approvals list, {WAITING} waiting");
    Ok(row(what, "ms", median(&times), None, &[Limit::Most(50.0)]))
}

fn waiting(number: u32) -> StoredCall {
    StoredCall {
        arguments: json!({"text": format!("deed {number}"), "reason": "because it is measured"}),
        created: i64::from(number) + 1_790_000_000_000,
        expires: i64::MAX / 2,
        identity: format!("user:agent{}", number % 40),
        level: Approval::One,
        nonce: format!("{number:032x}"),
        policy: "0".repeat(64),
        preview: Preview {
            title: "Do a deed".to_owned(),
            fields: vec![("text".to_owned(), format!("deed {number}"))],
            bound: Vec::new(),
        },
        requester: format!("agent{}", number % 40),
        server: "test".to_owned(),
        target: ("place".to_owned(), Some("here".to_owned())),
        tool: "test_deed_one".to_owned(),
        tool_digest: "0".repeat(64),
    }
}
