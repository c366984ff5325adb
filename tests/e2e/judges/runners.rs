//! Test runners that we did not write, run by `suite testrun`: totals equal to their own, every failure
//! found and placed.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tests::harness::acting::call;
use tests::harness::{Folder, Session, installed, suite};

use crate::testrun::{id, verdict};

/// A project with one suite.
fn project(keys: &str, files: &[(&str, &str)]) -> (Folder, Session) {
    let folder =
        Folder::testrun(&format!("[servers.testrun.suites.web]\nfolder = \"project\"\n{keys}"));
    for (name, text) in files {
        folder.write(&format!("project/{name}"), text);
    }
    let session = Session::start(&suite(), "testrun", &folder.config());
    (folder, session)
}

fn run(session: &mut Session) -> String {
    call(session, "test_run", &json!({"wait": 300, "reason": "because the test says so"}))
}

/// The same totals and the same failures as the runner printed.
fn check(session: &mut Session, totals: &str, failures: &[(&str, &str)], printed: &str) {
    let said = run(session);
    assert_eq!(verdict(&said), "failed", "{said}\n{}", log(session, &said));
    assert!(said.contains(totals), "{totals}: {said}");
    for (name, place) in failures {
        assert!(said.contains(name) && said.contains(place), "{name} at {place}: {said}");
    }
    let log = log(session, &said);
    assert!(log.contains(printed), "the runner itself says {printed}: {log}");
}

fn log(session: &mut Session, said: &str) -> String {
    let run = id(said);
    let mut whole = String::new();
    for of in ["log", "stderr"] {
        whole += &call(session, "test_log", &json!({"run": run, "of": of, "lines": 200}));
    }
    whole
}

/// The path that a program resolves to.
fn path_of(program: &str, arguments: &[&str]) -> PathBuf {
    let output = Command::new(program).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{program}: {output:?}");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn cache(path: &Path, at: &str) -> String {
    format!("{{ path = \"{}\", at = \"{at}\" }}", path.display())
}

#[test]
fn nextest() {
    let toolchain = path_of("rustc", &["--print", "sysroot"]);
    let nextest = installed().join("bin/cargo-nextest").canonicalize();
    let nextest = nextest.expect("cargo-nextest; cargo xtask judges installs it");
    let keys = format!(
        "argv = [\"cargo\", \"nextest\", \"run\", \"--offline\", \"--profile\", \"ci\", \"--no-fail-fast\"]\n\
         report = {{ format = \"junit\", path = \"target/nextest/ci/junit.xml\" }}\n\
         env = {{ set = {{ PATH = \"/toolchain/bin:/tools:/usr/bin:/bin\" }} }}\n\
         caches = [{}, {}]\nnetwork = \"loopback\"\n",
        cache(&toolchain, "/toolchain"),
        cache(&nextest, "/tools/cargo-nextest")
    );
    let (_folder, mut session) = project(
        &keys,
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
            ),
            ("Cargo.lock", "version = 4\n[[package]]\nname = \"small\"\nversion = \"0.1.0\"\n"),
            (".config/nextest.toml", "[profile.ci.junit]\npath = \"junit.xml\"\n"),
            (
                "src/lib.rs",
                "#[test]\nfn good() {}\n#[test]\nfn bad() {\n    assert_eq!(1, 2);\n}\n\
                 #[test]\nfn loopback() {\n    std::net::TcpListener::bind(\"127.0.0.1:0\").unwrap();\n}\n",
            ),
        ],
    );
    check(
        &mut session,
        "3 tests: 2 passed, 1 failed",
        &[("bad", "src/lib.rs:5")],
        "3 tests run: 2 passed, 1 failed",
    );
}

#[test]
fn pytest() {
    let folder = installed().join("venv").canonicalize().expect("the judges' Python");
    let python = folder.join("bin/python").display().to_string();
    let base = path_of(&python, &["-c", "import sys; print(sys.base_prefix)"]);
    // Where the system's own Python is, there is nothing to share.
    let base = if base.starts_with("/usr") {
        String::new()
    } else {
        cache(&base, &base.display().to_string())
    };
    let keys = format!(
        "argv = [\"{0}/bin/python\", \"-m\", \"pytest\", \"--junitxml=out/report.xml\"]\n\
         report = {{ format = \"junit\", path = \"out/report.xml\" }}\ncaches = [{1}, {base}]\n",
        folder.display(),
        cache(&folder, &folder.display().to_string())
    );
    let (_folder, mut session) = project(
        &keys,
        &[(
            "test_small.py",
            "import pytest\n\n\ndef test_good():\n    pass\n\n\ndef test_bad():\n    assert 1 == 2\n\n\n\
             @pytest.mark.skip\ndef test_later():\n    pass\n\n\n@pytest.mark.parametrize('n', [1, 2, 3])\n\
             def test_many(n):\n    assert n < 3\n",
        )],
    );
    check(
        &mut session,
        "6 tests: 3 passed, 2 failed, 1 skipped",
        &[("test_bad", "test_small.py:9"), ("test_many[3]", "test_small.py:19")],
        "2 failed, 3 passed, 1 skipped",
    );
}

#[test]
fn node() {
    let node = installed().join("bin/node").canonicalize().expect("the judges' Node.js");
    let keys = format!(
        "argv = [\"/tools/node\", \"--test\", \"--test-reporter=tap\"]\n\
         report = {{ format = \"tap\", stream = \"stdout\" }}\nnetwork = \"loopback\"\n\
         caches = [{}]\n",
        cache(&node, "/tools/node")
    );
    let (_folder, mut session) = project(
        &keys,
        &[(
            "a.test.mjs",
            "import test from 'node:test';\nimport assert from 'node:assert';\n\
             test('good', () => {});\ntest('bad', () => {\n  assert.strictEqual(1, 2);\n});\n\
             test('later', { skip: true }, () => {});\n\
             import cp from 'node:child_process';\nimport http from 'node:http';\n\
             test('child', () => assert.equal(cp.execFileSync('echo', ['x']).toString(), 'x\\n'));\n\
             test('server', async () => {\n  const s = http.createServer((q, r) => r.end('hi'));\n  \
             await new Promise((r) => s.listen(0, '127.0.0.1', r));\n  \
             const t = await (await fetch(`http://127.0.0.1:${s.address().port}`)).text();\n  \
             s.close();\n  assert.equal(t, 'hi');\n});\n",
        )],
    );
    check(
        &mut session,
        "5 tests: 3 passed, 1 failed, 1 skipped",
        &[("bad", "a.test.mjs:")],
        "# fail 1",
    );
}
