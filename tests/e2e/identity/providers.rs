//! A real authorization server (npm `oidc-provider`), and the SDKs' own OAuth clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tests::harness::{Folder, HttpServer, installed, repository, suite};

use super::{files_with, request};
use crate::judges::judge;

/// The provider, on a port of its own. It ends with its standard input.
struct Provider {
    child: Child,
    port: u16,
}

impl Provider {
    fn start() -> Self {
        let folder = installed();
        let mut child = Command::new(folder.join("bin/node"))
            .arg(repository().join("tests/judges/oauth_provider.mjs"))
            .env("JUDGES_DIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the provider starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("its first line");
        let port = line.trim().parse().expect("the provider is not installed: cargo xtask judges");
        // It dies of a line that nobody takes.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, port }
    }

    /// Says for whom its tokens are.
    fn serve(&mut self, resource: &str) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{resource}").expect("told");
    }

    /// A token for the client `ci`.
    fn token(&self, resource: &str, scope: &str) -> String {
        let body = format!("grant_type=client_credentials&scope={scope}&resource={resource}");
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        // ci:secret
        let request = format!(
            "POST /token HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nauthorization: Basic Y2k6c2VjcmV0\r\n\
             content-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let token =
            answer.split("\"access_token\":\"").nth(1).and_then(|rest| rest.split('"').next());
        token.unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// `suite docs` for tokens of a provider, and the provider.
fn serve() -> (Folder, HttpServer, Provider) {
    let mut provider = Provider::start();
    let folder = Folder::docs();
    let docs = std::fs::read_to_string(folder.config()).expect("servers.toml");
    let docs = docs
        .replace("\"*\" = [\"reader\"]", "nobody = [\"reader\"]")
        .replace("owner = \"tests\"\n", "owner = \"tests\"\nhttp.scopes = [\"docs:read\"]\n");
    let identity = format!(
        "[identity.oauth]\nissuer = \"http://127.0.0.1:{}\"\nscopes = {{ \"docs:read\" = [\"reader\"] }}\n",
        provider.port
    );
    folder.write("servers.toml", &format!("{identity}{docs}"));
    let server = HttpServer::start(&suite(), "docs", &folder.config());
    provider.serve(&server.url());
    (folder, server, provider)
}

#[test]
fn a_token_of_a_real_provider_counts_with_its_audience_and_scope_only() {
    let (folder, server, provider) = serve();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": tests::harness::meta()}});
    let ask = |token: &str| {
        let (headers, text) = request(&body);
        let bearer = format!("Bearer {token}");
        let mut all: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("authorization", &bearer));
        server.post(&all, &text)
    };
    let token = provider.token(&server.url(), "docs:read");
    let reply = ask(&token);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body.contains("docs_search"), "{reply:?}");
    let other = ask(&provider.token(&server.url(), "docs:list"));
    assert_eq!(other.status, 403, "{other:?}");
    let challenge = other.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"docs:read\""));
    let mut broken = token.clone().into_bytes();
    let middle = broken.len() - 40;
    broken[middle] = if broken[middle] == b'A' { b'B' } else { b'A' };
    assert_eq!(ask(&String::from_utf8(broken).expect("text")).status, 401);
    assert!(server.stop().success());
    let signature = token.rsplit('.').next().expect("a signature");
    assert_eq!(files_with(folder.dir.path(), signature), [""; 0]);
}

/// Signs in, lists and calls, in every mode of an SDK.
fn signs_in(script: &str, args: &[&str]) {
    let (folder, server, _provider) = serve();
    let url = server.url();
    let args = [&["--http", url.as_str()], args].concat();
    let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
    let verdict = judge(script, &args);
    assert_eq!(verdict["runs"].as_array().map(Vec::len), Some(3), "{verdict:#}");
    assert!(server.stop().success());
    let calls = folder.calls("docs");
    assert_eq!(calls.len(), 3, "{calls:?}");
    for call in calls {
        assert_eq!(call["principal"]["identity"], "sub:ann", "{call}");
        assert!(call["principal"]["actor"].is_string(), "the client that ann agreed to: {call}");
    }
}

#[test]
fn python_sdk_signs_in() {
    signs_in("oauth_python.py", &["--call", "docs_search", "{\"query\": \"parental leave\"}"]);
}

#[test]
fn typescript_sdk_signs_in() {
    let call = json!({"call": {"tool": "docs_search", "arguments": {"query": "parental leave"}}});
    signs_in("oauth_typescript.mjs", &["--plan", &call.to_string()]);
}
