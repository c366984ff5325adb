//! Metrics and traces: what dashboards see of a process, and what they must not.

use std::net::TcpListener;

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, Session, fixture, suite, text};

mod judges;

/// servers.toml of the fixture with a collector.
fn folder(otlp: &str, extra: &str) -> Folder {
    let folder = Folder::fixture(extra);
    let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
    folder.write("servers.toml", &format!("[telemetry]\notlp = \"{otlp}\"\n{servers}"));
    folder
}

/// The text of `/metrics`, as `accept` asks for it.
fn metrics(server: &HttpServer, accept: &str) -> String {
    let reply = server.send("GET", "/metrics", &[("accept", accept)], b"");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// The names of a process's threads.
fn threads(id: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect()
}

#[test]
fn metrics_are_open_on_loopback_and_only_under_our_own_names() {
    let folder = Folder::docs();
    let server = HttpServer::start(&suite(), "docs", &folder.config());
    let text = metrics(&server, "*/*");
    for line in ["# TYPE suite_calls_total counter", "suite_calls_active{suite_server=\"docs\"} 0"]
    {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(text.contains("process_resident_memory_bytes{"), "confined, too:\n{text}");
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        let reply = server.send("GET", "/metrics", &[("host", host)], b"");
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(!reply.body.contains("suite_calls"), "{reply:?}");
    }
    assert_eq!(server.send("POST", "/metrics", &[], b"").status, 405);
}

#[test]
fn metrics_take_a_role_where_callers_are_known() {
    let folder = Folder::fixture("");
    folder.write(
        "servers.toml",
        "[identity]\nkeys = true\n[people]\nann = [\"agent\"]\nscraper = [\"monitor\"]\n\
         [roles.agent]\ntools = [\"test_*\"]\n[roles.monitor]\ntools = [\"metrics\"]\n\
         [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n",
    );
    let ann = folder.key("ann-laptop", Some("ann"));
    let scraper = folder.key("prometheus", Some("scraper"));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let get = |key: Option<&str>| {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> =
            bearer.iter().map(|value| ("authorization", value.as_str())).collect();
        server.send("GET", "/metrics", &headers, b"")
    };
    let nobody = get(None);
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert!(nobody.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    let agent = get(Some(&ann));
    assert_eq!(agent.status, 403, "{agent:?}");
    assert!(agent.body.contains("`metrics`"), "{agent:?}");
    let monitor = get(Some(&scraper));
    assert_eq!(monitor.status, 200, "{monitor:?}");
    assert!(monitor.body.contains("suite_calls_total"), "{monitor:?}");
}

#[test]
fn without_a_collector_nothing_is_started() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({"text": "x"}));
    let names = threads(session.id()).concat();
    assert!(!names.contains("OpenTelemetry"), "{names}");
}

/// Calls go on, are recorded and end in order, whatever the collector does.
fn goes_on(otlp: &str, said: &str) {
    let folder = folder(otlp, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for number in 0..20 {
        let said = format!("call {number}");
        assert_eq!(text(&session.call("test_echo", json!({ "text": said }))), said);
    }
    let names = threads(session.id()).concat();
    assert!(names.contains("OpenTelemetry"), "exporters have threads of their own: {names}");
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    assert_eq!(errors.matches("traces and metrics are not delivered").count(), 1, "{errors}");
    assert!(errors.contains(said), "{errors}");
    assert_eq!(folder.calls("test").len(), 20);
    let records = folder.records("test");
    assert_eq!(records.last().map(|record| &record["event"]), Some(&json!("stopped")));
}

#[test]
fn a_collector_that_is_not_there_changes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    goes_on(&format!("http://127.0.0.1:{port}"), "Connection refused");
}

#[test]
fn a_collector_that_refuses_changes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8 << 10]);
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
        }
    });
    goes_on(&format!("http://{address}"), "401 Unauthorized");
}

#[test]
fn a_collector_that_never_answers_holds_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let folder = folder(&format!("http://{address}"), "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert_eq!(text(&session.call("test_echo", json!({"text": "x"}))), "x");
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    assert_eq!(folder.calls("test").len(), 1);
}

#[test]
fn a_wrong_collector_is_named_with_its_line() {
    let cases = [
        ("otlp = \"grpc://127.0.0.1:4317\"", "^https?://"),
        ("otlp = \"http://user:pw@127.0.0.1:4318\"", "the address holds a password"),
        (
            "otlp = \"http://otel.acme.example\"\nheaders = { authorization = { file = \"token\" } }",
            "send them to https://",
        ),
        ("headers = { x-key = \"Bearer x\" }", "a secret is never written here"),
        ("resource = { team = \"docs\" }", "name the collector by `otlp`"),
        ("otpl = \"http://127.0.0.1:4318\"", "`otlp`"),
        ("otlp = \"http://127.0.0.1:4318/v1/traces\"", "path of a signal"),
        ("otlp = \"http://127.0.0.1:65536\"", "65535"),
        (
            "otlp = \"http://127.0.0.1:4318\"\nheaders = { Host = { file = \"token\" } }",
            "leave it out",
        ),
        (
            "otlp = \"http://127.0.0.1:4318\"\nresource = { \"\" = \"x\" }",
            "an attribute has no name",
        ),
    ];
    for (table, expected) in cases {
        let folder = Folder::docs();
        folder.write("token", "Bearer hunter2hunter2");
        let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
        folder.write("servers.toml", &format!("[telemetry]\n{table}\n{servers}"));
        let mut command = std::process::Command::new(suite());
        let output = command.arg("check").arg("--config").arg(folder.config()).output();
        let output = output.expect("it runs");
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(!output.status.success(), "{table}: {said}");
        assert!(said.contains(expected) && said.contains("servers.toml:"), "{table}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("Bearer x"), "{said}");
    }
}

/// Every point of a metric with these attributes, added up.
fn sum(points: &[&Value], wanted: &[(&str, &str)]) -> u64 {
    let is_wanted =
        |point: &&&Value| wanted.iter().all(|(name, value)| point["attributes"][*name] == **value);
    let value = |point: &Value| point["value"].as_u64().or(point["count"].as_u64()).unwrap_or(0);
    points.iter().filter(is_wanted).map(|point| value(point)).sum()
}
