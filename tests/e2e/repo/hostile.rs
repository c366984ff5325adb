//! A hostile repository under every tool, watched by the kernel: nothing is executed, nothing is
//! written, nothing outside is read, and every call has a clear answer.
//!
//! Each test runs twice: with the product's confinement, and as on a kernel without Landlock,
//! where only the server's own code stands between a repository and what is outside of it.

mod calls;
mod objects;
mod repository;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use serde_json::{Value, json};
use tests::harness::{Folder, Session, git, suite};

use repository::{CANARY, Hostile};
use trace::{Rules, broken, traced};

/// The most memory that a call may take, in KiB: no content is ever held that is not asked for.
const MEMORY: u64 = 512 << 10;

/// The kernel that the server meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// This one.
    Whole,
    /// One that has no Landlock.
    Bare,
}

/// servers.toml of one repository.
fn folder() -> Folder {
    // What has no end must be answered in time; the tools' own times are for large repositories.
    let timeout = |tool: &&str| format!("[servers.repo.tools.{tool}]\ntimeout = 1\n");
    let timeouts = calls::TOOLS.iter().map(timeout).collect::<Vec<_>>().concat();
    Folder::new(
        &(timeouts
            + "[people]\n\"*\" = [\"developer\"]\n[roles.developer]\ntools = [\"repo_*\"]\n\
         [servers.repo]\npurpose = \"Be tested.\"\nowner = \"tests\"\n\
         [servers.repo.repositories.h]\npath = \"repo\"\nhidden = [\"**/*.pem\"]\n\
         ignore_revs = \".git-blame-ignore-revs\"\n"),
    )
}

/// `suite repo` under strace.
fn start(folder: &Folder, kernel: Kernel, trace: &Path) -> Command {
    let mut command = traced(&suite(), trace, kernel == Kernel::Bare);
    command.arg("repo").arg("--config").arg(folder.config());
    // What git would follow, were it started.
    for name in [
        "GIT_EXTERNAL_DIFF",
        "GIT_SSH_COMMAND",
        "GIT_PAGER",
        "GIT_EDITOR",
        "GIT_ASKPASS",
        "GIT_PROXY_COMMAND",
    ] {
        command.env(name, folder.path("outside/run.sh"));
    }
    command.env("GIT_CONFIG_GLOBAL", folder.path("outside/config"));
    command.env("HOME", folder.path("outside"));
    // Cargo's own, which makes the loader look for the C library among the toolchain's.
    command.env_remove("LD_LIBRARY_PATH");
    filtered(&mut command, kernel);
    command
}

/// A kernel that lets the process be watched: strace of an ordinary user reads no path of a process
/// that is not dumpable, so the call that makes it so fails here.
#[expect(unsafe_code, reason = "a filter must be installed between fork and exec")]
fn filtered(command: &mut Command, kernel: Kernel) {
    let dumpable = u64::try_from(nix::libc::PR_SET_DUMPABLE).expect("a small number");
    let is_dumpable = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, dumpable);
    let rule = SeccompRule::new(vec![is_dumpable.expect("a condition")]).expect("a rule");
    let mut refused = BTreeMap::from([(nix::libc::SYS_prctl, vec![rule])]);
    if kernel == Kernel::Bare {
        refused.insert(nix::libc::SYS_landlock_create_ruleset, Vec::new());
    }
    let absent = SeccompAction::Errno(nix::libc::ENOSYS.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known architecture");
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, absent, arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    // SAFETY: the closure makes two system calls, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error())
        });
    }
}

/// What is in a folder: of every file its size, its times and its mode.
fn state(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        let data = path.symlink_metadata().expect("there");
        let times = (data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec());
        all.insert(
            path.clone(),
            format!("{} {} {:o} {times:?}", data.ino(), data.size(), data.mode()),
        );
        if data.is_dir() {
            pending.extend(
                fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()),
            );
        }
    }
    all
}

/// The rules of the server on this repository.
fn rules(folder: &Folder, reads: &[&str]) -> Rules {
    let mut reads: Vec<PathBuf> = reads.iter().map(|name| folder.path(name)).collect();
    reads.extend([folder.config(), folder.path("servers.d"), folder.path("state")]);
    Rules { program: suite(), reads, writes: vec![folder.path("state")] }
}

/// That the kernel saw nothing wrong, and that nothing is as it was not.
fn check_trace(folder: &Folder, trace: &Path, kernel: Kernel) {
    let (broken, seen) = broken(trace, &rules(folder, &["repo"]));
    let shown: Vec<&str> =
        broken.iter().take(20).map(|line| &line[..line.len().min(300)]).collect();
    assert!(broken.is_empty(), "{kernel:?}: {} wrong calls:\n{}", broken.len(), shown.join("\n"));
    assert!(seen > 100, "{kernel:?}: the kernel was watched: {seen} calls");
    assert!(!folder.path("outside/ran").exists(), "{kernel:?}: a program ran");
}

#[test]
fn every_tool_reads_a_hostile_repository() {
    let folder = folder();
    let hostile = Hostile::build(folder.dir.path());
    let before = (state(&hostile.repository), state(&hostile.outside));
    for kernel in [Kernel::Whole, Kernel::Bare] {
        let trace = folder.path(&format!("trace-{kernel:?}"));
        let mut session = Session::spawn(start(&folder, kernel, &trace));
        ask_everything(&mut session, &hostile, kernel);
        let most = peak(session.id());
        let (status, _, errors) = session.close();
        assert!(status.success(), "{kernel:?}: {errors}");
        assert!(!errors.contains("panicked"), "{kernel:?}: {errors}");
        check_trace(&folder, &trace, kernel);
        assert!(most < MEMORY, "{kernel:?}: {most} KiB of memory");
        let after = (state(&hostile.repository), state(&hostile.outside));
        let is_changed = |path: &&PathBuf| before.0.get(*path) != after.0.get(*path);
        let changed: Vec<_> = before.0.keys().chain(after.0.keys()).filter(is_changed).collect();
        assert!(changed.is_empty(), "{kernel:?}: changed: {changed:?}");
        assert_eq!(before.1, after.1, "{kernel:?}");
    }
}

/// Every call, each of which must have a clear answer.
fn ask_everything(session: &mut Session, hostile: &Hostile, kernel: Kernel) {
    let listed = session.request("tools/list", json!({}));
    let mut tools: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect();
    tools.sort_unstable();
    assert_eq!(tools, calls::TOOLS, "every tool is tried");
    let mut wrong = Vec::new();
    for (tool, args) in calls::of(hostile) {
        let answer = session.call(tool, args.clone());
        wrong.extend(complaint(tool, &args, &answer));
    }
    assert!(wrong.is_empty(), "{kernel:?}: {} answers:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with an answer: it must be text or an error of the tool, never a failure of ours,
/// and hold nothing from outside.
fn complaint(tool: &str, args: &Value, answer: &Value) -> Option<String> {
    let content = answer["result"]["content"].as_array().cloned().unwrap_or_default();
    let text: String = content.iter().filter_map(|part| part["text"].as_str()).collect();
    let is_refused = answer["error"]["code"] == -32602;
    let what = if answer.to_string().contains(CANARY) {
        "tells what is outside"
    } else if text.is_empty() && !is_refused {
        "says nothing"
    } else if text.starts_with("internal") {
        "fails"
    } else if text.starts_with("limited") {
        "was not tried: too many calls"
    } else if text.len() > 24_000 {
        "is too long"
    } else {
        return None;
    };
    Some(format!("{tool} {} {what}: {}", clip(args), clip(answer)))
}

fn clip(value: &Value) -> String {
    value.to_string().chars().take(240).collect()
}

/// The most memory that a child of strace held, in KiB: `VmHWM` of proc(5).
fn peak(strace: u32) -> u64 {
    let children =
        fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).expect("children");
    let hold = |child: &str| {
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim();
        line.trim_end_matches(" kB").parse().ok()
    };
    children.split_whitespace().filter_map(hold).max().expect("the server runs")
}

/// A repository that lies outside of what servers.toml names, in part.
fn refused(name: &str, plant: impl Fn(&Folder), said: &str) {
    for kernel in [Kernel::Whole, Kernel::Bare] {
        let folder = folder();
        fs::create_dir_all(folder.path("outside")).expect("a folder");
        for at in ["repo", "outside/repo"] {
            fs::create_dir_all(folder.path(at)).expect("a folder");
            git(&folder.path(at), &["init", "-q", "-b", "main"]);
        }
        folder.write("outside/canary.txt", CANARY);
        plant(&folder);
        let trace = folder.path("trace");
        let output = start(&folder, kernel, &trace).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name}, {kernel:?}: {text}");
        assert!(
            text.contains("servers.repo.repositories.h: ") && text.contains(said),
            "{name}, {kernel:?}: {text}"
        );
        assert!(!text.contains(CANARY), "{name}, {kernel:?}: {text}");
        let (broken, _) = broken(&trace, &rules(&folder, &["repo"]));
        assert!(broken.is_empty(), "{name}, {kernel:?}: {broken:#?}");
    }
}

#[test]
fn a_repository_that_leads_outside_is_refused_at_the_start() {
    let outside = "is outside of the repository's `path`";
    let link = |at: &'static str, to: &'static str| {
        move |folder: &Folder| {
            let at = folder.path("repo/.git").join(at);
            let _ = fs::remove_file(&at);
            let _ = fs::remove_dir_all(&at);
            std::os::unix::fs::symlink(folder.path("outside").join(to), at).expect("a link");
        }
    };
    for (at, to) in [
        ("HEAD", "canary.txt"),
        ("packed-refs", "canary.txt"),
        ("shallow", "canary.txt"),
        ("config", "canary.txt"),
        ("objects", "repo/.git/objects"),
        ("objects/pack", "repo/.git/objects/pack"),
        ("objects/info", "repo/.git/objects/info"),
        ("refs", "repo/.git/refs"),
        ("refs/heads", "repo/.git/refs/heads"),
        ("commondir", "canary.txt"),
        ("objects/00", "repo/.git/objects"),
        ("objects/pack/pack-00.pack", "canary.txt"),
        ("objects/pack/multi-pack-index", "canary.txt"),
        ("objects/info/commit-graph", "canary.txt"),
    ] {
        refused(at, link(at, to), outside);
    }
    let write = |at: &'static str, text: &'static str| {
        move |folder: &Folder| {
            let _ = fs::remove_dir_all(folder.path(at));
            folder.write(at, text);
        }
    };
    refused("gitdir", write("repo/.git", "gitdir: ../outside/repo/.git\n"), outside);
    refused("commondir", write("repo/.git/commondir", "../../outside/repo/.git\n"), outside);
    refused(
        "alternates",
        write("repo/.git/objects/info/alternates", "../../../outside/repo/.git/objects\n"),
        outside,
    );
}
