//! Calls that began and of which nothing tells how they ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::claims::Server;
use super::{Finding, Kind};
use crate::read::{Lines, RawLine, call_of};

/// The size from which a segment is followed by another of the same process, in bytes.
const FULL: u64 = 64 << 20;

/// An intent whose outcome does not stand in its segment.
#[derive(Debug)]
pub(super) struct Intent {
    server: String,
    path: PathBuf,
    line: u64,
    call: String,
    tool: String,
    /// Whether its process may have gone on in another segment.
    may_go_on: bool,
}

/// What a line of an intent holds, and hardly any other.
static INTENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""event":"intent""#));

/// The intents of a segment that wait for their outcome.
#[derive(Debug, Default)]
pub(super) struct Intents {
    waiting: BTreeMap<String, (u64, String)>,
    /// Those whose process is known to have ended.
    ended: BTreeMap<String, (u64, String)>,
}

#[derive(Deserialize)]
struct Seen {
    event: String,
    #[serde(default)]
    call: String,
    #[serde(default)]
    tool: String,
}

fn is_in(line: &[u8], text: &str) -> bool {
    Finder::new(text).find(line).is_some()
}

impl Intents {
    /// Looks at a line. Most are passed over by their bytes alone.
    pub(super) fn see(&mut self, line: &RawLine<'_>) {
        let may_be_intent = INTENT.find(line.bytes).is_some();
        if !may_be_intent && self.waiting.is_empty() {
            return;
        }
        let is_of_one = self.waiting.contains_key(call_of(line.bytes));
        if !may_be_intent && !is_of_one && !is_in(line.bytes, r#""event":"started""#) {
            return;
        }
        let Ok(seen) = serde_json::from_slice::<Seen>(line.bytes) else { return };
        match seen.event.as_str() {
            "intent" => drop(self.waiting.insert(seen.call, (line.number, seen.tool))),
            "call" => drop(self.waiting.remove(&seen.call)),
            // Another process goes on in this segment: the one before it is dead.
            "started" => self.ended.append(&mut self.waiting),
            _ => {}
        }
    }

    /// What is left at the end of a segment.
    pub(super) fn left(
        self,
        server: &Server,
        path: &Path,
        is_live: bool,
        bytes: u64,
    ) -> Vec<Intent> {
        let intent = |(call, (line, tool)), may_go_on| Intent {
            server: server.name.clone(),
            path: path.to_owned(),
            line,
            call,
            tool,
            may_go_on,
        };
        let ended = self.ended.into_iter().map(|found| intent(found, false));
        let is_full = bytes >= FULL;
        // Of a process that lives and writes here, the call runs.
        let waiting = self.waiting.into_iter().filter(|_| !is_live);
        ended.chain(waiting.map(|found| intent(found, is_full))).collect()
    }
}

/// The intents that stay open when later segments are read too.
pub(super) fn open(intents: Vec<Intent>, servers: &[Server]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for server in servers {
        let own: Vec<&Intent> = intents.iter().filter(|one| one.server == server.name).collect();
        let mut unknown: BTreeSet<&str> =
            own.iter().filter(|one| one.may_go_on).map(|one| one.call.as_str()).collect();
        let first = own.iter().filter(|one| one.may_go_on).map(|one| &one.path).min();
        if let Some(first) = first {
            for later in server.segments.iter().filter(|later| later.path > *first) {
                look_for(&mut unknown, &later.path);
            }
        }
        for intent in own {
            if intent.may_go_on && !unknown.contains(intent.call.as_str()) {
                continue;
            }
            let what = format!(
                "the call {} of {} was about to run and nothing tells how it ended: the process died in between, so its effect may or may not have happened",
                intent.call, intent.tool
            );
            let remedy = "look at what it acts on; the record says with which arguments";
            let line = Some(intent.line);
            findings.push(server.finding(&intent.path, line, Kind::OpenIntent, what, remedy));
        }
    }
    findings
}

/// Takes the calls away that end in this segment.
fn look_for(calls: &mut BTreeSet<&str>, segment: &Path) {
    let Ok(mut lines) = Lines::open(segment) else { return };
    while !calls.is_empty()
        && let Ok(Some(line)) = lines.next_line()
    {
        let call = call_of(line.bytes);
        if !call.is_empty() && is_in(line.bytes, r#""event":"call""#) {
            calls.remove(call);
        }
    }
}
