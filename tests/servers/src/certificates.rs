//! Certificates for one server: an authority, what it signs, and an authority that signed nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::{finish, program};

const CURVE: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// Makes the authority `ca.pem`, the certificate `server.pem` for `localhost` that it signed, and
/// `foreign.pem`, an authority that signed nothing here. A key has its certificate's name.
pub(crate) fn make(folder: &Path) {
    for name in ["ca", "foreign"] {
        let mut command = openssl(folder, "req");
        command.args(CURVE).args(["-x509", "-days", "30", "-subj"]).arg(format!("/CN={name}"));
        command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
        finish(command);
    }
    sign(folder, "server", "localhost", "subjectAltName=DNS:localhost");
}

/// Makes the certificate `client.pem`, which proves that somebody is `user`.
pub(crate) fn make_client(folder: &Path, user: &str) {
    sign(folder, "client", user, "extendedKeyUsage=clientAuth");
}

fn sign(folder: &Path, name: &str, subject: &str, extension: &str) {
    let (request, key) = (format!("{name}.csr"), format!("{name}.key"));
    let mut command = openssl(folder, "req");
    command.args(CURVE).args(["-subj", &format!("/CN={subject}")]);
    command.args(["-keyout", &key, "-out", &request]);
    finish(command);
    std::fs::write(folder.join("extensions"), extension).expect("a file");
    let mut command = openssl(folder, "x509");
    command.args(["-req", "-in", &request, "-days", "30", "-extfile", "extensions"]);
    command.args(["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]);
    command.args(["-out", &format!("{name}.pem")]);
    finish(command);
    // A database server refuses a key that others may read.
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.join(key), mode).expect("its mode");
}

fn openssl(folder: &Path, job: &str) -> Command {
    let mut command = Command::new(program("openssl", "openssl", &[]));
    command.arg(job).current_dir(folder);
    command
}
