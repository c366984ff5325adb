//! Limits, cancelling, and what is left when something is killed: each looked at from outside.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use crate::stage::{Stage, stages, stages_of, survivors, word};
use sandbox::{Access, Ended, Exit, Limit, Mount, Network, Stop, Tier};

fn check(stage: &Stage, ended: &Ended, expected: Limit) {
    assert_eq!(ended.by, Some(Stop::Limit(expected)), "{stage} {ended:?} {}", stage.printed());
}

#[test]
fn a_fork_bomb_is_ended() {
    for stage in stages() {
        let word = word();
        let mut job = stage.attack(&["fork-bomb", &word]);
        job.limits.processes = 20;
        check(&stage, &stage.run(&job), Limit::Processes);
        assert_eq!(survivors(&word), Vec::<String>::new());
    }
}

#[test]
fn the_kernels_own_limits_are_set() {
    for stage in stages() {
        let mut job = stage.job(&["cat", "/proc/self/limits"]);
        job.limits.processes = 20;
        job.limits.cpu = Some(Duration::from_secs(7));
        stage.run(&job);
        let printed = stage.printed();
        // The machine's /proc is not listed in the tier `landlock`, but its files are read.
        let limit = |name: &str| {
            let line = printed.lines().find_map(|line| line.strip_prefix(name));
            let hard = line.and_then(|line| line.split_whitespace().nth(1));
            hard.and_then(|number| number.parse().ok()).unwrap_or(u64::MAX)
        };
        assert_eq!(limit("Max core file size"), 0, "{stage} {printed}");
        assert_eq!(limit("Max open files"), 256, "{stage}");
        assert_eq!(limit("Max file size"), 32 << 20, "{stage}");
        assert_eq!(limit("Max cpu time"), 9, "{stage}");
        // Where other processes of the user are counted, there is room for them.
        let most = if stage.tier == Tier::Landlock && !stage.is_root() { 100_000 } else { 22 };
        assert!(limit("Max processes") <= most, "{stage}");
    }
}

#[test]
fn threads_are_counted_too() {
    for stage in stages() {
        let mut job = stage.attack(&["thread-bomb"]);
        job.limits.processes = 20;
        let ended = stage.run(&job);
        // Whichever is first: the watch, or the program's own end with the kernel's refusal.
        let refused = ended.exit == Some(Exit::Code(1)) && stage.printed().contains("os error 11");
        assert!(refused || ended.by == Some(Stop::Limit(Limit::Processes)), "{stage} {ended:?}");
    }
}

#[test]
fn a_memory_bomb_is_ended() {
    for stage in stages() {
        let word = word();
        for bomb in [
            vec!["memory-bomb"],
            vec!["shared-memory-bomb"],
            vec!["memory-bomb-of-many", word.as_str()],
        ] {
            let mut job = stage.attack(&bomb);
            job.limits.memory = 64 << 20;
            let ended = stage.run(&job);
            check(&stage, &ended, Limit::Memory);
            assert!(ended.peak.is_some_and(|peak| peak > 64 << 20), "{ended:?}");
        }
        assert_eq!(survivors(&word), Vec::<String>::new());
    }
}

#[test]
fn memory_that_no_process_has_is_held_by_a_control_group() {
    for stage in stages() {
        let mut job = stage.attack(&["hidden-memory-bomb"]);
        job.limits.memory = 64 << 20;
        let ended = stage.run(&job);
        if ended.held.iter().any(|layer| layer.starts_with("control group")) {
            check(&stage, &ended, Limit::Memory);
        } else {
            eprintln!("{stage} has no control group: not tested");
        }
    }
}

#[test]
fn a_disk_bomb_is_ended() {
    for stage in stages() {
        for (bomb, folder) in
            [("disk-bomb", "/tmp"), ("disk-bomb", "/project"), ("file-bomb", "/tmp")]
        {
            // Files without content take blocks where there are no inodes to count.
            if bomb == "file-bomb" && stage.tier == Tier::Landlock {
                continue;
            }
            let mut job = stage.attack(&[bomb, folder]);
            job.limits.disk = 4 << 20;
            let from = stage.folder("project");
            job.mounts.push(Mount {
                from: from.clone(),
                at: "/project".into(),
                access: Access::Private,
            });
            check(&stage, &stage.run(&job), Limit::Disk);
            assert_eq!(fs::read_dir(from).expect("there").count(), 0);
        }
    }
}

#[test]
fn processor_time_is_counted_together() {
    for stage in stages() {
        let mut job =
            stage.job(&["sh", "-c", "for i in 1 2 3 4; do /programs/attack cpu-bomb & done; wait"]);
        job.limits.cpu = Some(Duration::from_secs(1));
        let ended = stage.run(&job);
        check(&stage, &ended, Limit::Cpu);
        assert!(ended.cpu >= Duration::from_secs(1), "{ended:?}");
    }
}

#[test]
fn a_run_ends_with_its_time_and_leaves_no_orphan() {
    for stage in stages() {
        let word = word();
        let script = format!("/programs/attack daemon {word}; /programs/attack wait {word}");
        let mut job = stage.job(&["sh", "-c", &script]);
        job.limits.wall = Duration::from_secs(1);
        let ended = stage.run(&job);
        check(&stage, &ended, Limit::Wall);
        assert_eq!(ended.exit, None);
        assert_eq!(survivors(&word), Vec::<String>::new(), "{stage}");
    }
}

/// Starts a run that leaves its session and waits, and comes back when it does.
fn waiting(stage: &Stage, word: &str) -> crate::stage::Running {
    let script = format!("/programs/attack daemon {word}; echo up; /programs/attack wait {word}");
    let running = stage.start(&stage.job(&["sh", "-c", &script]));
    while !stage.printed().contains("up\n") {
        std::thread::yield_now();
    }
    while survivors(word).len() < 2 {
        std::thread::yield_now();
    }
    running
}

#[test]
fn cancelling_ends_all() {
    for stage in stages() {
        let word = word();
        let running = waiting(&stage, &word);
        let ended = running.cancel();
        assert_eq!((ended.exit, ended.by), (None, Some(Stop::Cancelled)));
        assert_eq!(survivors(&word), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn twenty_at_once_have_each_their_own_limits() {
    for stage in stages_of(Tier::Namespaces) {
        // All at once, each with ten processes: together more than each may have.
        let script = "for i in 1 2 3 4 5 6 7 8; do /programs/attack wait WORD & done; \
                      echo up; head -c 8M /dev/zero > /tmp/file && wait";
        let word = word();
        let runs: Vec<(Stage, crate::stage::Running)> = (0..20)
            .map(|_| {
                let own = stage.again();
                let mut job = own.job(&["sh", "-c", &script.replace("WORD", &word)]);
                job.limits.processes = 12;
                job.limits.disk = 12 << 20;
                let running = own.start(&job);
                (own, running)
            })
            .collect();
        while survivors(&word).len() < 20 * 8 {
            std::thread::yield_now();
        }
        for (own, running) in runs {
            let ended = running.cancel();
            assert_eq!(ended.by, Some(Stop::Cancelled), "{own} {ended:?} {}", own.printed());
        }
        assert_eq!(survivors(&word), Vec::<String>::new());
    }
}

#[test]
fn whoever_is_killed_the_others_end() {
    for stage in stages() {
        let word = word();
        let mut running = waiting(&stage, &word);
        running.child.kill().expect("killed");
        running.child.wait().expect("ended");
        // The kernel, or the first process, ends them after this: until then the test waits.
        while !survivors(&word).is_empty() {
            std::thread::yield_now();
        }
        let killed = format!("sandbox-{}-", running.child.id());
        let mut running = waiting(&stage, &word);
        // What it had copied is removed by the next one.
        let left = |name: std::ffi::OsString| name.to_string_lossy().starts_with(&killed);
        let mut places = ["/var/tmp", "/tmp"].map(|place| fs::read_dir(place).expect("there"));
        assert!(!places.iter_mut().flatten().flatten().any(|entry| left(entry.file_name())));
        let outside = running.child.id().to_string();
        let children = format!("/proc/{outside}/task/{outside}/children");
        let children = fs::read_to_string(children).expect("children");
        let first: i32 = children.trim().parse().expect("one child");
        let first = nix::unistd::Pid::from_raw(first);
        nix::sys::signal::kill(first, nix::sys::signal::Signal::SIGKILL).expect("killed");
        let control = running.child.stdin.take();
        let ended = running.end();
        drop(control);
        assert!(matches!(ended.by, Some(Stop::Lost(_))), "{stage} {ended:?}");
        assert_eq!(survivors(&word), Vec::<String>::new(), "{stage}");
    }
}

#[test]
fn output_is_bounded_while_it_is_printed() {
    for stage in stages() {
        const PRINTED: u64 = 2 << 30;
        let mut job = stage.attack(&["output-bomb", &PRINTED.to_string()]);
        job.limits.output = 1 << 16;
        let mut running = stage.start(&job);
        let process = running.child.id();
        let mut most = 0;
        while running.child.try_wait().expect("asked").is_none() {
            let found = fs::metadata(&job.stdout).map_or(0, |found| found.len());
            assert!(found <= (1 << 16) + 200, "{found}");
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            most = most.max(kib.unwrap_or(0_u64));
        }
        let ended = running.end();
        assert!(most < 64 << 10, "{most} KiB");
        assert_eq!(ended.exit, Some(Exit::Code(0)), "{ended:?}");
        assert_eq!((ended.stdout.kept, ended.stdout.broken), (1 << 16, false));
        assert!(ended.stdout.total >= PRINTED);
        let text = fs::read_to_string(&job.stdout).expect("text");
        let dropped = ended.stdout.total - (1 << 16);
        assert!(
            text.contains(&format!("\n[{dropped} bytes were printed here and are not kept]\n"))
        );
    }
}

#[test]
fn a_stream_that_is_held_open_keeps_nobody_waiting() {
    for stage in stages() {
        let ended = stage.run(&stage.job(&["sh", "-c", "sleep 600 & echo done"]));
        assert_eq!(ended.exit, Some(Exit::Code(0)));
        assert_eq!(stage.printed(), "done\n");
    }
}

#[test]
fn declared_ports_of_the_host_are_reached() {
    for stage in stages() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
        let port = listener.local_addr().expect("an address").port();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("connected");
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).expect("read");
            stream.write_all(format!("heard {line}").repeat(50_000).as_bytes()).expect("written");
            stream.shutdown(std::net::Shutdown::Write).expect("shut");
            let _ = stream.read(&mut [0]);
        });
        let script = format!(
            "import socket\ns = socket.create_connection(('127.0.0.1', {port}))\n\
             s.sendall(b'hello\\n')\nf = s.makefile('rb').read()\nprint(len(f), f[:11])"
        );
        let mut job = stage.job(&["/usr/bin/python3", "-c", &script]);
        job.network = Network::Ports(vec![port]);
        let ended = stage.run(&job);
        assert_eq!(ended.exit, Some(Exit::Code(0)), "{stage} {}", stage.printed());
        assert_eq!(stage.printed(), "600000 b'heard hello'\n");
        answering.join().expect("answered");
    }
}

#[test]
fn a_loopback_network_is_its_own() {
    for stage in stages_of(Tier::Namespaces) {
        let script = "import socket\nl = socket.create_server(('127.0.0.1', 0))\n\
                      s = socket.create_connection(l.getsockname())\nprint('connected')";
        let mut job = stage.job(&["/usr/bin/python3", "-c", script]);
        job.network = Network::Loopback;
        stage.run(&job);
        assert_eq!(stage.printed(), "connected\n");
    }
    for stage in stages_of(Tier::Landlock) {
        let mut job = stage.job(&["true"]);
        job.network = Network::Loopback;
        let ended = stage.run(&job);
        assert!(matches!(ended.by, Some(Stop::NotStarted(why)) if why.contains("tier namespaces")));
    }
}

#[test]
fn a_folder_of_roots_alone_is_its_users_inside() {
    for stage in stages() {
        let project = stage.folder("own");
        fs::write(project.join("file"), "original").expect("written");
        stage.own(&project.join("file"));
        let closed = |path: &Path, mode| {
            let rights = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(path, rights).expect("rights");
        };
        closed(&project.join("file"), 0o600);
        closed(&project, 0o700);
        let script = "cat file && echo new > file && mkdir sub && mv file sub/moved && cat sub/moved \
                      && mv sub other && ls -A && rm -r other";
        let mut job = stage.job(&["sh", "-c", script]);
        job.folder = "/project".into();
        job.mounts.push(Mount {
            from: project.clone(),
            at: "/project".into(),
            access: Access::Private,
        });
        let ended = stage.run(&job);
        assert_eq!(ended.exit, Some(Exit::Code(0)), "{stage} {}", stage.printed());
        assert_eq!(stage.printed(), "originalnew\nother\n");
        assert_eq!(fs::read_to_string(project.join("file")).expect("there"), "original");
        if stage.writes_for_real() {
            for (access, expected) in [(Access::Read, "original"), (Access::Write, "changed\n")] {
                let mut job = stage.job(&["sh", "-c", "cat file; echo changed > file"]);
                job.folder = "/project".into();
                job.mounts.push(Mount { from: project.clone(), at: "/project".into(), access });
                stage.run(&job);
                assert!(stage.printed().starts_with("original"), "{stage} {}", stage.printed());
                assert_eq!(fs::read_to_string(project.join("file")).expect("there"), expected);
                let owner = |path: &Path| {
                    std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).expect("there"))
                };
                assert_eq!(owner(&project.join("file")), owner(&project));
            }
        }
    }
}
