//! The log of a month at an enterprise: four servers, eight people, and what usually goes wrong.
//! The same for the same size.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use contract::record::{Approved, Claimed, Decided, DecidedBy, Event, Outcome, Record, Sorted};
use contract::{Client, Kind, Principal, Proof, Target};
use serde_json::json;

use crate::fuzz::random::Random;

/// Where the month ends: 2026-11-22T12:00:00Z, in milliseconds since 1970.
pub const END: u64 = 1_795_348_800_000;

/// How long it is, in milliseconds.
pub const LENGTH: u64 = 30 * 24 * 60 * 60 * 1000;

/// Words that stand in the arguments of exactly one call, a third of the way through the month.
pub const NEEDLE: &str = "the one that was asked for once";

/// The size of a segment in bytes, as the product has it.
const SEGMENT: u64 = 64 << 20;

/// What was written.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The segments.
    pub segments: Vec<PathBuf>,
    /// Their length together.
    pub bytes: u64,
    /// How many calls ended, by outcome.
    pub outcomes: std::collections::BTreeMap<&'static str, u64>,
    /// How many approvals were asked for.
    pub asked: u64,
    /// How many records.
    pub records: u64,
}

/// A tool as the month knows it.
struct Habit {
    server: &'static str,
    tool: &'static str,
    target: (&'static str, &'static [&'static str]),
    /// Of a thousand calls.
    share: usize,
    /// The median duration in microseconds.
    median: u64,
    /// The usual size of an answer in bytes.
    size: usize,
}

const HABITS: [Habit; 7] = [
    Habit {
        server: "docs",
        tool: "docs_search",
        target: ("collection", &["handbook", "engineering", "legal"]),
        share: 430,
        median: 1_800,
        size: 2_400,
    },
    Habit {
        server: "docs",
        tool: "docs_read",
        target: ("collection", &["handbook", "engineering", "legal"]),
        share: 190,
        median: 900,
        size: 6_000,
    },
    Habit {
        server: "sql",
        tool: "sql_query",
        target: ("database", &["sales", "stock", "people"]),
        share: 240,
        median: 14_000,
        size: 3_100,
    },
    Habit {
        server: "sql",
        tool: "sql_describe",
        target: ("database", &["sales", "stock", "people"]),
        share: 60,
        median: 4_000,
        size: 1_500,
    },
    Habit {
        server: "tickets",
        tool: "tickets_draft",
        target: ("project", &["website", "billing"]),
        share: 50,
        median: 30_000,
        size: 700,
    },
    Habit {
        server: "tickets",
        tool: "tickets_file",
        target: ("project", &["website", "billing"]),
        share: 20,
        median: 210_000,
        size: 300,
    },
    Habit {
        server: "mail",
        tool: "mail_send",
        target: ("mailbox", &["support", "press"]),
        share: 10,
        median: 380_000,
        size: 220,
    },
];

const PEOPLE: [(&str, &str); 8] = [
    ("ann", "analyst"),
    ("bob", "analyst"),
    ("carla", "support"),
    ("deniz", "support"),
    ("emre", "engineer"),
    ("fatima", "engineer"),
    ("grace", "approver"),
    ("sub:00u1qx7", "reader"),
];

const WORDS: [&str; 12] = [
    "parental", "leave", "revenue", "by", "region", "late", "orders", "refund", "policy",
    "incident", "customer", "renewal",
];

/// Writes a log of at least `records` records under a state folder.
pub fn write(state: &Path, records: u64) -> std::io::Result<Written> {
    let mut month = Month {
        state: state.to_owned(),
        random: Random::new(records),
        open: Vec::new(),
        written: Written::default(),
    };
    // An acting call is several records.
    let step = LENGTH / records.max(1);
    let mut call = 0u64;
    while month.written.records < records {
        let done = month.written.records;
        let jitter = month.random.number() % step.max(1);
        let millis = END - LENGTH + done * step + jitter;
        let is_needle = done >= records / 3 && !month.written.outcomes.contains_key(NEEDLE);
        month.call(call, millis, is_needle)?;
        call += 1;
    }
    month.written.outcomes.remove(NEEDLE);
    for mut open in month.open {
        open.file.flush()?;
    }
    Ok(month.written)
}

struct Month {
    state: PathBuf,
    random: Random,
    open: Vec<Open>,
    written: Written,
}

/// The segment of a server that is being written.
struct Open {
    server: &'static str,
    file: BufWriter<File>,
    length: u64,
    sequence: u64,
}

impl Month {
    /// One call, with what comes before it.
    fn call(&mut self, number: u64, millis: u64, is_needle: bool) -> std::io::Result<()> {
        let random = &mut self.random;
        let mut share = random.below(1000);
        let habit = HABITS.iter().find(|habit| {
            let is_it = share < habit.share;
            share = share.saturating_sub(habit.share);
            is_it
        });
        let habit = habit.unwrap_or(&HABITS[0]);
        let principal = person(random);
        let (kind, names) = habit.target;
        let target = Target::one(kind, *random.one_of(names));
        let mut words = [0; 4].map(|_| *random.one_of(&WORDS)).join(" ");
        if is_needle {
            NEEDLE.clone_into(&mut words);
            self.written.outcomes.insert(NEEDLE, 1);
        }
        let random = &mut self.random;
        let arguments = json!({"limit": random.below(20), "query": words});
        let acts = matches!(habit.tool, "tickets_file" | "mail_send");
        let (outcome, error) = if is_needle { (Outcome::Done, None) } else { ending(random) };
        let id = format!("{:012x}-{number}", 0x9842_aae4_d978u64 ^ (number / 50_000));
        let digest = |random: &mut Random| {
            let parts = [random.number(), random.number(), random.number(), random.number()];
            parts.map(|part| format!("{part:016x}")).concat()
        };
        let (policy, tool_digest) = ("5f".repeat(32), format!("{:064x}", habit.median));
        let client = Client {
            name: "claude-code".to_owned(),
            version: "2.1.0".to_owned(),
            transport: "stdio",
            protocol: "2026-07-28".to_owned(),
        };
        let claimed = Claimed {
            reason: acts.then(|| format!("The customer asked about {words}")),
            trace: Some(format!("00-{}-{:016x}-01", &digest(random)[..32], random.number())),
            user_request: None,
        };
        let decided = Decided {
            allowed: outcome != Outcome::Denied,
            rule: format!(
                "roles.{}: tools \"{}\" (servers.toml:14:8)",
                principal.roles[0], habit.tool
            ),
        };
        let base = || {
            let mut record = Record::new(Event::Call, habit.server);
            (record.call, record.tool) = (&id, habit.tool);
            record.tool_digest = Some(&tool_digest);
            (record.principal, record.client) = (Some(&principal), Some(&client));
            record.claimed = Some(&claimed);
            record.policy = Some(&policy);
            (record.target, record.decision) = (Some(&target), Some(&decided));
            record.arguments = Some(Sorted(&arguments));
            record
        };
        let ran = matches!(outcome, Outcome::Done | Outcome::Failed | Outcome::Abandoned);
        let mut approved = None;
        let mut at = millis;
        if acts && ran {
            let approval = digest(random);
            let wait = 20_000 + random.number() % 1_800_000;
            at = self.approval(&base, &approval, at, wait)?;
            approved = Some(approval_of(&approval, true));
        }
        let duration = habit.median / 2 + spread(&mut self.random, habit.median);
        let size = habit.size / 2 + self.random.below(habit.size);
        let result = digest(&mut self.random);
        let mut record = base();
        (record.outcome, record.error) = (Some(outcome), error);
        record.approval = approved.as_ref();
        if ran {
            record.duration_us = Some(duration);
        }
        if outcome == Outcome::Done {
            record.result_bytes = Some(size as u64);
            record.result_digest = Some(&result);
        }
        *self.written.outcomes.entry(outcome.name()).or_default() += 1;
        self.line(habit.server, at + duration / 1000, record)
    }

    /// Asked, given, redeemed, and the intent; returns when.
    fn approval<'a>(
        &mut self,
        base: &impl Fn() -> Record<'a>,
        id: &str,
        millis: u64,
        wait: u64,
    ) -> std::io::Result<u64> {
        self.written.asked += 1;
        let (before, after) = (approval_of(id, false), approval_of(id, true));
        let approver = Principal {
            actor: None,
            groups: Vec::new(),
            identity: "key:grace".to_owned(),
            proof: Proof::ApiKey { key: "grace".to_owned() },
            roles: vec!["approver".to_owned()],
            subject: "grace".to_owned(),
        };
        for (event, later) in [
            (Event::ApprovalAsked, 0),
            (Event::ApprovalGiven, wait),
            (Event::ApprovalRedeemed, wait + 1_000),
            (Event::Intent, wait + 1_001),
        ] {
            let mut record = base();
            // Records of one approval, with the fields that records of approvals have.
            let mut told = Record::new(event, record.server);
            (told.tool, told.tool_digest) = (record.tool, record.tool_digest);
            (told.policy, told.client) = (record.policy, record.client);
            match event {
                Event::ApprovalGiven => told.principal = Some(&approver),
                Event::Intent => {
                    (told.call, told.arguments) = (record.call, record.arguments.take());
                }
                _ => told.call = record.call,
            }
            told.principal = told.principal.or(record.principal);
            told.approval = Some(if later == 0 { &before } else { &after });
            self.line(told.server, millis + later, told)?;
        }
        Ok(millis + wait + 1_002)
    }

    fn line(&mut self, server: &str, millis: u64, mut record: Record<'_>) -> std::io::Result<()> {
        let index = self.segment(server, millis)?;
        let open = &mut self.open[index];
        open.sequence += 1;
        record.sequence = open.sequence;
        record.time = rfc3339(millis);
        let mut text = serde_json::to_vec(&record)?;
        text.push(b'\n');
        open.file.write_all(&text)?;
        open.length += text.len() as u64;
        self.written.bytes += text.len() as u64;
        self.written.records += 1;
        Ok(())
    }

    /// The segment to write to: a new one where there is none, or the old one is full.
    fn segment(&mut self, server: &str, millis: u64) -> std::io::Result<usize> {
        let found = self.open.iter().position(|open| open.server == server);
        if let Some(index) = found.filter(|index| self.open[*index].length < SEGMENT) {
            return Ok(index);
        }
        let folder = self.state.join(server).join("records");
        std::fs::create_dir_all(&folder)?;
        let time: String =
            rfc3339(millis).chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
        let path = folder.join(format!("{time}-{:08x}.jsonl", self.written.segments.len()));
        let file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        self.written.segments.push(path);
        let server = HABITS.iter().find(|habit| habit.server == server).map(|habit| habit.server);
        let open = Open { server: server.unwrap_or_default(), file, length: 0, sequence: 0 };
        if let Some(index) = found {
            let mut full = std::mem::replace(&mut self.open[index], open);
            full.file.flush()?;
            return Ok(index);
        }
        self.open.push(open);
        Ok(self.open.len() - 1)
    }
}

fn person(random: &mut Random) -> Principal {
    let (name, role) = *random.one_of(&PEOPLE);
    let (identity, proof) = match name.strip_prefix("sub:") {
        Some(_) => {
            let issuer = "https://login.acme.example".to_owned();
            (name.to_owned(), Proof::AccessToken { issuer })
        }
        None => (format!("user:{name}"), Proof::OsUser { uid: 1000 }),
    };
    let roles = vec![role.to_owned()];
    let (actor, groups) = (None, Vec::new());
    Principal { actor, groups, identity, proof, roles, subject: name.to_owned() }
}

/// How a call ends: nearly always well.
fn ending(random: &mut Random) -> (Outcome, Option<Kind>) {
    match random.below(1000) {
        0..20 => (Outcome::Denied, Some(Kind::Denied)),
        20..38 => (Outcome::Invalid, Some(Kind::Invalid)),
        38..44 => (Outcome::Limited, Some(Kind::Limited)),
        44..50 => (Outcome::Failed, Some(Kind::Timeout)),
        50..56 => (Outcome::Failed, Some(Kind::Unavailable)),
        56..58 => (Outcome::Abandoned, None),
        _ => (Outcome::Done, None),
    }
}

/// Mostly around the median, at times much longer.
fn spread(random: &mut Random, median: u64) -> u64 {
    let mut extra = random.number() % median;
    while random.once_in(6) && extra < median * 100 {
        extra += median + random.number() % (median * 3);
    }
    extra
}

fn approval_of(id: &str, is_decided: bool) -> Approved {
    let by = DecidedBy {
        identity: "key:grace".to_owned(),
        reason: "as agreed with the customer".to_owned(),
        subject: "grace".to_owned(),
    };
    let by = if is_decided { vec![by] } else { Vec::new() };
    Approved { by, id: id.to_owned(), level: "one".to_owned() }
}

fn rfc3339(millis: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_size_is_the_same_log_with_one_needle() {
        let folders = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
        let [first, second] =
            folders.each_ref().map(|folder| write(folder.path(), 3_000).expect("written"));
        let text = |written: &Written| -> String {
            let texts = written.segments.iter().map(std::fs::read_to_string);
            texts.map(|text| text.expect("a segment")).collect()
        };
        assert_eq!(text(&first), text(&second));
        assert_eq!(text(&first).matches(NEEDLE).count(), 1);
        assert_eq!(text(&first).lines().count() as u64, first.records);
        assert_eq!(first.segments.len(), 4);
        assert!(first.asked > 0 && first.outcomes["denied"] > 0, "{first:?}");
    }
}
