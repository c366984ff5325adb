//! What is copied out, and what is said of a program that does not start.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::stage::{Stage, stages};
use sandbox::{Access, Collect, Collected, Exit, Found, Job, Mount, Stop};

/// A job in a private view of the folder `project`.
fn job(stage: &Stage, script: &str, asked: &[&str]) -> Job {
    let project = stage.folder("project");
    let to = stage.folder("reports");
    let mut job = stage.job(&["sh", "-c", script]);
    job.folder = "/project".into();
    job.mounts.push(Mount { from: project, at: "/project".into(), access: Access::Private });
    job.collect = asked
        .iter()
        .map(|inside| Collect { inside: PathBuf::from(inside), to: to.clone(), most: 1000 })
        .collect();
    job
}

/// The one file that was asked for.
fn one(stage: &Stage, script: &str, asked: &str) -> Collected {
    let ended = stage.run(&job(stage, script, &[asked]));
    let mut collected = ended.collected;
    assert_eq!(collected.len(), 1, "{stage} {script} {:?} {}", ended.by, stage.printed());
    collected.remove(0)
}

#[test]
fn reports_are_copied_out() {
    for stage in stages() {
        let found = one(&stage, "mkdir out; echo report > out/a.xml", "/project/out/a.xml");
        assert_eq!(found.found, Found::Found, "{stage}");
        assert_eq!(found.inside, PathBuf::from("/project/out/a.xml"));
        assert_eq!((found.bytes, found.written_after_start), (7, true));
        let copy = found.outside.expect("a copy");
        assert_eq!(fs::read_to_string(copy).expect("there"), "report\n");
        assert!(!stage.path("project").join("out").exists());

        let script = "touch TEST-b.xml TEST-a.xml TEST-c.txt; mkdir TEST-d.xml";
        let ended = stage.run(&job(&stage, script, &["/project/TEST-*.xml", "/tmp/none.xml"]));
        let names: Vec<_> = ended
            .collected
            .iter()
            .map(|one| (one.inside.to_str().expect("text"), one.found))
            .collect();
        let expected = [
            ("/project/TEST-a.xml", Found::Found),
            ("/project/TEST-b.xml", Found::Found),
            ("/project/TEST-d.xml", Found::NotAFile),
            ("/tmp/none.xml", Found::Missing),
        ];
        assert_eq!(names, expected, "{stage}");
    }
}

#[test]
fn a_name_may_be_any_bytes() {
    for stage in stages() {
        let script = r"echo report > $(printf 'TEST-\377\n.xml')";
        let found = one(&stage, script, "/project/TEST-*.xml");
        assert_eq!((found.found, found.bytes), (Found::Found, 7), "{stage}");
        assert!(found.outside.is_some_and(|copy| copy.is_file()));
    }
}

#[test]
fn an_old_report_is_told_from_a_new_one() {
    for stage in stages() {
        let project = stage.folder("project");
        fs::write(project.join("old.xml"), "old").expect("written");
        stage.own(&project.join("old.xml"));
        // At once: not even the shortest time lies between the writing and the run.
        let old = one(&stage, "true", "/project/old.xml");
        assert_eq!((old.found, old.written_after_start), (Found::Found, false), "{stage}");
        // Another name, or other rights, make it no newer.
        let renamed = one(&stage, "mv old.xml new.xml", "/project/new.xml");
        assert_eq!((renamed.found, renamed.written_after_start), (Found::Found, false), "{stage}");
        let new = one(&stage, "echo new > old.xml", "/project/old.xml");
        assert_eq!((new.found, new.written_after_start), (Found::Found, true), "{stage}");
    }
}

#[test]
fn nothing_but_files_is_copied_out() {
    for stage in stages() {
        let secret = stage.file("secret", "secret");
        let project = stage.folder("project");
        symlink(&secret, project.join("planted.xml")).expect("linked");
        let link = format!("ln -s {} link.xml", secret.display());
        let folder = format!("ln -s {} out", stage.path("").display());
        for (script, asked, expected) in [
            (link.as_str(), "/project/link.xml", Found::NotAFile),
            ("true", "/project/planted.xml", Found::NotAFile),
            (folder.as_str(), "/project/out/secret", Found::NotAFile),
            ("mkfifo a.xml", "/project/a.xml", Found::NotAFile),
            ("ln -s a.xml b.xml; touch a.xml", "/project/b.xml", Found::NotAFile),
            ("true", "/project/none.xml", Found::Missing),
            ("true", "/project/none/none.xml", Found::Missing),
            ("head -c 1001 /dev/zero > a.xml", "/project/a.xml", Found::TooLarge),
            ("truncate -s 20T a.xml || truncate -s 2000 a.xml", "/project/a.xml", Found::TooLarge),
        ] {
            let found = one(&stage, script, asked);
            assert_eq!((found.found, found.outside), (expected, None), "{stage} {script}");
        }
        assert_eq!(fs::read_dir(stage.path("reports")).expect("there").count(), 0);
    }
}

#[test]
fn what_does_not_start_says_why() {
    for stage in stages() {
        stage.folder("reports");
        let project = stage.folder("project");
        let script = |name: &str, text: &str, mode| {
            fs::write(project.join(name), text).expect("written");
            let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(project.join(name), rights).expect("rights");
            stage.own(&project.join(name));
        };
        script("no-interpreter", "#!/opt/none -x\n", 0o755);
        script("no-rights", "#!/bin/sh\n", 0o644);
        script("nothing", "", 0o755);
        let start = |change: &dyn Fn(&mut Job)| {
            let mut job = job(&stage, "true", &[]);
            change(&mut job);
            let ended = stage.run(&job);
            match ended.by {
                Some(Stop::NotStarted(why)) => why,
                by => panic!("{stage} {by:?} {:?}", ended.exit),
            }
        };
        let check = |change: &dyn Fn(&mut Job), expected: &str| {
            let why = start(change);
            assert!(why.contains(expected), "{stage} {why}");
        };
        let program = |name: &'static str| move |job: &mut Job| job.argv = vec![name.into()];
        check(&program("none-such"), "none-such is in no folder of PATH");
        check(&program("/usr/bin/none-such"), "/usr/bin/none-such does not exist inside");
        check(&program("./no-interpreter"), "script for /opt/none, which does not exist");
        check(&program("./no-rights"), "may not be executed: chmod +x");
        check(&program("./nothing"), "no program of this machine");
        check(&program("/usr"), "/usr is a folder");
        check(&|job| job.argv.clear(), "no program to start");
        check(&|job| job.env.clear(), "looked up in PATH, and there is none");
        let long = format!("/{}", "x/".repeat(30_000));
        check(
            &|job| job.env = vec![("PATH".into(), long.clone().into())],
            "sh is in no folder of PATH",
        );
        check(&|job| job.folder = "/project/none".into(), "does not exist inside");
        check(&|job| job.folder = "relative".into(), "not an absolute path");
        check(
            &|job| job.mounts[1].from = "/none/such".into(),
            "/none/such does not exist: create it",
        );
        check(&|job| job.mounts[1].at = "/proc/x".into(), "nothing is mounted at /proc/x");
        // A shell's own word for it is another thing.
        let ended = stage.run(&job(&stage, "none-such", &[]));
        assert_eq!((ended.exit, ended.by), (Some(Exit::Code(127)), None));
        let ended = stage.run(&job(&stage, "kill -9 $$", &[]));
        assert_eq!((ended.exit, ended.by), (Some(Exit::Signal(9)), None));
    }
}

#[test]
fn a_mount_lies_within_another() {
    for stage in stages() {
        let cache = stage.folder("cache");
        fs::write(cache.join("warm"), "warm").expect("written");
        stage.own(&cache.join("warm"));
        let mut job = job(&stage, "cat target/warm; echo new > target/new; ls target", &[]);
        job.mounts.push(Mount {
            from: cache,
            at: "/project/target".into(),
            access: Access::Private,
        });
        // In whichever order they are declared.
        job.mounts.swap(1, 2);
        let ended = stage.run(&job);
        assert_eq!(ended.exit, Some(Exit::Code(0)), "{stage} {:?} {}", ended.by, stage.printed());
        assert_eq!(stage.printed(), "warmnew\nwarm\n");
        assert_eq!(fs::read_dir(stage.path("cache")).expect("there").count(), 1);
    }
}
