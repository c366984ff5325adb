//! The numbers of one process: counted in a fraction of a microsecond, read by whoever shows
//! them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use contract::Kind;
use contract::record::{Event, Outcome};
use prometheus_client::metrics::histogram::Histogram;
use state::Tally;

use super::names::{self, BUCKETS, Fact, METHOD, Method, OTHER};
use super::process;

/// An attribute or label: its name in OpenTelemetry's words, and its value.
pub(crate) type Label<'a> = (&'static str, &'a str);

/// Why a call may have failed; the first is that it did not.
const ERRORS: usize = Kind::ALL.len() + 2;

/// What is counted of one tool, resource tool or prompt.
struct Slot {
    method: Method,
    name: &'static str,
    calls: [[AtomicU64; ERRORS]; Outcome::ALL.len()],
    /// By why the calls failed; made when the first call does.
    durations: [OnceLock<Histogram>; ERRORS],
    bytes: AtomicU64,
    tokens: AtomicU64,
}

impl Slot {
    fn new(method: Method, name: &'static str) -> Self {
        Self {
            method,
            name,
            calls: Default::default(),
            durations: Default::default(),
            bytes: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
        }
    }

    /// What every metric about calls says first.
    fn labels(&self) -> [Label<'static>; 2] {
        [(METHOD, self.method.name()), (self.method.owner(), self.name)]
    }
}

/// How one call ended, in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) method: Method,
    /// As the catalogue names it; `None` for what it does not have.
    pub(crate) name: Option<&'static str>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<Kind>,
    pub(crate) duration: Duration,
    /// Bytes of the answer.
    pub(crate) bytes: u64,
}

/// The numbers of one process.
pub(crate) struct Numbers {
    slots: Vec<Slot>,
    places: HashMap<(Method, &'static str), usize>,
    begun: AtomicU64,
    ended: AtomicU64,
    records: AtomicU64,
    records_failed: AtomicU64,
    policies_loaded: AtomicU64,
    policies_refused: AtomicU64,
    unidentified: AtomicU64,
    policy: Mutex<String>,
    approvals: Mutex<Tally>,
    started: (SystemTime, Instant),
}

impl Numbers {
    /// Numbers about these tools and prompts, and about whatever else is asked for, together.
    pub(crate) fn new(tools: &[&'static str], prompts: &[&'static str]) -> Self {
        let mut slots = Vec::new();
        for method in Method::ALL {
            let owned = if method == Method::PromptsGet { prompts } else { tools };
            slots.extend(owned.iter().chain(&[OTHER]).map(|name| Slot::new(method, name)));
        }
        let places = slots.iter().enumerate();
        let places = places.map(|(place, slot)| ((slot.method, slot.name), place)).collect();
        Self {
            slots,
            places,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            records: AtomicU64::new(0),
            records_failed: AtomicU64::new(0),
            policies_loaded: AtomicU64::new(0),
            policies_refused: AtomicU64::new(0),
            unidentified: AtomicU64::new(0),
            policy: Mutex::default(),
            approvals: Mutex::default(),
            started: (SystemTime::now(), Instant::now()),
        }
    }

    /// A call begins.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Relaxed);
    }

    /// A call ended.
    pub(crate) fn end(&self, ended: &Ended) {
        self.ended.fetch_add(1, Relaxed);
        let slot = self.slot(ended);
        let error = place_of(names::error_type(ended.outcome, ended.error));
        slot.calls[ended.outcome as usize][error].fetch_add(1, Relaxed);
        let durations = slot.durations[error].get_or_init(|| Histogram::new(BUCKETS));
        durations.observe(ended.duration.as_secs_f64());
        slot.bytes.fetch_add(ended.bytes, Relaxed);
        slot.tokens.fetch_add((ended.bytes * 2).div_ceil(5), Relaxed);
    }

    fn slot(&self, ended: &Ended) -> &Slot {
        let known = ended.name.and_then(|name| self.places.get(&(ended.method, name)));
        let place = known.or_else(|| self.places.get(&(ended.method, OTHER)));
        &self.slots[place.copied().unwrap_or_default()]
    }

    /// A record was written, or could not be.
    pub(crate) fn record(&self, event: Event, written: bool) {
        let counter = if written { &self.records } else { &self.records_failed };
        counter.fetch_add(1, Relaxed);
        let counter = match event {
            Event::PolicyLoaded => &self.policies_loaded,
            Event::PolicyRefused => &self.policies_refused,
            Event::Unidentified => &self.unidentified,
            _ => return,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The policy in force from now on.
    pub(crate) fn set_policy(&self, digest: &str) {
        digest.clone_into(&mut self.policy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What the approvals come to.
    pub(crate) fn set_approvals(&self, tally: Tally) {
        *self.approvals.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }

    /// Answers what a metric shows: each value with what tells it from the others. Times are in
    /// milliseconds.
    pub(crate) fn read(&self, fact: Fact, out: &mut dyn FnMut(&[Label<'_>], u64)) {
        let one = |counter: &AtomicU64| counter.load(Relaxed);
        match fact {
            Fact::Calls => self.slots.iter().for_each(|slot| calls(slot, out)),
            Fact::ResultSize => self.per_slot(|slot| one(&slot.bytes), out),
            Fact::ResultTokens => self.per_slot(|slot| one(&slot.tokens), out),
            // Ended is read first: a call that ends in between must not make it negative.
            Fact::Active => {
                let ended = one(&self.ended);
                out(&[], one(&self.begun).saturating_sub(ended));
            }
            Fact::ApprovalSteps => self.approval_steps(out),
            Fact::ApprovalsPending => out(&[], self.approvals().pending),
            Fact::Records => out(&[], one(&self.records)),
            Fact::RecordsFailed => out(&[], one(&self.records_failed)),
            Fact::PolicyChanges => {
                out(&[(names::RESULT, "loaded")], one(&self.policies_loaded));
                out(&[(names::RESULT, "refused")], one(&self.policies_refused));
            }
            Fact::Unidentified => out(&[], one(&self.unidentified)),
            Fact::Policy => {
                let digest = self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone();
                out(&[(names::POLICY, &digest)], 1);
            }
            Fact::Build => out(&[(names::VERSION, env!("CARGO_PKG_VERSION"))], 1),
            Fact::Started => {
                let since = self.started.0.duration_since(SystemTime::UNIX_EPOCH);
                out(&[], milliseconds(since.unwrap_or_default()));
            }
            Fact::Uptime => out(&[], milliseconds(self.started.1.elapsed())),
            Fact::Memory => {
                if let Some(bytes) = process::memory() {
                    out(&[], bytes);
                }
            }
        }
    }

    /// The durations that were observed, with what tells them apart.
    pub(crate) fn durations(&self) -> impl Iterator<Item = (Vec<Label<'static>>, &Histogram)> {
        self.slots.iter().flat_map(|slot| {
            slot.durations.iter().enumerate().filter_map(|(error, histogram)| {
                let mut labels = slot.labels().to_vec();
                labels.extend(word_at(error).map(|word| (names::ERROR, word)));
                histogram.get().map(|histogram| (labels, histogram))
            })
        })
    }

    /// A number of each slot that was called: what was never called is not shown.
    fn per_slot(&self, value: impl Fn(&Slot) -> u64, out: &mut dyn FnMut(&[Label<'_>], u64)) {
        for slot in &self.slots {
            let value = value(slot);
            if value > 0 {
                out(&slot.labels(), value);
            }
        }
    }

    fn approvals(&self) -> Tally {
        *self.approvals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn approval_steps(&self, out: &mut dyn FnMut(&[Label<'_>], u64)) {
        let tally = self.approvals();
        for (step, count) in [
            ("asked", tally.asked),
            ("given", tally.given),
            ("denied", tally.denied),
            ("expired", tally.expired),
            ("redeemed", tally.redeemed),
        ] {
            out(&[(names::STEP, step)], count);
        }
    }
}

/// The calls of one slot, by how they ended and why.
fn calls(slot: &Slot, out: &mut dyn FnMut(&[Label<'_>], u64)) {
    let [method, owner] = slot.labels();
    for (outcome, by_error) in Outcome::ALL.iter().zip(&slot.calls) {
        for (error, count) in by_error.iter().enumerate() {
            let count = count.load(Relaxed);
            let mut labels = vec![method, owner, (names::OUTCOME, outcome.name())];
            labels.extend(word_at(error).map(|word| (names::ERROR, word)));
            if count > 0 {
                out(&labels, count);
            }
        }
    }
}

/// Where the count of an error type stands.
fn place_of(error: Option<&'static str>) -> usize {
    let Some(word) = error else { return 0 };
    let kind = Kind::ALL.iter().position(|kind| kind.name() == word);
    kind.map_or(ERRORS - 1, |place| place + 1)
}

/// The error type that is counted there.
fn word_at(place: usize) -> Option<&'static str> {
    match place.checked_sub(1) {
        None => None,
        Some(place) => Some(Kind::ALL.get(place).map_or("abandoned", |kind| kind.name())),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(name: Option<&'static str>, outcome: Outcome, error: Option<Kind>) -> Ended {
        let duration = Duration::from_millis(3);
        Ended { method: Method::ToolsCall, name, outcome, error, duration, bytes: 7 }
    }

    /// All values of a metric, as `label=value,… count`.
    fn values(numbers: &Numbers, fact: Fact) -> Vec<String> {
        let mut seen = Vec::new();
        numbers.read(fact, &mut |labels, value| {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            seen.push(format!("{} {value}", labels.join(",")).trim().to_owned());
        });
        seen
    }

    #[test]
    fn calls_are_counted_by_tool_outcome_and_error() {
        let numbers = Numbers::new(&["a_read"], &["a_prompt"]);
        numbers.begin();
        numbers.begin();
        assert_eq!(values(&numbers, Fact::Active), ["2"]);
        numbers.end(&ended(Some("a_read"), Outcome::Done, None));
        numbers.end(&ended(Some("a_read"), Outcome::Failed, Some(Kind::Timeout)));
        assert_eq!(values(&numbers, Fact::Active), ["0"]);
        assert_eq!(
            values(&numbers, Fact::Calls),
            [
                "mcp.method.name=tools/call,gen_ai.tool.name=a_read,suite.outcome=done 1",
                "mcp.method.name=tools/call,gen_ai.tool.name=a_read,suite.outcome=failed,error.type=timeout 1",
            ]
        );
        let label = "mcp.method.name=tools/call,gen_ai.tool.name=a_read";
        assert_eq!(values(&numbers, Fact::ResultSize), [format!("{label} 14")]);
        assert_eq!(values(&numbers, Fact::ResultTokens), [format!("{label} 6")]);
        assert_eq!(numbers.durations().count(), 2);
    }

    #[test]
    fn what_the_catalogue_does_not_have_shares_one_label() {
        let numbers = Numbers::new(&["a_read"], &[]);
        for name in [None, Some("made_up"), Some("another")] {
            numbers.end(&ended(name, Outcome::Denied, Some(Kind::NotFound)));
        }
        let seen = values(&numbers, Fact::Calls);
        let label = "mcp.method.name=tools/call,gen_ai.tool.name=_other";
        assert_eq!(seen, [format!("{label},suite.outcome=denied,error.type=denied 3")]);
    }

    #[test]
    fn every_error_has_a_place_of_its_own() {
        for place in 0..ERRORS {
            assert_eq!(place_of(word_at(place)), place);
        }
    }

    #[test]
    fn records_and_policies_are_counted() {
        let numbers = Numbers::new(&[], &[]);
        numbers.record(Event::Call, true);
        numbers.record(Event::PolicyRefused, true);
        numbers.record(Event::Call, false);
        numbers.set_policy("abc");
        assert_eq!(values(&numbers, Fact::Records), ["2"]);
        assert_eq!(values(&numbers, Fact::RecordsFailed), ["1"]);
        assert_eq!(
            values(&numbers, Fact::PolicyChanges),
            ["suite.policy.result=loaded 0", "suite.policy.result=refused 1"]
        );
        assert_eq!(values(&numbers, Fact::Policy), ["suite.policy.digest=abc 1"]);
    }
}
