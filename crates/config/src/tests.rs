//! Layers and locations, on files as a person would write them.

use contract::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct File {
    suite: Option<Suite>,
    servers: Option<Servers>,
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Suite {
    state: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Servers {
    docs: Option<Docs>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Docs {
    /// one sentence that says what the server is for
    purpose: String,
    owner: String,
    #[schemars(range(min = 1, max = 64))]
    in_flight: Option<u32>,
    password: Option<SecretRef>,
}

fn load(text: &str, around: Around) -> Result<(tempfile::TempDir, Config), Faults> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("servers.toml");
    std::fs::write(&path, text).expect("written");
    Config::load(&path, &around).map(|config| (folder, config))
}

fn complaints(text: &str) -> Vec<String> {
    let schema = Validator::new(&contract::schema::of::<File>()).expect("a schema");
    let faults = match load(text, Around::default()) {
        Ok((_folder, config)) => config.check(&schema),
        Err(faults) => faults,
    };
    let name = |fault: &Fault| {
        let Fault { at, key, message } = fault;
        format!("{}:{}: {key}: {message}", at.line, at.column)
    };
    faults.iter().map(name).collect()
}

#[test]
fn all_mistakes_are_reported_at_once_with_their_places() {
    let text = "[suite]\nstat = \"x\"\n\n[servers.docs]\npurpose = \"p\"\n  in_flight = 900\n\n[servers.dcs]\n";
    assert_eq!(
        complaints(text),
        [
            "2:1: suite.stat: `stat` is unknown; did you mean `state`?",
            "4:10: servers.docs: `owner` is missing",
            "6:3: servers.docs.in_flight: 900; the maximum is 64",
            "8:10: servers.dcs: `dcs` is unknown; did you mean `docs`?",
        ]
    );
}

#[test]
fn every_syntax_mistake_has_its_place() {
    let complaints = complaints("[suite\nstate = \"x\"\nother = = 2\n");
    assert!(complaints.len() >= 2, "{complaints:?}");
    assert!(complaints[0].starts_with("1:"), "{complaints:?}");
    assert!(complaints.iter().any(|complaint| complaint.starts_with("3:")), "{complaints:?}");
}

#[test]
fn a_literal_password_is_refused_and_not_printed() {
    let text = "[servers.docs]\npurpose = \"p\"\nowner = \"o\"\npassword = \"hunter2\"\n";
    let complaints = complaints(text);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(
        complaints[0].starts_with("4:1: servers.docs.password: a secret is never written here")
    );
    assert!(!complaints[0].contains("hunter2"));
}

#[test]
fn later_layers_win_and_keep_their_names() {
    let around = Around {
        defaults: "[suite]\nstate = \"built-in\"\n",
        environment: vec![
            ("SUITE_SERVERS__DOCS__OWNER".into(), "env".into()),
            ("SUITE_SERVERS__DOCS__IN_FLIGHT".into(), "8".into()),
            ("SUITE_TOKEN".into(), "not ours".into()),
        ],
        flags: vec![("/servers/docs/in_flight".into(), json!(9))],
        ..Around::default()
    };
    let (_folder, config) =
        load("[servers.docs]\npurpose = \"file\"\nowner = \"file\"\n", around).expect("loads");
    assert_eq!(
        config.raw("/servers/docs"),
        Some(&json!({"purpose": "file", "owner": "env", "in_flight": 9}))
    );
    assert_eq!(config.get::<Suite>("/suite").expect("a table").state.as_deref(), Some("built-in"));
    assert_eq!(config.locate("/suite/state").file, "built-in defaults");
    assert_eq!(config.locate("/servers/docs/owner").file, "SUITE_SERVERS__DOCS__OWNER");
    assert_eq!(config.locate("/servers/docs/in_flight").file, "the command line");
    assert_eq!(config.locate("/servers/docs/purpose").line, 2);
}

#[test]
fn files_beside_the_main_one_are_read_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("servers.toml");
    std::fs::write(&path, "[suite]\nstate = \"a\"\n").expect("written");
    std::fs::create_dir(folder.path().join("servers.d")).expect("a folder");
    std::fs::write(folder.path().join("servers.d/20.toml"), "[suite]\nstate = \"c\"\n")
        .expect("written");
    std::fs::write(folder.path().join("servers.d/10.toml"), "[suite]\nstate = \"b\"\n")
        .expect("written");
    std::fs::write(folder.path().join("servers.d/note.txt"), "not toml").expect("written");
    let config = Config::load(&path, &Around::default()).expect("loads");
    assert_eq!(config.raw("/suite/state"), Some(&json!("c")));
    assert!(config.locate("/suite/state").file.ends_with("20.toml"));
}

#[test]
fn a_missing_file_is_named() {
    let error =
        Config::load(Path::new("/nowhere/servers.toml"), &Around::default()).expect_err("missing");
    assert!(error.to_string().starts_with("/nowhere/servers.toml: cannot be read"), "{error}");
}

#[test]
fn a_server_sees_no_other_table() {
    let (_folder, config) =
        load("[servers.docs]\nowner = \"a\"\n[servers.mail]\nowner = \"b\"\n", Around::default())
            .expect("loads");
    let config = config.only("docs");
    assert!(config.raw("/servers/mail").is_none());
    assert!(config.raw("/servers/docs").is_some());
}

#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("servers.toml");
    std::fs::write(&path, "").expect("written");
    std::fs::create_dir(folder.path().join("servers.d")).expect("a folder");
    let device = folder.path().join("servers.d/a.toml");
    std::os::unix::fs::symlink("/dev/null", &device).expect("a link");
    let read = read_files(&path);
    assert_eq!(read[0], (path, Ok(String::new())));
    assert_eq!(read[1], (device, Err("it is no regular file".to_owned())));
}
