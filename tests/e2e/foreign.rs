//! What belongs to one person is of no use to another: cursors, request states, approvals.

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, Service, fixture, meta, suite, text};

const PEOPLE: &str = "[identity]\nkeys = true\n[people]\nann = [\"all\"]\neve = [\"all\"]\n\
     [roles.all]\ntools = [\"*\"]\n";

/// A call of revision 2026-07-28 with a person's key.
fn call(server: &HttpServer, key: &str, mut params: Value, offers: Value) -> Value {
    params["_meta"] = meta();
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = offers;
    let name = params["name"].as_str().expect("a name").to_owned();
    let bearer = format!("Bearer {key}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", &name),
    ];
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    server.post(&headers, &body.to_string()).json()
}

#[test]
fn a_cursor_of_another_person_is_refused() {
    let folder = Folder::new(&format!(
        "{PEOPLE}[servers.docs]\npurpose = \"Answer from the handbook.\"\nowner = \"tests\"\n\
         [[servers.docs.collections]]\nname = \"handbook\"\npath = \"handbook\"\n"
    ));
    for number in 0..9 {
        folder.write(&format!("handbook/{number}.md"), "# Leave\n\nParental leave.\n");
    }
    let [ann, eve] = ["ann", "eve"].map(|name| folder.key(name, Some(name)));
    let server = HttpServer::start(&suite(), "docs", &folder.config());
    let search = |key: &str, args: Value| {
        call(&server, key, json!({"name": "docs_search", "arguments": args}), json!({}))
    };
    let first = search(&ann, json!({"query": "parental leave", "limit": 2}));
    let (_, cursor) = text(&first).rsplit_once("cursor=").unwrap_or_else(|| panic!("{first}"));
    let next = json!({"query": "parental leave", "limit": 2, "cursor": cursor.trim()});
    let stolen = search(&eve, next.clone());
    assert!(
        text(&stolen).starts_with("invalid: `cursor` is not one this call can use"),
        "{stolen}"
    );
    assert!(text(&search(&ann, next)).contains("hits 3-4"), "its owner's");
}

#[test]
fn a_request_state_and_an_approval_of_another_person_are_refused() {
    let service = Service::start();
    let folder = Folder::new(&format!(
        "{PEOPLE}[servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\nservice = {}\n",
        service.port()
    ));
    let [ann, eve] = ["ann", "eve"].map(|name| folder.key(name, Some(name)));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let form = json!({"elicitation": {"form": {}}});
    let args = json!({"text": "ann's", "reason": "because it is a test"});
    let params = json!({"name": "test_deed_confirm", "arguments": args});
    let asked = call(&server, &ann, params.clone(), form.clone());
    let requests =
        asked["result"]["inputRequests"].as_object().unwrap_or_else(|| panic!("{asked}"));
    let key = requests.keys().next().expect("a question").clone();
    let mut answered = params.clone();
    answered["requestState"] = asked["result"]["requestState"].clone();
    answered["inputResponses"] =
        json!({&key: {"action": "accept", "content": {"decision": "yes"}}});
    let stolen = call(&server, &eve, answered.clone(), form.clone());
    assert!(
        stolen.to_string().contains("`requestState` is damaged, expired, or of another call"),
        "{stolen}"
    );
    let id = key.trim_start_matches("approval-");
    let by_identity = json!({"name": "test_deed_confirm", "arguments": {"approval": id}});
    let stolen = call(&server, &eve, by_identity, json!({}));
    assert!(text(&stolen).contains("you have no approval"), "{stolen}");
    assert!(service.lines().is_empty());
    assert_eq!(text(&call(&server, &ann, answered, form)), "did: ann's");
    assert_eq!(service.lines(), ["ann's"]);
}
