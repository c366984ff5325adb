//! What stands between an address and everybody who can reach it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tests::harness::{Folder, HttpServer, Idp, fixture};

use super::{folder, list, unidentified};

const KEYS: &str = "[identity]\nkeys = true\n";

/// What a server says that does not start.
fn refuses(folder: &Folder, address: &str) -> String {
    let output = Command::new(fixture())
        .args(["test", "--http", address, "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_address_that_others_can_reach_needs_identity_and_tls() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let open = refuses(&folder("", ""), address);
        assert!(open.contains("other machines") && open.contains("[identity]"), "{open}");
        let clear = refuses(&folder(KEYS, ""), address);
        assert!(clear.contains("in clear") && clear.contains("certificate"), "{clear}");
        // TLS alone is no identity.
        let anybody = refuses(&folder("", "http.proxies = [\"10.0.0.0/8\"]\n"), address);
        assert!(anybody.contains("who may call"), "{anybody}");
    }
}

#[test]
fn mistakes_name_their_place() {
    let idp = Idp::start();
    let check = |identity: &str, http: &str, expected: &[&str]| {
        let errors = refuses(&folder(identity, http), "127.0.0.1:0");
        for expected in expected {
            assert!(errors.contains(expected), "{expected}: {errors}");
        }
    };
    let issuer = |text: &str| format!("[identity.oauth]\nissuer = \"{text}\"\n");
    check(
        &issuer("http://id.example"),
        "",
        &["servers.toml:2:", "issuer", "must begin with https://"],
    );
    check(&issuer("http://127.0.0.1.example"), "", &["must begin with https://"]);
    let scopes = format!("{}scopes = {{ \"a\" = [\"raeder\"] }}\n", issuer(&idp.issuer()));
    check(&scopes, "", &["servers.toml:3:", "did you mean `reader`"]);
    let algorithms = format!("{}algorithms = [\"HS256\"]\n", issuer(&idp.issuer()));
    check(&algorithms, "", &["servers.toml:3:", "algorithms"]);
    check(KEYS, "http.url = \"http://suite.example/mcp\"\n", &["http.url", "https://"]);
    check(KEYS, "http.proxies = [\"10.0.0.0/33\"]\n", &["http.proxies", "such as \"10.0.0.0/8\""]);
    check(KEYS, "http.scopes = [\"a\"]\n", &["http.scopes", "[identity.oauth]"]);
    check(KEYS, "http.certificate = \"a.pem\"\n", &["http.certificate", "add `key`"]);
    let missing = "http.certificate = \"a.pem\"\nhttp.key = { file = \"servers.toml\" }\n";
    check(KEYS, missing, &["http.certificate", "a.pem"]);
    check("[identity]\nkeis = true\n", "", &["servers.toml:2:", "did you mean `keys`"]);
}

/// A certificate authority, a leaf for `suite.example` in the folder, and what trusts it.
fn certify(folder: &Folder) -> Arc<ClientConfig> {
    let (authority, leaf) =
        (KeyPair::generate().expect("a key"), KeyPair::generate().expect("a key"));
    let mut root = CertificateParams::new(Vec::new()).expect("parameters");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let trusted = root.self_signed(&authority).expect("signed");
    let issuer = Issuer::new(root, authority);
    let names = vec!["suite.example".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).expect("parameters").signed_by(&leaf, &issuer);
    folder.write("tls/cert.pem", &certificate.expect("signed").pem());
    folder.write("tls/key.pem", &leaf.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn tls_with_a_certificate_authority_of_ones_own() {
    let identity = format!(
        "[identity]\nkeys = true\n[identity.oauth]\nissuer = \"{}\"\n",
        Idp::start().issuer()
    );
    let folder = folder(
        &identity,
        "http.certificate = \"tls/cert.pem\"\nhttp.key = { file = \"tls/key.pem\" }\n",
    );
    let trust = certify(&folder);
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let connect = |name: &str| {
        let stream = TcpStream::connect(server.address).expect("it listens");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let client = ClientConnection::new(Arc::clone(&trust), name).expect("a client");
        StreamOwned::new(client, stream)
    };
    // Somebody who connects and says nothing keeps nobody waiting.
    let _silent = TcpStream::connect(server.address).expect("it listens");
    let mut stream = connect("suite.example");
    let ask = format!(
        "GET /.well-known/oauth-protected-resource HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        server.address
    );
    stream.write_all(ask.as_bytes()).expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(&format!("\"resource\":\"https://{}/mcp\"", server.address)),
        "{answer}"
    );
    assert!(connect("other.example").write_all(b"x").is_err(), "another name");
    let mut clear = TcpStream::connect(server.address).expect("it listens");
    clear.write_all(ask.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "nothing in clear");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let folder = folder(
        KEYS,
        "http.certificate = \"tls/cert.pem\"\nhttp.key = { file = \"tls/key.pem\" }\n",
    );
    certify(&folder);
    folder.write("tls/key.pem", &KeyPair::generate().expect("a key").serialize_pem());
    let errors = refuses(&folder, "127.0.0.1:0");
    assert!(errors.contains("cert.pem") && errors.contains("do not make a TLS server"), "{errors}");
    folder.write("tls/key.pem", "no key");
    let errors = refuses(&folder, "127.0.0.1:0");
    assert!(errors.contains("is no private key") && !errors.contains("no key\n"), "{errors}");
}

#[test]
fn only_named_proxies_may_connect() {
    let folder = folder(KEYS, "http.proxies = [\"10.0.0.0/8\"]\n");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let mut stream = TcpStream::connect(server.address).expect("it listens");
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_named_proxy_says_whom_it_serves() {
    let folder = folder(KEYS, "http.proxies = [\"127.0.0.0/8\"]\n");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let ask =
        |forwarded: &str| server.post(&[("x-forwarded-for", forwarded)], &json!({}).to_string());
    assert_eq!(ask("1.2.3.4, 203.0.113.9").status, 401);
    assert_eq!(ask("203.0.113.7, 127.0.0.3").status, 401);
    assert_eq!(list(&server, "suite_x").status, 401);
    assert!(server.stop().success());
    let from: Vec<String> = unidentified(&folder)
        .iter()
        .filter_map(|detail| Some(detail.split(" from ").nth(1)?.split(':').next()?.to_owned()))
        .collect();
    assert_eq!(
        from,
        ["203.0.113.9", "203.0.113.7", "127.0.0.1"],
        "the nearest hop that is no proxy"
    );
}

#[test]
fn without_proxies_nobody_can_pretend_to_be_one() {
    let folder = folder(KEYS, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    assert_eq!(server.post(&[("x-forwarded-for", "203.0.113.9")], "{}").status, 401);
    assert!(server.stop().success());
    assert!(unidentified(&folder)[0].contains("from 127.0.0.1"), "{:?}", unidentified(&folder));
}
