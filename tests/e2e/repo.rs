//! `suite repo` as its users have it: the real binary, confined, on real repositories.

mod hostile;
mod untrusted;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::harness::{Folder, Session, git, meta, repository, suite, text};

/// The commit of `main` in the sample.
const MAIN: &str = "cf4b9819f9fff879c4ba5c4c8605d0852ec6e6fd";

/// servers.toml with more for the repository `shop`.
fn acting() -> Folder {
    let folder = Folder::repo("branches = [\"agent/*\"]\n");
    // As git leaves it after `git pack-refs`: there is a file that a transaction would lock.
    let (git, mut packed) = (folder.path("shop/.git"), String::new());
    for name in ["heads/cancel", "heads/express", "heads/main", "tags/v1.0"] {
        let file = git.join("refs").join(name);
        let id = fs::read_to_string(&file).expect("a ref");
        packed.push_str(&format!("{} refs/{name}\n", id.trim()));
        fs::remove_file(file).expect("removed");
    }
    fs::write(git.join("packed-refs"), packed).expect("written");
    folder
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().expect("tools");
    tools.iter().map(|tool| tool["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// A call that may be asked back, by a client that offers forms.
fn modern(session: &mut Session, args: &Value, more: &Value) -> Value {
    let mut meta = meta();
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {"form": {}}});
    let mut params = json!({"name": "repo_branch_create", "arguments": args, "_meta": meta});
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    let id = session.post("tools/call", params);
    session.answer(id)
}

#[test]
fn history_and_files_are_read_and_each_call_leaves_its_repository_in_the_record() {
    let folder = Folder::repo("");
    let mut session = Session::start(&suite(), "repo", &folder.config());
    let log = session.call("repo_log", json!({"repo": "shop"}));
    let shown = text(&log);
    assert!(shown.starts_with("<untrusted source=\"repo://shop/HEAD\">\n"), "{shown}");
    assert!(shown.contains("\ncf4b981 2025-01-30 Ben Example: Round to cents\n"), "{shown}");
    let read = session.call("repo_read", json!({"repo": "shop", "path": "README.md"}));
    assert!(text(&read).contains("An order is new, then paid, then shipped."), "{read}");
    let hidden = session.call("repo_read", json!({"repo": "shop", "path": "deploy/payment.key"}));
    assert!(text(&hidden).starts_with("not_found: "), "{hidden}");
    assert!(!hidden.to_string().contains("a key of nothing"), "{hidden}");
    let proved = session.call("repo_verify", json!({"rev": "v1.0", "ancestor_of": "main"}));
    assert!(text(&proved).contains("ancestor of main (cf4b981): yes; "), "{proved}");
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    let calls = folder.calls("repo");
    assert_eq!(calls.len(), 4, "every call leaves a record");
    for call in &calls[..3] {
        assert_eq!(call["target"], "repository:shop", "{call}");
    }
}

#[test]
fn a_repository_that_a_caller_may_not_see_is_not_there() {
    let folder = Folder::repo("");
    let mut session = Session::start(&suite(), "repo", &folder.config());
    for (tool, mut args) in [
        ("repo_log", json!({})),
        ("repo_read", json!({"path": "README.md"})),
        ("repo_refs", json!({})),
        ("repo_verify", json!({"rev": "main"})),
    ] {
        args["repo"] = "secret".into();
        let forbidden = session.call(tool, args.clone());
        assert_eq!(forbidden["result"]["isError"], true, "{tool}: {forbidden}");
        assert!(!forbidden.to_string().contains("Ben Example"), "{tool}: {forbidden}");
        args["repo"] = "nowhere".into();
        let unknown = session.call(tool, args);
        let alike = text(&unknown).replace("nowhere", "secret");
        assert_eq!(alike, text(&forbidden), "{tool}: a name is not given away");
    }
}

#[test]
fn a_branch_is_created_after_a_yes_and_nothing_else_can_be_written() {
    let plain = Folder::repo("");
    let mut session = Session::start(&suite(), "repo", &plain.config());
    let listed = names(&session.request("tools/list", json!({})));
    assert!(!listed.iter().any(|name| name == "repo_branch_create"), "off by default: {listed:?}");

    let folder = acting();
    let git_folder = folder.path("shop/.git");
    let mut session = Session::start(&suite(), "repo", &folder.config());
    assert!(
        names(&session.request("tools/list", json!({}))).contains(&"repo_branch_create".into())
    );
    let args = json!({
        "repo": "shop", "name": "agent/round", "rev": "main", "reason": "a test of the whole way"
    });
    let asked = modern(&mut session, &args, &json!({}));
    let requests = asked["result"]["inputRequests"].as_object();
    let (key, form) =
        requests.and_then(|all| all.iter().next()).unwrap_or_else(|| panic!("{asked}"));
    let message = form["params"]["message"].as_str().expect("a message");
    for part in ["branch: refs/heads/agent/round", MAIN, "Round to cents"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!git_folder.join("refs/heads/agent").exists(), "nothing before the yes");
    let yes = json!({key: {"action": "accept", "content": {"decision": "yes"}}});
    let more = json!({"inputResponses": yes, "requestState": asked["result"]["requestState"]});
    let done = modern(&mut session, &args, &more);
    assert_eq!(text(&done), format!("created refs/heads/agent/round on {MAIN}"), "{done}");
    assert_eq!(git(&git_folder, &["rev-parse", "refs/heads/agent/round"]), MAIN);
    let verified = session.call("repo_refs", json!({"repo": "shop", "glob": "agent/*"}));
    assert!(text(&verified).contains("agent/round cf4b981 "), "{verified}");
    for name in ["main", "agent/a/b", "../hooks/x"] {
        let mut args = args.clone();
        args["name"] = name.into();
        let refused = modern(&mut session, &args, &json!({}));
        assert_eq!(refused["result"]["isError"], true, "{name}: {refused}");
    }
    git(&git_folder, &["fsck", "--strict"]);
    let acted = |call: &Value| call["tool"] == "repo_branch_create" && call["outcome"] == "done";
    let acted = folder.calls("repo").into_iter().find(acted).expect("a record");
    assert_eq!(acted["claimed"]["reason"], "a test of the whole way", "{acted}");
}

#[test]
fn a_link_that_is_made_later_leads_nowhere() {
    let folder = Folder::repo("");
    let mut session = Session::start(&suite(), "repo", &folder.config());
    let before = session.call("repo_refs", json!({"repo": "shop"}));
    assert!(text(&before).ends_with("refs 1-4 of 4"), "{before}");
    // A ref like any other, but for where it is.
    folder.write("outside", MAIN);
    let link = folder.path("shop/.git/refs/heads/leak");
    std::os::unix::fs::symlink(folder.path("outside"), link).expect("a link");
    for rev in ["leak", "refs/heads/leak"] {
        let answer = session.call("repo_log", json!({"repo": "shop", "rev": rev}));
        assert!(text(&answer).starts_with("not_found: no revision "), "{answer}");
    }
    // Objects, too: neither a server that has started nor one that starts reads them there.
    let mut started = Session::start(&suite(), "repo", &folder.config());
    started.request("tools/list", json!({}));
    let packs = fs::read_dir(folder.path("shop/.git/objects/pack")).expect("packs").flatten();
    for file in packs.map(|entry| entry.path()).collect::<Vec<_>>() {
        let elsewhere = folder.path(&file.file_name().expect("a name").to_string_lossy());
        fs::rename(&file, &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, &file).expect("a link");
    }
    let answer = started.call("repo_read", json!({"repo": "shop", "path": "README.md"}));
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(refused(&folder).contains("outside"));
    let read = git(&folder.path("shop/.git"), &["cat-file", "-t", MAIN]);
    assert_eq!(read, "commit", "git follows them");
}

/// Starts a server that does not; what it says.
fn refused(folder: &Folder) -> String {
    let mut command = Command::new(suite());
    command.args(["repo", "--config"]).arg(folder.config()).stdin(std::process::Stdio::null());
    let output = command.output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{errors}");
    assert!(errors.contains("servers.repo.repositories.shop"), "{errors}");
    errors
}

#[test]
fn what_leads_out_is_refused_at_the_start_with_the_remedy() {
    let folder = Folder::repo("");
    fs::write(folder.path("shop/.git/objects/info/alternates"), "/etc\n").expect("written");
    assert!(
        refused(&folder).contains("is outside of the repository's `path`; if it belongs to it")
    );
    // A linked working tree: its repository is elsewhere.
    let folder = Folder::repo("");
    fs::rename(folder.path("shop/.git"), folder.path("elsewhere")).expect("moved");
    folder.write("shop/.git", "gitdir: ../elsewhere\n");
    assert!(refused(&folder).contains("add the folder to `linked`"));
    // An archive of source has no history.
    fs::remove_file(folder.path("shop/.git")).expect("removed");
    assert!(refused(&folder).contains("`git init` or `git clone` makes one"));
}

#[test]
fn the_sample_is_what_its_stream_makes() {
    let folder = Folder::new("");
    let made = folder.path("made.git");
    fs::create_dir(&made).expect("a folder");
    git(&made, &["init", "-q", "--bare", "-b", "main"]);
    let stream = fs::File::open(repository().join("samples/shop.fast-import")).expect("the stream");
    let mut command = Command::new("git");
    command.arg("-C").arg(&made).args(["fast-import", "--quiet"]).stdin(stream);
    assert!(command.status().expect("git").success());
    let refs = |folder: &Path| git(folder, &["for-each-ref"]);
    assert_eq!(refs(&made), refs(&repository().join("samples/shop.git")));
}
