//! Which of the machine's own files programs need: the same list for both tiers.

use std::path::{Path, PathBuf};

/// Where programs and their libraries are. What is a symbolic link outside is one inside.
pub const FOLDERS: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
];

/// What programs read of `/etc`: the loader, names, certificates of authorities, time zones, and
/// the settings of language runtimes. Nothing that may hold a secret, and no accounts.
const SETTINGS: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/localtime",
    "/etc/magic",
    "/etc/maven",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/php",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/java",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/etc/xml",
];

/// The same, whose names go on with a version.
const VERSIONED: &[&str] = &["java", "python3"];

/// The devices that are no machine's: they hold nothing.
pub(crate) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

/// Every path of the lists that is there.
pub(crate) fn paths() -> Vec<PathBuf> {
    let fixed = FOLDERS.iter().chain(SETTINGS).map(PathBuf::from);
    let versioned = std::fs::read_dir("/etc").into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        VERSIONED.iter().any(|start| name.starts_with(start)).then(|| entry.path())
    });
    fixed.filter(|path| path.symlink_metadata().is_ok()).chain(versioned).collect()
}

/// The files of `/etc` that are made up: accounts and names of the sandbox.
pub(crate) const MADE: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0:root:/:/bin/sh\nrunner:x:1000:1000:runner:/home/runner:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/sh\n",
    ),
    ("group", "root:x:0:\nrunner:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 ip6-localhost ip6-loopback\n"),
    ("hostname", "sandbox\n"),
    ("resolv.conf", ""),
    (
        "nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
    ),
];

/// Whether a path is absolute and has no `..`.
pub(crate) fn is_plain(path: &Path) -> bool {
    use std::path::Component;
    path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}
