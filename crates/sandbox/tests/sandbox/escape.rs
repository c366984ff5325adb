//! Attempts to get out, as root and as an ordinary user, in both tiers. Each is shown to succeed
//! without a sandbox first, where that harms nobody, and what it would change is looked at from
//! outside.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::stage::{
    SECRET, Stage, Who, copy_program, open_to_all, stages, stages_of, survivors, word,
};
use sandbox::{Access, Mount, Tier};

/// The attack succeeds outside, and is refused inside.
pub(crate) fn check(stage: &Stage, arguments: &[&str]) {
    assert!(
        stage.succeeds_outside(arguments),
        "{stage} {arguments:?} fails without a sandbox, too"
    );
    stage.refused(arguments);
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// A process of the same user that waits.
struct Victim(Child);

impl Victim {
    fn of(stage: &Stage) -> Self {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").stdin(Stdio::null()).env("SECRET", SECRET);
        if let Who::User(number) = stage.who {
            command.uid(number).gid(number);
        }
        Self(command.spawn().expect("started"))
    }

    fn number(&self) -> String {
        self.0.id().to_string()
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().expect("asked").is_none()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn files_outside_are_neither_read_nor_changed() {
    for stage in stages() {
        let secret = stage.file("secret", "state of another server");
        let folder = stage.folder("state");
        let (path, new) = (text(&secret), folder.join("new"));
        check(&stage, &["read", path]);
        check(&stage, &["list", text(&folder)]);
        check(&stage, &["write", path]);
        check(&stage, &["chmod", path]);
        check(&stage, &["touch", path]);
        check(&stage, &["truncate", path]);
        check(&stage, &["create", text(&new)]);
        check(&stage, &["remove", text(&new)]);
        fs::write(&secret, "state of another server").expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).expect("rights");
        for attack in ["read", "write", "chmod", "touch", "truncate", "remove"] {
            stage.refused(&[attack, path]);
        }
        stage.refused(&["hardlink", path, "/tmp/link"]);
        stage.refused(&["rename", path, "/tmp/renamed"]);
        assert_eq!(fs::read_to_string(&secret).expect("there"), "state of another server");
        let rights = fs::metadata(&secret).expect("there").permissions().mode();
        assert_eq!(rights & 0o777, 0o640);
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 0);
    }
}

#[test]
fn what_the_system_keeps_is_out_of_reach() {
    for stage in stages() {
        for path in ["/etc/shadow", "/root", "/proc/kcore", "/proc/1/environ", "/dev/mem"] {
            stage.refused(&["read", path]);
        }
        for path in [
            "/proc/sys/kernel/core_pattern",
            "/proc/sysrq-trigger",
            "/proc/self/uid_map",
            "/sys/kernel/uevent_helper",
            "/sys/power/state",
            "/sys/fs/cgroup/cgroup.procs",
            "/sys/fs/cgroup/pids/cgroup.procs",
            "/sys/fs/cgroup/unified/cgroup.procs",
            "/usr/bin/env",
            "/dev/tty",
            "/dev/vda",
            "/dev/kmsg",
        ] {
            stage.refused(&["open-to-write", path]);
        }
        for path in
            ["/usr/attacked", "/etc/attacked", "/attacked", "/proc/attacked", "/dev/attacked"]
        {
            stage.refused(&["create", path]);
            assert!(!Path::new(path).exists());
        }
    }
}

#[test]
fn mounts_are_what_they_are_declared_to_be() {
    for stage in stages() {
        let mount = |name: &str, access| {
            let from = stage.folder(name);
            fs::write(from.join("file"), "original").expect("written");
            stage.own(&from.join("file"));
            Mount { from, at: format!("/mounted/{name}").into(), access }
        };
        let mut mounts = vec![mount("read", Access::Read), mount("private", Access::Private)];
        if stage.writes_for_real() {
            mounts.push(mount("write", Access::Write));
        }
        let run = |arguments: &[&str]| {
            let mut job = stage.attack(arguments);
            job.mounts.extend(mounts.clone());
            job
        };
        for attack in ["write", "remove", "chmod", "truncate", "open-to-write"] {
            stage.refused_job(&run(&[attack, "/mounted/read/file"]));
        }
        stage.refused_job(&run(&["create", "/mounted/read/new"]));
        let original = |name: &str| {
            fs::read_to_string(stage.path(name).join("file")).expect("there") == "original"
        };
        for attack in ["write", "truncate", "remove", "chmod"] {
            let job = run(&[attack, "/mounted/private/file"]);
            let ended = stage.run(&job);
            // Rights by name are kept where the file could be the caller's: not in a copy, but the
            // kernel cannot tell.
            let may = attack != "chmod" || stage.tier == Tier::Namespaces || stage.is_root();
            assert_eq!(
                ended.exit,
                Some(sandbox::Exit::Code(i32::from(!may))),
                "{stage} {attack}: {}",
                stage.printed()
            );
            assert!(original("private"), "{stage} {attack}");
        }
        if stage.writes_for_real() {
            let write = stage.run(&run(&["write", "/mounted/write/file"]));
            assert_eq!(write.exit, Some(sandbox::Exit::Code(0)), "{stage} {}", stage.printed());
            assert!(!original("write"), "{stage}");
        }
        assert!(original("read"));
    }
}

#[test]
fn links_lead_nowhere() {
    for stage in stages() {
        let outside = stage.folder("outside");
        fs::write(outside.join("secret"), "secret").expect("written");
        let project = stage.folder("project");
        symlink(&outside, project.join("link")).expect("linked");
        let mount = Mount { from: project, at: "/project".into(), access: Access::Private };
        for attack in [
            ["read", "/project/link/secret"],
            ["create", "/project/link/attacked"],
            ["list", "/project/link"],
        ] {
            let mut job = stage.attack(&attack);
            job.mounts.push(mount.clone());
            stage.refused_job(&job);
        }
        assert!(stage.succeeds_outside(&[
            "link-race",
            text(&stage.folder("race")),
            text(&outside)
        ]));
        fs::remove_file(outside.join("attacked")).expect("the race is won outside");
        let mut job = stage.attack(&["link-race", "/project/race", text(&outside)]);
        job.mounts.push(mount);
        stage.refused_job(&job);
        assert_eq!(fs::read_dir(&outside).expect("there").count(), 1);
    }
}

#[test]
fn other_processes_are_out_of_reach() {
    for stage in stages() {
        let mut victim = Victim::of(&stage);
        let number = victim.number();
        check(&stage, &["environ", SECRET]);
        check(&stage, &["memory"]);
        check(&stage, &["descriptors-of-others"]);
        check(&stage, &["root-of-others", "/etc/passwd"]);
        check(&stage, &["call", "ptrace", &number]);
        check(&stage, &["call", "process_vm_readv", &number]);
        check(&stage, &["call", "prlimit", &number]);
        stage.refused(&["call", "signal", &number]);
        stage.refused(&["call", "pidfd-signal", &number]);
        stage.refused(&["call", "ptrace-me"]);
        assert!(victim.lives());
        // All that it may send to: itself is spared.
        stage.run(&stage.attack(&["call", "signal", "-1"]));
        assert!(victim.lives(), "{stage}: a signal to everybody got out");
        check(&stage, &["call", "signal", &number]);
    }
}

#[test]
fn the_first_process_inside_survives_its_children() {
    for stage in stages_of(Tier::Namespaces) {
        for signal in ["signal", "pidfd-signal"] {
            let ended = stage.run(&stage.attack(&["call", signal, "1"]));
            assert_eq!(ended.by, None, "{stage}: {}", stage.printed());
        }
    }
}

#[test]
fn pipes_of_the_host_are_out_of_reach() {
    for stage in stages() {
        let folder = stage.folder("with-pipe");
        let path = folder.join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o666))
            .expect("a pipe");
        stage.own(&path);
        // Somebody reads it.
        let _reader = fs::File::options().read(true).write(true).open(&path).expect("open");
        check(&stage, &["open-to-write", text(&path)]);
        for access in [Access::Read, Access::Private] {
            let mut job = stage.attack(&["open-to-write", "/mounted/pipe"]);
            job.mounts.push(Mount { from: folder.clone(), at: "/mounted".into(), access });
            stage.refused_job(&job);
        }
    }
}

#[test]
fn the_kernel_is_asked_for_nothing_strange() {
    for stage in stages() {
        for call in ["unshare-user", "clone-user", "clone3", "memfd", "add_key"] {
            check(&stage, &["call", call]);
        }
        for call in [
            "unshare-mount",
            "unshare-network",
            "setns",
            "io_uring",
            "keyctl",
            "mount",
            "remount",
            "umount",
            "fsopen",
            "open_tree",
            "pivot_root",
            "chroot",
            "mknod",
            "bpf",
            "perf",
            "userfaultfd",
            "personality",
            "sethostname",
            "syslog",
            "setuid",
            "x32",
        ] {
            stage.refused(&["call", call]);
        }
        stage.refused(&["terminal"]);
    }
}

#[test]
fn shared_memory_of_others_cannot_be_attached() {
    for stage in stages() {
        // A segment of everybody, with the rights of everybody.
        let made = Command::new("ipcmk").args(["-M", "4096", "-p", "0666"]).output();
        let made = made.expect("ipcmk, of util-linux");
        let number = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        let number = number.rsplit(' ').next().expect("a number");
        let attack = ["call", "shm", number];
        let outside = stage.succeeds_outside(&attack);
        let inside = stage.run(&stage.attack(&attack));
        Command::new("ipcrm").args(["-m", number]).status().expect("removed");
        assert!(outside);
        assert_eq!(inside.exit, Some(sandbox::Exit::Code(1)), "{stage}");
    }
}

#[test]
fn a_setuid_program_gives_no_rights() {
    for stage in stages() {
        let folder = stage.folder("setuid");
        open_to_all(&folder);
        let program = folder.join("program");
        let own = std::env::current_exe().expect("this program");
        let built = own.parent().and_then(Path::parent).expect("its folder");
        copy_program(&built.join("examples/attack"), &program);
        if nix::unistd::geteuid().is_root() {
            let rights = fs::Permissions::from_mode(0o4755);
            fs::set_permissions(&program, rights).expect("rights");
            check(&stage, &["setuid", text(&program)]);
        }
        for access in [Access::Read, Access::Private, Access::Write] {
            if access == Access::Write && !stage.writes_for_real() {
                continue;
            }
            let mut job = stage.attack(&["setuid", "/mounted/program"]);
            job.mounts.push(Mount { from: folder.clone(), at: "/mounted".into(), access });
            stage.refused_job(&job);
        }
    }
}

#[test]
fn no_mount_gives_rights() {
    for stage in stages_of(Tier::Namespaces) {
        let mut job = stage.job(&["cat", "/proc/mounts"]);
        let from = stage.folder("project");
        for access in [Access::Read, Access::Private, Access::Write] {
            let at = format!("/mounted/{access:?}").into();
            job.mounts.push(Mount { from: from.clone(), at, access });
        }
        stage.run(&job);
        let printed = stage.printed();
        for line in printed.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let has = |option: &str| fields[3].split(',').any(|one| one == option);
            let is_device = fields[2] == "devtmpfs" || fields[2] == "devpts";
            let is_private = ["/tmp", "/var/tmp", "/dev/shm", sandbox::HOME].contains(&fields[1]);
            let is_written = fields[1] == "/mounted/Private" || fields[1] == "/mounted/Write";
            assert!(has("nosuid"), "{stage} {line}");
            assert!(has("nodev") || is_device, "{stage} {line}");
            let is_special = is_device || fields[1] == "/proc";
            assert!(has("ro") || is_private || is_written || is_special, "{stage} {line}");
        }
        assert_eq!(printed.matches(" /mounted/").count(), 3, "{stage} {printed}");
    }
}

#[test]
fn shared_folders_are_its_own() {
    for stage in stages() {
        for folder in ["/tmp", "/var/tmp", "/dev/shm"] {
            let path = format!("{folder}/{}", word());
            let ended = stage.run(&stage.attack(&["create", &path]));
            assert_eq!(ended.exit, Some(sandbox::Exit::Code(0)), "{stage}: {}", stage.printed());
            assert!(!Path::new(&path).exists());
            fs::write(&path, "the host's").expect("written");
            stage.refused(&["read", &path]);
            fs::remove_file(&path).expect("removed");
        }
    }
}

#[test]
fn only_what_is_given_is_inherited() {
    for stage in stages() {
        stage.refused(&["descriptors"]);
        let ended = stage.run(&stage.job(&["env"]));
        assert_eq!(ended.exit, Some(sandbox::Exit::Code(0)));
        let mut printed: Vec<String> = stage.printed().lines().map(str::to_owned).collect();
        printed.retain(|line| !line.starts_with("HOME=") && !line.starts_with("TMPDIR="));
        assert_eq!(printed, ["PATH=/usr/local/bin:/usr/bin:/bin"]);
    }
}

#[test]
fn who_leaves_the_session_is_ended_too() {
    for stage in stages() {
        let word = word();
        assert!(stage.succeeds_outside(&["daemon", &word]));
        let left = survivors(&word);
        assert_eq!(left.len(), 1);
        kill_all(&word);
        let ended = stage.run(&stage.attack(&["daemon", &word]));
        assert_eq!(ended.exit, Some(sandbox::Exit::Code(0)), "{stage}: {}", stage.printed());
        assert_eq!(survivors(&word), Vec::<String>::new(), "{stage}");
    }
}

fn kill_all(word: &str) {
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let name = process.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        if line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
            && let Some(number) = number
        {
            let process = nix::unistd::Pid::from_raw(number);
            nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL).expect("ended");
        }
    }
}
