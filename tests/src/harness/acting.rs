//! What tests of servers that act have in common: calls as the model reads them, drafts, and
//! servers that die at a chosen step.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Session, suite, text};

/// Calls, and returns what the model reads.
pub fn call(session: &mut Session, tool: &str, args: &Value) -> String {
    let answer = session.call(tool, args.clone());
    let said = text(&answer);
    if said.is_empty() { answer.to_string() } else { said.to_owned() }
}

/// The arguments of a call that acts on a draft.
pub fn submission(draft: &str) -> Value {
    json!({"draft": draft, "reason": "because the test says so"})
}

/// The name of a draft in an answer.
pub fn drafted(answer: &str) -> String {
    let rest = answer.strip_prefix("draft ").unwrap_or_else(|| panic!("no draft: {answer}"));
    rest.lines().next().unwrap_or_default().to_owned()
}

/// Runs a server under strace, which kills it at the nth call of these names.
pub fn killed_at(server: &str, config: &Path, calls: &str, nth: usize) -> Session {
    let mut command = Command::new("strace");
    let inject = format!("inject={calls}:signal=KILL:when={nth}");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]);
    command.arg(suite()).args([server, "--config"]).arg(config);
    Session::spawn(command)
}

/// Asks and waits for an answer or for the end of the server.
pub fn until_killed(session: &mut Session, tool: &str, args: &Value) -> Option<String> {
    let id = session.post_modern("tools/call", json!({"name": tool, "arguments": args}));
    loop {
        let message = session.receive()?;
        if message["id"] == id {
            return Some(text(&message).to_owned());
        }
    }
}

/// Makes the same call many times at once, of two processes; what each came to.
pub fn at_once(sessions: [&mut Session; 2], tool: &str, args: &Value, each: usize) -> Vec<String> {
    let params = json!({"name": tool, "arguments": args});
    let post = |session: &mut Session| -> Vec<i64> {
        (0..each).map(|_| session.post_modern("tools/call", params.clone())).collect()
    };
    let [one, other] = sessions;
    let open = [post(one), post(other)];
    let mut said = Vec::new();
    for (session, mut open) in [one, other].into_iter().zip(open) {
        while !open.is_empty() {
            let answer = session.receive().expect("the server answers");
            if let Some(at) = open.iter().position(|id| answer["id"] == *id) {
                open.remove(at);
                said.push(text(&answer).to_owned());
            }
        }
    }
    said
}
