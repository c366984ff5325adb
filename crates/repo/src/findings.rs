//! What an operator should know of the declared repositories, for `suite doctor`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use contract::{Finding, Weight};

use crate::repository::Repository;
use crate::signature;

/// The parts of a repository that nobody else should be able to write.
const PARTS: &[&str] = &["", "config", "hooks", "HEAD", "refs", "objects", "packed-refs"];
/// Keys of a configuration that name programs or lead elsewhere (git-config(1)), by section and,
/// where the section has names of its own, by `*`.
const KEYS: &[&str] = &[
    "core.fsmonitor",
    "core.hookspath",
    "core.sshcommand",
    "core.pager",
    "core.editor",
    "core.worktree",
    "core.attributesfile",
    "core.excludesfile",
    "diff.external",
    "diff.*.textconv",
    "diff.*.command",
    "filter.*.clean",
    "filter.*.smudge",
    "filter.*.process",
    "merge.*.driver",
    "credential.helper",
    "gpg.program",
    "include.path",
    "includeif.*.path",
    "uploadpack.packobjectshook",
];

/// What is to be said of a repository.
pub(crate) fn of(repository: &Repository) -> Vec<Finding> {
    let found = [
        writable(repository),
        programs(repository),
        hooks(repository),
        signers(repository),
        incomplete(repository),
        index(repository),
        branches(repository),
    ];
    let mut all: Vec<Finding> = found.into_iter().flatten().collect();
    for one in &mut all {
        one.what = format!("{}: {}", repository.id, one.what);
    }
    all
}

fn finding(weight: Weight, what: String, remedy: &str) -> Finding {
    Finding { weight, what, remedy: remedy.to_owned() }
}

/// Who else can change what is answered from.
fn writable(repository: &Repository) -> Option<Finding> {
    let common = &repository.layout.common_dir;
    let writable = PARTS.iter().filter(|part| {
        let found = fs::symlink_metadata(common.join(part));
        found.is_ok_and(|found| !found.is_symlink() && found.mode() & 0o002 != 0)
    });
    let parts: Vec<&str> =
        writable.map(|part| if part.is_empty() { "the git folder" } else { part }).collect();
    if parts.is_empty() {
        return None;
    }
    let what = format!("every user of this machine can write {}", parts.join(", "));
    Some(finding(Weight::Warning, what, "`chmod -R o-w` the git folder"))
}

/// What git would run or follow here.
fn programs(repository: &Repository) -> Option<Finding> {
    let named = named(&repository.layout.common_dir.join("config"));
    if named.is_empty() {
        return None;
    }
    let what = format!("its configuration sets {}: not run or followed here", named.join(", "));
    Some(finding(Weight::Note, what, "git itself runs them: look at them before you do"))
}

fn named(config: &Path) -> Vec<String> {
    let Ok(text) = fs::read(config) else { return Vec::new() };
    let metadata = gix_config::file::Metadata::from(gix_config::Source::Local);
    let options = gix_config::file::init::Options::default();
    let Ok(config) = gix_config::File::from_bytes_no_includes(&text, metadata, options) else {
        return vec!["what cannot be understood".to_owned()];
    };
    let mut named = Vec::new();
    for section in config.sections() {
        let header = section.header();
        let name = header.name().to_string().to_lowercase();
        let middle = if header.subsection_name().is_some() { ".*." } else { "." };
        for key in section.body().value_names() {
            let key = format!("{name}{middle}{}", key.to_lowercase());
            if KEYS.contains(&key.as_str()) && !named.contains(&key) {
                named.push(key);
            }
        }
    }
    named
}

fn hooks(repository: &Repository) -> Option<Finding> {
    let entries = fs::read_dir(repository.layout.common_dir.join("hooks")).ok()?;
    let is_hook = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        let runs = entry.metadata().is_ok_and(|found| found.permissions().mode() & 0o111 != 0);
        runs && !name.as_encoded_bytes().ends_with(b".sample")
    };
    let count = entries.flatten().filter(is_hook).count();
    (count > 0).then_some(())?;
    Some(finding(Weight::Note, format!("hooks: {count}, none of which is run here"), ""))
}

fn signers(repository: &Repository) -> Option<Finding> {
    let faults = signature::faults(&repository.signers);
    if let Some((file, fault)) = faults.first() {
        let what = format!("{}: {fault}: no signature counts until it can be read", file.display());
        let remedy = "correct the file, or take it out of `signers`";
        return Some(finding(Weight::Fault, what, remedy));
    }
    if !repository.signers.is_empty() {
        return None;
    }
    let what = "no `signers`: repo_verify calls every signature one of an unknown key".to_owned();
    Some(finding(Weight::Note, what, "name a file of allowed signers or of OpenPGP keys"))
}

/// What of the history is elsewhere.
fn incomplete(repository: &Repository) -> Option<Finding> {
    let layout = &repository.layout;
    let mut parts = Vec::new();
    if layout.common_dir.join("shallow").exists() {
        parts.push("it is a shallow clone: its history ends early");
    }
    let config = fs::read_to_string(layout.common_dir.join("config")).unwrap_or_default();
    if config.to_lowercase().contains("partialclone") {
        parts.push("it is a partial clone: objects that are not here are not fetched");
    }
    if layout.objects().join("info/alternates").exists() {
        parts.push("it borrows objects of another repository");
    }
    (!parts.is_empty()).then_some(())?;
    Some(finding(Weight::Note, parts.join("; "), ""))
}

fn index(repository: &Repository) -> Option<Finding> {
    let reader = repository.reader().ok()?;
    let has_filters = reader.commits.filters.is_some();
    repository.rest(reader);
    (!has_filters).then_some(())?;
    let what = "no commit-graph with changed paths: the log of a path takes longer".to_owned();
    Some(finding(Weight::Note, what, "`git commit-graph write --reachable --changed-paths`"))
}

fn branches(repository: &Repository) -> Option<Finding> {
    let globs = &repository.settings.branches;
    (!globs.is_empty()).then_some(())?;
    let heads = repository.layout.common_dir.join("refs").join("heads");
    let what =
        format!("branches {} may be created: {} is writable", globs.join(", "), heads.display());
    Some(finding(Weight::Note, what, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use contract::Server as _;
    use serde_json::json;

    #[tokio::test]
    async fn what_an_operator_should_know_is_told() {
        let mut world = World::new();
        world.write("a", "1\n");
        world.commit("first");
        let of = async |world: &World| {
            let found = world.open().await.expect("a server").findings().await;
            found.iter().map(|one| format!("{:?} {}", one.weight, one.what)).collect::<Vec<_>>()
        };
        let plain = of(&world).await;
        assert_eq!(plain.len(), 2, "{plain:?}");
        assert!(plain[0].starts_with("Note r: no `signers`"), "{plain:?}");
        assert!(plain[1].starts_with("Note r: no commit-graph"), "{plain:?}");
        world.git("commit-graph write --reachable --changed-paths");
        for (key, value) in [
            ("core.fsmonitor", "/bin/evil"),
            ("filter.x.clean", "evil"),
            ("remote.origin.partialclonefilter", "blob:none"),
        ] {
            world.git_of(&["config", key, value]);
        }
        let git = world.repository().join(".git");
        fs::write(git.join("hooks/pre-commit"), "#!/bin/sh\n").expect("a hook");
        for (file, mode) in [("hooks/pre-commit", 0o755), ("refs", 0o777)] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(git.join(file), mode).expect("permissions");
        }
        fs::write(world.path("signers"), "nonsense\n").expect("a file");
        world.settings["signers"] = json!(["signers"]);
        world.settings["branches"] = json!(["agent/*"]);
        let found = of(&world).await.join("\n");
        for part in [
            "Warning r: every user of this machine can write refs",
            "Note r: its configuration sets core.fsmonitor, filter.*.clean: not run",
            "Note r: hooks: 1, none of which",
            "/signers: line 1: ",
            "it is a partial clone",
            "Note r: branches agent/* may be created: ",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
        assert!(!found.contains("evil") && !found.contains("commit-graph"), "{found}");
    }
}
