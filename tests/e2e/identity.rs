//! Who calls, over HTTP: API keys, access tokens, and what stands before an address.

mod keys;
mod network;
mod providers;
mod tokens;

use serde_json::{Value, json};
use tests::harness::{Folder, Reply};

/// A folder for the fixture server: readers see `test_echo`, writers all; `[identity]` is given.
fn folder(identity: &str, http: &str) -> Folder {
    Folder::new(&format!(
        "{identity}\n[people]\nann = [\"reader\"]\n\"group:platform\" = [\"writer\"]\n\
         [roles.reader]\ntools = [\"test_echo\"]\n[roles.writer]\ntools = [\"*\"]\n\
         [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n{http}"
    ))
}

/// The `Authorization` header with this credential.
fn bearer(credential: &str) -> String {
    format!("Bearer {credential}")
}

/// A request in the newest revision, with one more header.
fn request(body: &Value) -> (Vec<(&'static str, String)>, String) {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", body["method"].as_str().unwrap_or_default().to_owned()),
    ];
    if let Some(name) = body["params"]["name"].as_str() {
        headers.push(("mcp-name", name.to_owned()));
    }
    (headers, body.to_string())
}

/// Lists the tools with this credential.
fn list(server: &tests::harness::HttpServer, credential: &str) -> Reply {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": tests::harness::meta()}});
    send(server, &body, &[("authorization", &bearer(credential))])
}

/// Calls `test_echo` with this credential.
fn echo(server: &tests::harness::HttpServer, credential: &str, text: &str) -> Reply {
    let params =
        json!({"name": "test_echo", "arguments": {"text": text}, "_meta": tests::harness::meta()});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    send(server, &body, &[("authorization", &bearer(credential))])
}

/// Posts a message with further headers.
fn send(
    server: &tests::harness::HttpServer,
    body: &Value,
    further: &[(&'static str, &str)],
) -> Reply {
    let (headers, body) = request(body);
    let mut all: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    all.extend_from_slice(further);
    server.post(&all, &body)
}

/// The names of the tools in an answer.
fn tools(reply: &Reply) -> Vec<String> {
    let answer = reply.json();
    let tools = answer["result"]["tools"].as_array();
    let tools = tools.unwrap_or_else(|| panic!("no tools: {reply:?}"));
    tools.iter().filter_map(|tool| tool["name"].as_str().map(str::to_owned)).collect()
}

/// The details of the records of refused requests.
fn unidentified(folder: &Folder) -> Vec<String> {
    let records = folder.records("test").into_iter();
    let refused = records.filter(|record| record["event"] == "unidentified");
    refused.map(|record| record["detail"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The files below a folder that contain a text.
fn files_with(folder: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).contains(text)
        {
            found.push(path.display().to_string());
        }
    }
    found
}
