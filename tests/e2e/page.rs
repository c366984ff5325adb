//! The page of an approval: what hosts that open pages are sent to.

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, Reply, Service, fixture, meta, text};

fn folder(service: &Service) -> Folder {
    Folder::new(&format!(
        "[people]\nann = [\"agent\"]\nbob = [\"lead\"]\neve = [\"agent\"]\n\
         [roles.agent]\ntools = [\"*\"]\n[roles.lead]\napproves = [\"test_deed_*\"]\n\
         [identity]\nkeys = true\n\
         [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\nservice = {}\n",
        service.port()
    ))
}

fn call(server: &HttpServer, key: &str, args: &Value) -> String {
    let params = json!({"name": "test_deed_one", "arguments": args, "_meta": meta()});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "test_deed_one"),
    ];
    text(&server.post(&headers, &body.to_string()).json()).to_owned()
}

fn send(server: &HttpServer, path: &str, form: &[(&str, &str)], more: &[(&str, &str)]) -> Reply {
    let escape = |text: &str| text.replace(' ', "+");
    let body: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend_from_slice(more);
    server.send("POST", path, &headers, body.join("&").as_bytes())
}

#[test]
fn a_page_takes_the_yes_of_a_person_who_may_give_it() {
    let service = Service::start();
    let folder = folder(&service);
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(|name| folder.key(name, Some(name)));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let args =
        json!({"text": "<script>alert(1)</script>\u{202e}", "reason": "because it is a test"});
    let said = call(&server, &ann, &args);
    let (_, page) = said.split_once(&format!("http://{}", server.address)).expect("a page");
    let path: String = page.chars().take_while(|c| !c.is_whitespace() && *c != '.').collect();
    assert!(path.starts_with("/approvals/") && path.len() == 75, "{path}");

    let first = server.send("GET", &path, &[], b"");
    assert_eq!(first.status, 200);
    assert!(!first.body.contains("alert"), "nothing is shown before a credential");
    assert!(
        first
            .header("content-security-policy")
            .is_some_and(|policy| policy.contains("default-src 'none'"))
    );

    let shown = send(&server, &path, &[("key", &bob)], &[]);
    assert!(shown.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;[U+202E]"), "{}", shown.body);
    assert!(!shown.body.contains("<script>") && !shown.body.contains('\u{202e}'));
    let refuse = |form: &[(&str, &str)], more: &[(&str, &str)], status: u16, words: &str| {
        let reply = send(&server, &path, form, more);
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(words), "{words}: {}", reply.body);
        assert!(service.lines().is_empty());
    };
    let reason = ("reason", "it is right");
    refuse(&[("key", "suite_wrong")], &[], 401, "mangled");
    refuse(&[("key", &eve)], &[], 404, "none here that you may decide about");
    refuse(&[("key", &eve), ("decision", "yes"), reason], &[], 404, "none here");
    refuse(&[("key", &ann), ("decision", "yes"), reason], &[], 404, "none here");
    refuse(&[("key", &bob), ("decision", "yes")], &[], 403, "a reason of 3 to 500");
    let foreign = [("origin", "https://evil.example")];
    refuse(&[("key", &bob), ("decision", "yes"), reason], &foreign, 403, "another site");
    // What browsers send with a form that hides where it is from, and a page of another host.
    refuse(&[("key", &bob)], &[("origin", "null")], 403, "another site");
    refuse(&[("key", &bob)], &[("host", "evil.example")], 403, "not served here");
    let own = format!("http://{}", server.address);
    assert_eq!(send(&server, &path, &[("key", &bob)], &[("origin", &own)]).status, 200);
    assert_eq!(first.header("referrer-policy"), Some("same-origin"), "or browsers send null");
    let unknown = format!("/approvals/{}", "0".repeat(64));
    assert_eq!(send(&server, &unknown, &[("key", &bob)], &[]).status, 404);

    let done = send(&server, &path, &[("key", &bob), ("decision", "yes"), reason], &[]);
    assert!(done.status == 200 && done.body.contains("approved "), "{}", done.body);
    let again = send(&server, &path, &[("key", &bob), ("decision", "yes"), reason], &[]);
    assert_eq!(again.status, 403, "decided once");
    assert!(call(&server, &eve, &args).starts_with("approval_needed: "), "another person's call");
    assert!(call(&server, &ann, &args).starts_with("did: "));
    assert_eq!(service.lines().len(), 1);
    let id = path.trim_start_matches("/approvals/");
    let stolen = call(&server, &eve, &json!({ "approval": id }));
    assert!(stolen.contains("you have no approval"), "{stolen}");
}
