//! Limits hold: time, memory, processes, disk, output; and what of the network is reached.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;
use tests::harness::acting::call;

use super::{World, id, ran, verdict};

#[test]
fn a_fork_bomb_and_a_disk_bomb_end_with_their_run() {
    let world = World::new("time = 5\nprocesses = 40\ndisk = 4\nmemory = 200\n");
    world.case("forks", "f() { f | f & }; f; sleep 1000; report 1 0 0 \"$good\"");
    world.case("fills", "head -c 100000000 /dev/zero > big; report 1 0 0 \"$good\"; ls -l big; df . | tail -1; exit 3");
    let mut session = world.start();
    let said = ran(&mut session, "forks");
    assert_ne!(verdict(&said), "passed", "{said}");
    let said = ran(&mut session, "fills");
    assert_ne!(verdict(&said), "passed", "{said}");
    assert!(!world.folder.path("project/big").exists());
    assert_eq!(verdict(&ran(&mut session, "passed")), "passed", "the machine is as it was");
}

#[test]
fn a_flood_of_output_fills_neither_disk_nor_memory() {
    let world = World::new("output = 1\ntime = 120\n");
    world.case(
        "floods",
        "echo FIRST; yes 0123456789012345678901234567890123456789 | head -c 400000000; \
         echo; echo LAST; report 1 0 0 \"$good\"",
    );
    let mut session = world.start();
    let said = ran(&mut session, "floods");
    assert_eq!(verdict(&said), "passed", "{said}");
    let run = id(&said);
    let kept = std::fs::metadata(world.folder.path(&format!("state/testrun/runs/{run}/stdout")));
    let kept = kept.expect("the output").len();
    assert!((900_000..1_200_000).contains(&kept), "{kept}");
    let tail = call(&mut session, "test_log", &json!({"run": run, "lines": 3}));
    assert!(tail.contains("LAST"), "{tail}");
    let first = call(&mut session, "test_log", &json!({"run": run, "search": "FIRST"}));
    assert!(first.contains("FIRST"), "{first}");
}

/// Whether a run can connect to a port of this machine.
fn connects(keys: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let world = World::new(&keys.replace("PORT", &port.to_string()));
    world.case(
        "connects",
        &format!(
            "cat > c.py <<'X'\nimport socket, sys\ntry:\n    s = socket.create_connection(('127.0.0.1', {port}), 5)\n    \
             s.sendall(b'hi'); sys.exit(0 if s.recv(2) == b'ok' else 1)\nexcept OSError as e:\n    print(e); sys.exit(1)\nX\n\
             python3 c.py && echo CONNECTED; report 1 0 0 \"$good\""
        ),
    );
    listener.set_nonblocking(true).expect("set");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let answers = std::thread::spawn(move || {
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            if let Ok((mut stream, _)) = listener.accept() {
                stream.set_nonblocking(false).expect("set");
                let mut asked = [0; 2];
                let _ = stream.read_exact(&mut asked);
                let _ = stream.write_all(b"ok");
            }
            std::thread::yield_now();
        }
    });
    let mut session = world.start();
    let said = ran(&mut session, "connects");
    assert_eq!(verdict(&said), "passed", "{said}");
    let log = call(&mut session, "test_log", &json!({"run": id(&said)}));
    stop.send(()).expect("told");
    answers.join().expect("it ends");
    log.contains("CONNECTED")
}

#[test]
fn of_the_network_only_what_is_declared_is_reached() {
    assert!(!connects(""), "nothing");
    assert!(!connects("network = \"loopback\"\n"), "its own loopback is not the machine's");
    assert!(connects("network = { ports = [PORT] }\n"), "a named port");
    assert!(!connects("network = { ports = [1] }\n"), "another port");
}

#[test]
fn the_environment_is_the_declared_one() {
    let world = World::new("env = { pass = [\"SUITE_TEST_PASSED\"], set = { FIXED = \"yes\" } }\n");
    world.case("env", "env | sort; report 1 0 0 \"$good\"");
    let mut command = std::process::Command::new(tests::harness::suite());
    command.args(["testrun", "--config"]).arg(world.folder.config());
    command.env("SUITE_TEST_PASSED", "seen").env("SUITE_TEST_SECRET", "zqcanary");
    let mut session = tests::harness::Session::spawn(command);
    let said = ran(&mut session, "env");
    let log = call(&mut session, "test_log", &json!({"run": id(&said)}));
    assert!(log.contains("FIXED=yes") && log.contains("SUITE_TEST_PASSED=seen"), "{log}");
    assert!(!log.contains("zqcanary") && !log.contains("SUITE_TEST_SECRET"), "{log}");
}
