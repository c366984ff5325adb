//! `suite testrun` as its users have it: the real binary, confined, with its runner and the
//! sandbox; what a run did is observed outside of it.

mod declared;
mod durable;
mod hostile;
mod limits;
mod source;
mod tasks;
mod verdicts;

use serde_json::{Value, json};
use tests::harness::acting::call;
use tests::harness::{Folder, Session, suite};

/// A project whose suite `web` runs `cases/NAME.sh`, and a suite that nobody here may run.
struct World {
    folder: Folder,
}

/// What every suite of these tests has.
const SUITE: &str = "folder = \"project\"\nargv = [\"sh\", \"run.sh\", \"{case}\", [\"{word}\"]]\n\
    report = { format = \"junit\", path = \"out/report.xml\" }\n\
    inputs = { case = { pattern = \"[a-z_]+\", default = \"passed\" }, \
    word = { pattern = \".{1,100}\", length = 100 } }\naccept_changes = true\n";

/// The beginning of every case: how to write a report.
const PRELUDE: &str = "mkdir -p out\n\
    # report TESTS FAILURES SKIPPED CASES\n\
    report() { echo \"<testsuites><testsuite name='s' tests='$1' failures='$2' errors='0' skipped='$3'>$4\
    </testsuite></testsuites>\" > out/report.xml; }\n\
    good=\"<testcase classname='c' name='good'/>\"\n\
    bad=\"<testcase classname='c' name='bad'><failure message='no'>src/a.rs:7: no</failure></testcase>\"\n\
    skipped=\"<testcase classname='c' name='later'><skipped/></testcase>\"\n";

impl World {
    /// `keys` are further keys of the suite, and tables.
    fn new(keys: &str) -> Self {
        let folder = Folder::testrun(&format!(
            "[servers.testrun.suites.secret]\nfolder = \"project\"\nargv = [\"true\"]\n\
             [servers.testrun.suites.web]\n{SUITE}{keys}"
        ));
        let world = Self { folder };
        let run = "case=$1; shift; . \"./cases/$case.sh\"\n";
        world.folder.write("project/run.sh", run);
        world.case("passed", "report 1 0 0 \"$good\"");
        world.case("failed", "report 2 1 0 \"$good$bad\"; exit 1");
        world
    }

    /// A case of the suite.
    fn case(&self, name: &str, script: &str) {
        self.folder.write(&format!("project/cases/{name}.sh"), &format!("{PRELUDE}{script}\n"));
    }

    fn start(&self) -> Session {
        Session::start(&suite(), "testrun", &self.folder.config())
    }
}

/// Runs a case to its end; what the model reads.
fn ran(session: &mut Session, case: &str) -> String {
    call(session, "test_run", &args(case))
}

/// Arguments of a run of a case, awaited.
fn args(case: &str) -> Value {
    json!({"suite": "web", "inputs": {"case": case}, "wait": 120, "reason": "because the test says so"})
}

/// The id of a run, of the answer that tells of it.
pub(crate) fn id(said: &str) -> String {
    let id = said.split(':').next().unwrap_or_default();
    assert!(id.starts_with("web-"), "no run: {said}");
    id.to_owned()
}

/// The verdict of a run, of the answer that tells of it.
pub(crate) fn verdict(said: &str) -> &str {
    let rest = said.split_once(": ").map(|(_, rest)| rest).unwrap_or_default();
    rest.split([':', '\n']).next().unwrap_or_default()
}

/// The processes on this machine whose command line holds a word.
fn processes(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(word) {
            found.push(line);
        }
    }
    found
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < tests::harness::HANG, "never: {what}");
        std::thread::yield_now();
    }
}
