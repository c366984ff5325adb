//! A run is a task where the client knows tasks (SEP-2663), and a run's id everywhere else.

use serde_json::{Value, json};
use tests::harness::{Session, meta, text};

use super::{World, args, id, verdict};

/// A request of a client that knows tasks.
fn ask(session: &mut Session, method: &str, mut params: Value) -> Value {
    let mut said = meta();
    said["io.modelcontextprotocol/clientCapabilities"] =
        json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    params["_meta"] = said;
    let id = session.post(method, params);
    session.answer(id)
}

fn run(session: &mut Session, case: &str, wait: u32) -> Value {
    let mut args = args(case);
    args["wait"] = json!(wait);
    ask(session, "tools/call", json!({"name": "test_run", "arguments": args}))
}

#[test]
fn a_run_that_goes_on_is_a_task_whose_end_is_its_result() {
    let world = World::new("");
    world.case(
        "waits",
        "while [ ! -e kept/go ]; do sleep 0.1; done; report 2 1 0 \"$good$bad\"; exit 1",
    );
    let text_of = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("project/kept/before", "x");
    world.folder.write("servers.toml", &(text_of + "write = [\"kept\"]\n"));
    let mut session = world.start();
    let found = session.request("server/discover", json!({}));
    let extensions = &found["result"]["capabilities"]["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object(), "{found}");
    let begun = run(&mut session, "waits", 0);
    let task = &begun["result"];
    assert_eq!(
        (&task["resultType"], &task["status"]),
        (&json!("task"), &json!("working")),
        "{begun}"
    );
    let name = task["taskId"].as_str().expect("a name").to_owned();
    let still = ask(&mut session, "tasks/get", json!({"taskId": name}));
    assert_eq!(still["result"]["status"], "working", "{still}");
    world.folder.write("project/kept/go", "");
    let result = session.call("test_result", json!({"run": name, "wait": 60}));
    let ended = ask(&mut session, "tasks/get", json!({"taskId": name}));
    assert_eq!(ended["result"]["status"], "completed", "{ended}");
    let said = ended["result"]["result"]["content"][0]["text"].as_str().expect("a text");
    assert_eq!((id(said), verdict(said)), (name.clone(), "failed"), "{ended}");
    // The same run, by its id, for whoever knows no tasks.
    assert_eq!(text(&result), said);
}

#[test]
fn a_task_is_ended_by_its_client() {
    let world = World::new("");
    world.case("endless", "sleep 1000");
    let mut session = world.start();
    let begun = run(&mut session, "endless", 0);
    let name = begun["result"]["taskId"].as_str().expect("a name").to_owned();
    let ended = ask(&mut session, "tasks/cancel", json!({"taskId": name}));
    assert!(ended["error"].is_null(), "{ended}");
    let task = ask(&mut session, "tasks/get", json!({"taskId": name}));
    assert_eq!(task["result"]["status"], "cancelled", "{task}");
    let calls = world.folder.calls("testrun");
    let tools: Vec<&str> = calls.iter().filter_map(|call| call["tool"].as_str()).collect();
    assert_eq!(tools, ["test_run", "test_run", "test_result"], "each of them is on record");
}

#[test]
fn what_ends_at_once_is_no_task_and_who_knows_none_gets_none() {
    let world = World::new("");
    world.case("endless", "sleep 1000");
    let mut session = world.start();
    let quick = run(&mut session, "passed", 60);
    assert_eq!(verdict(text(&quick)), "passed", "{quick}");
    let mut args = args("endless");
    args["wait"] = json!(0);
    let plain = session.call("test_run", args);
    assert!(text(&plain).contains("not over yet"), "{plain}");
    let refused = session.request("tasks/get", json!({"taskId": id(text(&plain))}));
    assert!(refused["error"].is_object(), "{refused}");
    for name in ["web-00000000", "secret-00000000", "../x", ""] {
        let unknown = ask(&mut session, "tasks/get", json!({"taskId": name}));
        assert_eq!(unknown["error"]["code"], -32602, "{name}: {unknown}");
    }
}
