//! A real project's runner, in a private view of the project: it works, and nothing is left in it.
//! Other runners are tested through the server, end to end.

use std::fs;
use std::path::{Path, PathBuf};

use crate::stage::{Stage, stages_of};
use sandbox::{Access, Collect, Exit, Found, Job, Mount, Network, Tier};

/// A job in the project, of which the files are given.
fn job(stage: &Stage, argv: &[&str], files: &[(&str, &str)], report: Option<&str>) -> Job {
    let project = stage.folder("project");
    for (name, text) in files {
        let path = project.join(name);
        stage.folder(&format!("project/{}", Path::new(name).parent().expect("a folder").display()));
        fs::write(&path, text).expect("written");
        stage.own(&path);
    }
    let mut job = stage.job(argv);
    job.folder = "/project".into();
    job.network = Network::Loopback;
    job.mounts.push(Mount { from: project, at: "/project".into(), access: Access::Private });
    job.limits.processes = 400;
    job.limits.memory = 4 << 30;
    job.limits.disk = 512 << 20;
    let to = stage.folder("reports");
    job.collect = report
        .map(|inside| Collect { inside: inside.into(), to, most: 1 << 20 })
        .into_iter()
        .collect();
    job
}

/// Runs the job; gives what it printed, and the report.
fn check(stage: &Stage, job: &Job, code: i32) -> (String, String) {
    let before = entries(&stage.path("project"));
    let ended = stage.run(job);
    let printed = stage.printed();
    assert_eq!((ended.exit, &ended.by), (Some(Exit::Code(code)), &None), "{stage} {printed}");
    assert_eq!(entries(&stage.path("project")), before);
    let report = ended.collected.first().map(|report| {
        assert_eq!((report.found, report.written_after_start), (Found::Found, true), "{printed}");
        fs::read_to_string(report.outside.as_ref().expect("a copy")).expect("text")
    });
    (printed, report.unwrap_or_default())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[test]
fn pythons_runner_runs() {
    let text = "import multiprocessing, os, pty, subprocess, tempfile, unittest\n\
        from multiprocessing import shared_memory\n\
        def double(x): return x * 2\n\
        class A(unittest.TestCase):\n\
        \x20 def test_bad(self): self.assertEqual(1, 2)\n\
        \x20 def test_pool(self):\n\
        \x20   with multiprocessing.Pool(2) as pool: self.assertEqual(pool.map(double, [1]), [2])\n\
        \x20 def test_memory(self):\n\
        \x20   s = shared_memory.SharedMemory(create=True, size=9); s.close(); s.unlink()\n\
        \x20 def test_child(self): subprocess.check_call(['true'], close_fds=True)\n\
        \x20 def test_terminal(self): os.write(pty.openpty()[1], b'x')\n\
        \x20 def test_file(self): tempfile.NamedTemporaryFile().write(b'x')\n";
    for stage in stages_of(Tier::Namespaces) {
        let argv = ["/usr/bin/python3", "-m", "unittest", "test_a"];
        let job = job(&stage, &argv, &[("test_a.py", text)], None);
        let (printed, _) = check(&stage, &job, 1);
        assert!(printed.contains("Ran 6 tests"), "{printed}");
        assert!(printed.contains("FAILED (failures=1)"), "{printed}");
    }
}
