//! Telemetry as programs see it that we did not write: OpenTelemetry's types and tracer, and
//! Prometheus' parsers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tests::harness::otlp::{Collector, parsed, traced};
use tests::harness::{Folder, HttpServer, Service, Session, approval, fixture, meta, text};

use super::{folder, metrics, sum};

const CANARY: &str = "c4n4ry-Zm9v+5ecret/91";
/// The canary as it is, in base64 at three alignments, and percent-encoded.
const TRACES: [&str; 5] = ["c4n4ry-Zm9v", "YzRuNHJ5", "M0bjRyeS", "jNG40cnkt", "Zm9v%2B5ecret"];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A request of revision 2026-07-28 inside a trace.
fn inside(session: &mut Session, method: &str, mut params: Value) -> Value {
    let mut fields = meta();
    fields["traceparent"] = json!(format!("00-{TRACE}-{PARENT}-01"));
    fields["tracestate"] = json!("vendor=x");
    params["_meta"] = fields;
    let id = session.post(method, params);
    session.answer(id)
}

#[test]
fn calls_are_spans_of_the_callers_trace() {
    let collector = Collector::start();
    let extra = "[servers.test.tools.test_slow]\ntimeout = 1\n";
    let folder = folder(&collector.url(), extra);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let mut tool = |name: &str, arguments: Value| {
        inside(&mut session, "tools/call", json!({"name": name, "arguments": arguments}))
    };
    tool("test_echo", json!({"text": "hello"}));
    tool("test_table", json!({"nonsense": true}));
    tool("test_slow", json!({"millis": 30_000}));
    tool("test_panic", json!({}));
    tool("made_up", json!({}));
    inside(&mut session, "resources/read", json!({"uri": "test://static-text"}));
    inside(&mut session, "prompts/get", json!({"name": "test_simple_prompt", "arguments": {}}));
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");

    let received = collector.received();
    let spans = received.spans();
    assert_eq!(spans.len(), 7, "{spans:#?}");
    for span in &spans {
        assert_eq!((&span["trace"], &span["parent"]), (&json!(TRACE), &json!(PARENT)), "{span:#}");
        assert_eq!((&span["state"], &span["kind"]), (&json!("vendor=x"), &json!(2)), "{span:#}");
        assert_eq!(span["resource"]["service.name"], "suite-test", "{span:#}");
        assert_eq!(span["attributes"]["network.transport"], "pipe", "{span:#}");
        assert_eq!(span["attributes"]["mcp.protocol.version"], "2026-07-28", "{span:#}");
        assert_eq!(span["message"], "", "messages quote arguments: {span:#}");
    }
    let check = |name: &str, outcome: &str, error: Option<&str>| {
        let span = received.span(name);
        let attributes = &span["attributes"];
        assert_eq!(attributes["suite.outcome"], outcome, "{span:#}");
        assert_eq!(attributes.get("error.type").and_then(Value::as_str), error, "{span:#}");
        assert_eq!(span["status"], if error.is_some() { 2 } else { 0 }, "{span:#}");
        span["attributes"].clone()
    };
    let echo = check("tools/call test_echo", "done", None);
    assert_eq!(echo["mcp.method.name"], "tools/call");
    assert_eq!(echo["gen_ai.operation.name"], "execute_tool");
    assert_eq!(
        (&echo["gen_ai.tool.name"], &echo["suite.result.size"]),
        (&json!("test_echo"), &json!(5))
    );
    check("tools/call test_table", "invalid", Some("invalid"));
    let slow = check("tools/call test_slow", "failed", Some("timeout"));
    check("tools/call test_panic", "failed", Some("internal"));
    let unknown = check("tools/call", "denied", Some("denied"));
    assert_eq!(unknown["gen_ai.tool.name"], "_other", "callers make no names");
    let read = check("resources/read test_resource", "done", None);
    assert_eq!(read.get("mcp.resource.uri"), None, "addresses are in the records");
    let prompt = check("prompts/get test_simple_prompt", "done", None);
    assert_eq!(prompt["gen_ai.prompt.name"], "test_simple_prompt");

    let records = folder.calls("test");
    let record = records.iter().find(|record| record["tool"] == "test_slow").expect("a record");
    assert_eq!(record["call"], slow["suite.call.id"], "a span leads to its record");
    let lasted = received.span("tools/call test_slow")["nanoseconds"].as_u64().expect("a time");
    assert_eq!(lasted / 1000, record["duration_us"].as_u64().expect("a time"), "measured once");
}

#[test]
fn a_client_of_the_python_sdk_is_the_parent() {
    let collector = Collector::start();
    let folder = folder(&collector.url(), "");
    let program = fixture().display().to_string();
    let config = folder.config().display().to_string();
    let stdio = ["--stdio", "--", &program, "test", "--config", &config].map(str::to_owned);
    let mut made = traced("test_echo", &json!({"text": "x"}), &stdio);
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let http = ["--http".to_owned(), server.url()];
    made.extend(traced("test_echo", &json!({"text": "x"}), &http));
    assert!(server.stop().success());
    let received = collector.received();
    let spans = received.spans();
    assert_eq!(spans.len(), 2, "{spans:#?}");
    for (span, transport) in spans.iter().zip(["pipe", "tcp"]) {
        let parent = made.iter().find(|client| client["span"] == span["parent"]);
        let parent = parent.unwrap_or_else(|| panic!("no parent of {span:#} in {made:#?}"));
        assert_eq!(parent["trace"], span["trace"], "{span:#}");
        assert_eq!(span["attributes"]["network.transport"], transport, "{span:#}");
    }
}

#[test]
fn numbers_are_what_was_called_in_both_formats_and_over_otlp() {
    let collector = Collector::start();
    let extra = "http.sessions = 5\n[servers.test.tools.test_echo]\nlimit = \"3/hour\"\n";
    let folder = folder(&collector.url(), extra);
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let call = |tool: &str, arguments: Value| {
        server.request("tools/call", json!({"name": tool, "arguments": arguments}))
    };
    for _ in 0..5 {
        call("test_echo", json!({"text": "0123456789"}));
    }
    call("test_table", json!({"nonsense": true}));
    call("test_panic", json!({}));
    for made_up in ["a", "b", "c"] {
        call(made_up, json!({}));
    }
    server.request("resources/read", json!({"uri": "test://static-text"}));

    let wanted = [
        ("tools/call", "test_echo", "done", None, 3_u32),
        ("tools/call", "test_echo", "limited", Some("limited"), 2),
        ("tools/call", "test_table", "invalid", Some("invalid"), 1),
        ("tools/call", "test_panic", "failed", Some("internal"), 1),
        ("tools/call", "_other", "denied", Some("denied"), 3),
        ("resources/read", "test_resource", "done", None, 1),
    ];
    for (format, accept) in [
        ("openmetrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
        ("prometheus", "text/plain;version=0.0.4"),
    ] {
        let seen = parsed(format, &metrics(&server, accept));
        let calls = samples(&seen, "suite_calls_total");
        assert_eq!(calls.len(), wanted.len(), "{calls:#?}");
        for (method, tool, outcome, error, count) in wanted {
            let mut labels = json!({"suite_server": "test", "mcp_method_name": method,
                "gen_ai_tool_name": tool, "suite_outcome": outcome});
            labels["error_type"] = error.map_or(Value::Null, Value::from);
            labels.as_object_mut().expect("labels").retain(|_, value| !value.is_null());
            let sample = calls.iter().find(|sample| sample["labels"] == labels);
            let sample = sample.unwrap_or_else(|| panic!("no {labels} in {calls:#?}"));
            assert_eq!(sample["value"], f64::from(count), "{sample}");
        }
        let durations = samples(&seen, "mcp_server_operation_duration_seconds_count");
        let all: f64 = durations.iter().filter_map(|sample| sample["value"].as_f64()).sum();
        assert!((all - 11.0).abs() < 0.1, "{durations:#?}");
        let bytes = samples(&seen, "suite_result_size_bytes_total");
        let echoed = bytes.iter().find(|one| one["labels"]["gen_ai_tool_name"] == "test_echo");
        let recorded: u64 = folder
            .calls("test")
            .iter()
            .filter(|record| record["tool"] == "test_echo")
            .filter_map(|record| record["result_bytes"].as_u64())
            .sum();
        assert_eq!(
            echoed.expect("bytes")["value"].as_f64().map(|value| value.to_string()),
            Some(recorded.to_string())
        );
        let policy = samples(&seen, "suite_policy_info");
        let digest = &folder.calls("test")[0]["policy"];
        assert_eq!(&policy[0]["labels"]["suite_policy_digest"], digest, "{policy:#?}");
        assert_eq!(
            samples(&seen, "suite_records_total")[0]["value"],
            12.0,
            "started, and eleven calls"
        );
        assert!(seen["families"].as_object().is_some_and(|families| families.len() >= 15));
    }
    assert!(server.stop().success());

    let received = collector.received();
    let calls = received.points("suite.calls");
    let durations = received.points("mcp.server.operation.duration");
    for (method, tool, outcome, error, count) in wanted {
        let mut labels = vec![("mcp.method.name", method), ("gen_ai.tool.name", tool)];
        labels.extend(error.map(|error| ("error.type", error)));
        let outcome = [&labels[..], &[("suite.outcome", outcome)]].concat();
        assert_eq!(sum(&calls, &outcome), u64::from(count), "{outcome:?} in {calls:#?}");
        let of_error = durations
            .iter()
            .filter(|point| error.is_some() || point["attributes"].get("error.type").is_none());
        assert_eq!(
            sum(&of_error.copied().collect::<Vec<_>>(), &labels),
            u64::from(count),
            "{labels:?}"
        );
    }
    assert_eq!(durations[0]["unit"], "s");
    assert!(durations[0]["bounds"].as_array().is_some_and(|bounds| bounds.contains(&json!(0.02))));
}

/// The samples of one name.
fn samples<'a>(seen: &'a Value, name: &str) -> Vec<&'a Value> {
    let samples = seen["samples"].as_array().into_iter().flatten();
    samples.filter(|sample| sample["name"] == name).collect()
}

#[test]
fn approvals_are_counted_whoever_decides_them() {
    let service = Service::start();
    let folder = Folder::new(&format!(
        "[people]\n\"*\" = [\"agent\"]\nbob = [\"lead\"]\n[roles.agent]\ntools = [\"*\"]\n\
         [roles.lead]\napproves = [\"test_deed_*\"]\n[servers.test]\n\
         purpose = \"Be tested in every way.\"\nowner = \"tests\"\nservice = {}\n",
        service.port()
    ));
    let bob = folder.key("bob-laptop", Some("bob"));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let ask = |what: &str| {
        let arguments = json!({"text": what, "reason": "because the test says so"});
        let params = json!({"name": "test_deed_confirm", "arguments": arguments});
        text(&server.request("tools/call", params).json()).to_owned()
    };
    let steps = || {
        let seen = parsed("openmetrics", &metrics(&server, "application/openmetrics-text"));
        let mut steps: Vec<String> = samples(&seen, "suite_approvals_total")
            .iter()
            .map(|sample| {
                format!("{} {}", sample["labels"]["suite_approval_step"], sample["value"])
            })
            .collect();
        steps.push(format!("pending {}", samples(&seen, "suite_approvals_pending")[0]["value"]));
        steps.join(", ").replace('"', "")
    };
    assert_eq!(steps(), "asked 0, given 0, denied 0, expired 0, redeemed 0, pending 0");
    let first = approval(&ask("one"));
    let second = approval(&ask("two"));
    ask("three");
    assert!(folder.approve(&first, &bob).ok);
    assert!(folder.decide("deny", &second, &bob, "not like this").ok);
    assert_eq!(ask("one"), "did: one");
    assert_eq!(steps(), "asked 3, given 1, denied 1, expired 0, redeemed 1, pending 1");
}

#[test]
fn no_secret_reaches_a_dashboard() {
    let collector = Collector::start();
    let extra = "canary = { file = \"canary\" }\nhttp.sessions = 5\n";
    let folder = folder(&collector.url(), extra);
    folder.write("canary", CANARY);
    folder.write("token", "Bearer t0ken-of-the-collector");
    let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
    let headers = "headers = { authorization = { file = \"token\" } }\n";
    let resource = format!("resource = {{ team = \"{CANARY}\" }}\n");
    let telemetry = format!("[telemetry]\n{headers}{resource}");
    folder.write("servers.toml", &servers.replace("[telemetry]\n", &telemetry));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let mut fields = meta();
    fields["traceparent"] = json!(format!("00-{TRACE}-{PARENT}-01"));
    fields["tracestate"] = json!(format!("vendor={CANARY}"));
    fields["io.modelcontextprotocol/clientInfo"]["name"] = json!(CANARY);
    let post = |method: &str, name: &str, mut params: Value| {
        params["_meta"] = fields.clone();
        let body = json!({"jsonrpc": "2.0", "id": CANARY, "method": method, "params": params});
        let headers =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
        server.post(&headers, &body.to_string())
    };
    post("tools/call", "test_echo", json!({"name": "test_echo", "arguments": {"text": CANARY}}));
    post("tools/call", "test_leak", json!({"name": "test_leak", "arguments": {"how": "error"}}));
    post("tools/call", CANARY, json!({"name": CANARY, "arguments": {CANARY: CANARY}}));
    let uri = format!("test://template/{CANARY}/data");
    post("resources/read", &uri, json!({ "uri": uri }));
    post("prompts/get", CANARY, json!({"name": CANARY, "arguments": {}}));
    let shown = metrics(&server, "application/openmetrics-text");
    assert!(server.stop().success());

    let received = collector.received();
    assert!(received.spans().len() >= 4, "{received:#?}");
    assert!(TRACES.iter().all(|trace| !shown.contains(trace)), "{shown}");
    for request in received.requests() {
        assert_eq!(request["headers"]["authorization"], "Bearer t0ken-of-the-collector");
        assert_eq!(request["headers"]["content-type"], "application/x-protobuf");
        let raw = STANDARD.decode(request["raw"].as_str().expect("a body")).expect("base64");
        let raw = String::from_utf8_lossy(&raw);
        for trace in TRACES {
            assert!(!raw.contains(trace), "{trace} was sent to {}: {raw}", request["path"]);
        }
        assert!(!raw.contains("t0ken-of-the-collector"), "{raw}");
    }
}
