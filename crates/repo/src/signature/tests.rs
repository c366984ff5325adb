//! Signatures made by `ssh-keygen` and `gpg` through git, checked here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::testing::World;
use crate::tools::verify::Verify;

/// A world in which keys can be made and commits signed.
struct Signing {
    world: World,
}

/// Runs a program in a world; what it prints. It sees no agent, no home and no configuration.
fn run(world: &World, program: &str, words: &[&str]) -> String {
    let home = world.path("gnupg");
    let mut command = Command::new(program);
    command.args(words).current_dir(world.path("")).stdin(Stdio::null());
    command.env_remove("SSH_AUTH_SOCK").env("GNUPGHOME", home).env("HOME", world.path(""));
    let output = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Drop for Signing {
    /// Ends the agent that gpg has started for this world.
    fn drop(&mut self) {
        if self.world.path("gnupg").exists() {
            run(&self.world, "gpgconf", &["--kill", "all"]);
        }
    }
}

impl Signing {
    fn new() -> Self {
        let mut world = World::new();
        world.settings["signers"] = json!(["signers"]);
        fs::write(world.path("signers"), "").expect("a file");
        world.write("a", "1\n");
        world.commit("first");
        Self { world }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.world.path(name)
    }

    /// Makes an SSH key; its public line.
    fn ssh_key(&self, name: &str, kind: &[&str]) -> String {
        let file = self.path(name).display().to_string();
        let words = ["-q", "-N", "", "-C", "comment", "-f", file.as_str()];
        run(&self.world, "ssh-keygen", &[&words, kind].concat());
        let line = fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        line.trim().to_owned()
    }

    /// Commits with a signature by an SSH key.
    fn ssh_commit(&self, key: &str) {
        let key = format!("user.signingkey={}", self.path(key).display());
        let words = ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "-S", "--allow-empty"];
        self.world.git_of(&[&words[..], &["-m", "signed"]].concat());
    }

    fn signers(&self, text: &str) {
        fs::write(self.path("signers"), text).expect("a file");
    }

    /// The line about the signature of a revision.
    async fn state(&self, revision: &str) -> String {
        let text = self.world.call::<Verify>(json!({"rev": revision})).await;
        let line = text.lines().find(|line| line.starts_with("signature: "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    async fn check(&self, expected: &str) {
        let state = self.state("HEAD").await;
        let shown = state.strip_prefix("signature: ").expect("a state");
        assert!(shown.starts_with(expected), "{shown}, not {expected}");
    }

    /// Replaces the commit at `HEAD` by one with another content.
    fn tamper(&self, change: impl Fn(String) -> String) {
        let changed = change(self.world.git("cat-file commit HEAD") + "\n");
        let file = self.path("changed");
        fs::write(&file, changed).expect("a file");
        let file = file.display().to_string();
        let id = self.world.git_of(&["hash-object", "-t", "commit", "-w", &file]);
        self.world.git_of(&["update-ref", "HEAD", &id]);
    }

    /// Makes an `OpenPGP` key without a passphrase; its fingerprint.
    fn gpg_key(&self, name: &str, kind: &str, until: &str) -> String {
        let home = self.path("gnupg");
        if !home.exists() {
            fs::create_dir(&home).expect("a folder");
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
            fs::set_permissions(&home, private).expect("permissions");
        }
        let user = format!("{name} <{name}@example.org>");
        let words = ["--batch", "--passphrase", "", "--faked-system-time", "20240101T000000"];
        let made = ["--quick-gen-key", &user, kind, "sign", until];
        run(&self.world, "gpg", &[&words[..], &made[..]].concat());
        let listed = run(&self.world, "gpg", &["--with-colons", "--list-keys", name]);
        let line = listed.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("a fingerprint").to_owned()
    }

    fn gpg(&self, words: &[&str]) -> String {
        run(&self.world, "gpg", &[&["--batch", "--yes", "--passphrase", ""], words].concat())
    }

    /// Declares what gpg exports.
    fn export(&self, names: &[&str]) {
        self.signers(&self.gpg(&[&["--armor", "--export"], names].concat()));
    }

    /// A program that git calls as gpg, with options of its own before git's.
    fn gpg_with(&self, options: &str) -> String {
        let script = self.path("gpg-with");
        let home = self.path("gnupg").display().to_string();
        let text = format!("#!/bin/sh\nGNUPGHOME='{home}' exec gpg {options} \"$@\"\n");
        fs::write(&script, text).expect("a file");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&script, private).expect("permissions");
        script.display().to_string()
    }

    fn gpg_commit(&self, key: &str, options: &str) {
        self.sign(&["commit", "-q", "-S", "--allow-empty", "-m", "signed"], key, options);
    }

    fn sign(&self, words: &[&str], key: &str, options: &str) {
        let program = format!("gpg.program={}", self.gpg_with(options));
        let key = format!("user.signingkey={key}");
        self.world.git_of(&[&["-c", &program, "-c", &key], words].concat());
    }
}

#[tokio::test]
async fn a_commit_without_a_signature_has_none() {
    let signing = Signing::new();
    signing.check("none").await;
}

#[tokio::test]
async fn ssh_keys_of_every_kind_sign() {
    let signing = Signing::new();
    for (name, kind) in [
        ("ed", &["-t", "ed25519"][..]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
    ] {
        let line = signing.ssh_key(name, kind);
        signing.ssh_commit(name);
        signing.check("unknown key SHA256:").await;
        signing.signers(&format!("{name}@example.org namespaces=\"git\" {line}\n"));
        let key = signing.path(&format!("{name}.pub")).display().to_string();
        let shown = run(&signing.world, "ssh-keygen", &["-l", "-f", &key]);
        let fingerprint = shown.split(' ').nth(1).expect("a fingerprint").to_owned();
        signing.check(&format!("good: {name}@example.org ({fingerprint})")).await;
        signing.signers("");
    }
}

#[tokio::test]
async fn an_ssh_signature_counts_only_as_it_is_declared() {
    let signing = Signing::new();
    let line = signing.ssh_key("ada", &["-t", "ed25519"]);
    signing.ssh_commit("ada");
    for (options, expected) in [
        ("", "good: ada@example.org (SHA256:"),
        ("namespaces=\"file\" ", "untrusted: the key is declared for other namespaces than git"),
        ("valid-before=\"20200101Z\" ", "untrusted: the key had expired when"),
        ("valid-after=\"29990101\" ", "untrusted: the key was not yet valid when"),
        ("valid-after=\"20200101\",valid-before=\"29990101Z\" ", "good: ada@example.org"),
        ("cert-authority ", "untrusted: the key is declared for certificates"),
        ("surprise ", "unchecked (a file of signers cannot be read"),
    ] {
        signing.signers(&format!("ada@example.org {options}{line}\n"));
        signing.check(expected).await;
    }
    fs::remove_file(signing.path("signers")).expect("a file");
    signing.check("unchecked (a file of signers cannot be read").await;
}

#[tokio::test]
async fn the_key_of_somebody_else_is_unknown() {
    let signing = Signing::new();
    let (ada, eve) =
        (signing.ssh_key("ada", &["-t", "ed25519"]), signing.ssh_key("eve", &["-t", "ed25519"]));
    signing.ssh_commit("eve");
    signing.signers(&format!("ada@example.org {ada}\n"));
    signing.check("unknown key SHA256:").await;
    signing.signers(&format!("ada@example.org {ada}\neve@example.org {eve}\n"));
    signing.check("good: eve@example.org (").await;
    let (ada, eve) =
        (signing.gpg_key("ada", "ed25519", "0"), signing.gpg_key("eve", "ed25519", "0"));
    signing.gpg_commit(&eve, "");
    signing.export(&[&ada]);
    signing.check(&format!("unknown key {eve}")).await;
    signing.export(&[&ada, &eve]);
    signing.check("good: eve <eve@example.org> (").await;
}

#[tokio::test]
async fn a_changed_commit_is_bad() {
    let signing = Signing::new();
    let line = signing.ssh_key("ada", &["-t", "ed25519"]);
    signing.signers(&format!("ada@example.org {line}\n"));
    signing.ssh_commit("ada");
    signing.check("good: ").await;
    signing.tamper(|text| text.replace("\n\nsigned", "\n\nchanged"));
    signing.check("bad: the content is not what was signed").await;
    signing.ssh_commit("ada");
    signing.tamper(|text| text.replace("author Ada", "author Eve"));
    signing.check("bad: ").await;
    // A second signature must not hide behind the first.
    signing.ssh_commit("ada");
    signing.tamper(|text| {
        let (start, end) = (text.find("gpgsig").expect("one"), text.find("\n\n").expect("an end"));
        format!("{}{}\n{}", &text[..start], &text[start..end], &text[start..])
    });
    signing.check("bad: not exactly one signature").await;
}

#[tokio::test]
async fn a_signature_for_something_else_than_git_does_not_count() {
    let signing = Signing::new();
    let line = signing.ssh_key("ada", &["-t", "ed25519"]);
    signing.signers(&format!("ada@example.org {line}\n"));
    let payload = signing.world.git("cat-file commit HEAD") + "\n";
    fs::write(signing.path("payload"), &payload).expect("a file");
    let (key, file) = (signing.path("ada"), signing.path("payload"));
    let (key, file) = (key.display().to_string(), file.display().to_string());
    run(&signing.world, "ssh-keygen", &["-q", "-Y", "sign", "-n", "file", "-f", &key, &file]);
    let signature = fs::read_to_string(signing.path("payload.sig")).expect("a signature");
    let header = signature.trim().replace('\n', "\n ");
    signing.tamper(|text| text.replacen("\n\n", &format!("\ngpgsig {header}\n\n"), 1));
    signing.check("untrusted: made for `file`, not for git").await;
}

#[tokio::test]
async fn openpgp_keys_of_every_kind_sign() {
    let signing = Signing::new();
    for (name, kind) in [("ed", "ed25519"), ("rsa", "rsa2048"), ("nistp", "nistp256")] {
        let fingerprint = signing.gpg_key(name, kind, "0");
        signing.gpg_commit(&fingerprint, "");
        signing.check(&format!("unknown key {fingerprint}")).await;
        signing.export(&[name]);
        signing.check(&format!("good: {name} <{name}@example.org> ({fingerprint})")).await;
        signing.signers("");
    }
    fs::write(signing.path("signers"), "").expect("a file");
    let binary = signing.path("signers").display().to_string();
    signing.gpg(&["--output", &binary, "--export", "nistp"]);
    signing.check("good: nistp").await;
    signing.tamper(|text| text.replace("\n\nsigned", "\n\nchanged"));
    signing.check("bad: the content is not what was signed").await;
}

#[tokio::test]
async fn a_subkey_signs_for_its_key() {
    let signing = Signing::new();
    let primary = signing.gpg_key("ada", "ed25519", "0");
    signing.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "0"]);
    signing.gpg(&["--quick-add-key", &primary, "cv25519", "encr", "0"]);
    signing.export(&["ada"]);
    signing.gpg_commit("ada", "");
    signing.check(&format!("good: ada <ada@example.org> ({primary})")).await;
}

/// Many keys of long standing are so, and gpg takes them, too.
#[tokio::test]
async fn a_key_may_have_signed_itself_with_sha_1() {
    let signing = Signing::new();
    signing.gpg_key("other", "ed25519", "0");
    let user = "ada <ada@example.org>";
    let make = ["--cert-digest-algo", "SHA1", "--quick-gen-key", user, "rsa2048", "sign", "0"];
    signing.gpg(&make);
    let packets = signing.gpg(&["--export", "--armor", "ada"]);
    signing.signers(&packets);
    let file = signing.path("signers").display().to_string();
    assert!(signing.gpg(&["--list-packets", &file]).contains("digest algo 2,"), "made with SHA-1");
    signing.gpg_commit("ada", "");
    signing.check("good: ada <ada@example.org> (").await;
    signing.gpg_commit("ada", "--digest-algo SHA1");
    signing.check("untrusted: made with SHA1").await;
}

#[tokio::test]
async fn expired_and_revoked_keys_do_not_count() {
    let signing = Signing::new();
    let old = signing.gpg_key("old", "ed25519", "20240601T000000");
    signing.gpg_commit(&old, "--faked-system-time 20240201T000000");
    signing.export(&["old"]);
    signing.check("untrusted: its key expired on 2024-06-01").await;

    let gone = signing.gpg_key("gone", "ed25519", "0");
    signing.gpg_commit(&gone, "");
    signing.export(&["gone"]);
    signing.check("good: gone").await;
    // As gpg made it in advance, and as an operator adds it: behind the key.
    let kept = signing.path("gnupg").join("openpgp-revocs.d").join(format!("{gone}.rev"));
    let revocation = fs::read_to_string(&kept).expect("a revocation");
    let revocation = revocation.replace(":-----BEGIN", "-----BEGIN");
    let armour = &revocation[revocation.find("-----BEGIN").expect("armour")..];
    let key = signing.gpg(&["--armor", "--export", "gone"]);
    signing.signers(&format!("{key}\n{armour}"));
    signing.check("untrusted: its key is revoked").await;
    fs::write(signing.path("revocation"), armour).expect("a file");
    signing.gpg(&["--import", &signing.path("revocation").display().to_string()]);
    signing.export(&["gone"]);
    signing.check("untrusted: its key is revoked").await;
}

#[tokio::test]
async fn weak_and_expiring_signatures_do_not_count() {
    let signing = Signing::new();
    let ada = signing.gpg_key("ada", "rsa2048", "0");
    signing.export(&["ada"]);
    signing.gpg_commit(&ada, "--digest-algo SHA1");
    signing.check("untrusted: made with SHA1, which is refused").await;
    let past = "--faked-system-time 20240201T000000 --default-sig-expire 30d";
    signing.gpg_commit(&ada, past);
    signing.check("untrusted: it expired on 2024-03-02").await;
    signing.gpg_commit(&ada, "--faked-system-time 20990201T000000");
    signing.check("untrusted: it is dated in the future").await;
    let weak = signing.gpg_key("weak", "rsa1024", "0");
    signing.export(&["weak"]);
    signing.gpg_commit(&weak, "");
    signing.check("untrusted: its RSA key is too short").await;
}

#[tokio::test]
async fn an_x509_signature_is_not_checked() {
    let signing = Signing::new();
    let header = "-----BEGIN SIGNED MESSAGE-----\n AAAA\n -----END SIGNED MESSAGE-----";
    signing.tamper(|text| text.replacen("\n\n", &format!("\ngpgsig {header}\n\n"), 1));
    signing.check("unchecked (X.509)").await;
    signing.tamper(|text| text.replace("SIGNED MESSAGE", "SURPRISE"));
    signing.check("unchecked (of an unknown kind)").await;
    signing.tamper(|text| text.replace("-----BEGIN", "BEGIN"));
    signing.check("bad: not exactly one signature").await;
}

#[tokio::test]
async fn a_tag_is_verified_by_its_own_signature() {
    let signing = Signing::new();
    let line = signing.ssh_key("ada", &["-t", "ed25519"]);
    signing.signers(&format!("ada@example.org {line}\n"));
    let key = format!("user.signingkey={}", signing.path("ada").display());
    let words = ["-c", "gpg.format=ssh", "-c", &key, "tag", "-s", "-m", "release", "v1"];
    signing.world.git_of(&words);
    signing.world.git("tag -a -m plain v2");
    let tag = signing.world.git("rev-parse v1");
    signing.world.git_of(&["update-ref", "refs/tags/v9", &tag]);
    let lines = async |revision: &str| {
        let text = signing.world.call::<Verify>(json!({"rev": revision})).await;
        let kept = text.lines().filter(|line| line.contains("signature") || line.contains("name"));
        kept.map(str::to_owned).collect::<Vec<_>>()
    };
    let short = &tag[..7];
    let good = format!("signature of the tag {short}: good: ada@example.org (SHA256:");
    for revision in ["v1", "tags/v1", "refs/tags/v1", &tag] {
        let found = lines(revision).await;
        assert_eq!((found.len(), found[0].as_str()), (2, "signature: none"), "{found:?}");
        assert!(found[1].starts_with(&good), "{found:?}");
    }
    assert_eq!(lines("v1^{commit}").await, ["signature: none"]);
    assert!(lines("v2").await[1].ends_with(": none"));
    let told = signing.world.call::<Verify>(json!({"rev": "v2"})).await;
    let tagger = told.lines().find_map(|line| line.strip_prefix("tagger "));
    let format = "--format=%(taggername) %(taggeremail) %(taggerdate:format:%Y-%m-%d %H:%M %z)";
    let gits = signing.world.git_of(&["for-each-ref", format, "refs/tags/v2"]);
    assert_eq!(tagger, Some(gits.as_str()), "{told}");
    let renamed = lines("v9").await;
    assert_eq!(renamed[2], "the tag gives itself another name than the one it is found by");
    let changed = signing.world.git("cat-file tag v1").replace("release", "changed") + "\n";
    fs::write(signing.path("changed"), changed).expect("a file");
    let file = signing.path("changed").display().to_string();
    let id = signing.world.git_of(&["hash-object", "-t", "tag", "-w", &file]);
    signing.world.git_of(&["update-ref", "refs/tags/v1", &id]);
    assert!(lines("v1").await[1].ends_with("bad: the content is not what was signed"));
}

#[tokio::test]
async fn the_keys_of_every_declared_file_count() {
    let mut signing = Signing::new();
    let line = signing.ssh_key("ada", &["-t", "ed25519"]);
    signing.ssh_commit("ada");
    signing.world.settings["signers"] = json!([]);
    let state = signing.state("HEAD").await;
    assert!(state.ends_with("(no `signers` are declared for this repository)"), "{state}");
    fs::write(signing.path("more"), format!("ada@example.org {line}\n")).expect("a file");
    signing.world.settings["signers"] = json!(["signers", "more"]);
    signing.check("good: ada@example.org").await;
    assert!(Path::new(&signing.path("more")).exists());
}
