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

/// Makes what a client must refuse, next to what [`make`] made: `other.pem` is for another host,
/// `stranger.pem` is signed by `foreign.pem`, and `expired.pem` was valid long ago.
pub(crate) fn make_refused(folder: &Path) {
    sign(folder, "other", "other.test", "subjectAltName=DNS:other.test");
    let localhost = "subjectAltName=DNS:localhost";
    sign_by("foreign", folder, "stranger", "localhost", localhost);
    request(folder, "expired", "localhost");
    std::fs::write(folder.join("past.cnf"), PAST).expect("a file");
    std::fs::write(folder.join("past.txt"), "").expect("a file");
    // The job `x509` cannot date back.
    let mut command = openssl(folder, "ca");
    command.args(["-batch", "-notext", "-config", "past.cnf", "-in", "expired.csr"]);
    command.args(["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]);
    command.args(["-out", "expired.pem"]);
    finish(command);
}

/// The authority `ca.pem` as the job `ca` knows it.
const PAST: &str = "[ca]\ndefault_ca = past\n\
    [past]\ndatabase = past.txt\nnew_certs_dir = .\nrand_serial = yes\ndefault_md = sha256\n\
    certificate = ca.pem\nprivate_key = ca.key\npolicy = any\nx509_extensions = leaf\n\
    [any]\ncommonName = supplied\n[leaf]\nsubjectAltName = DNS:localhost\n";

fn sign(folder: &Path, name: &str, subject: &str, extension: &str) {
    sign_by("ca", folder, name, subject, extension);
}

fn sign_by(authority: &str, folder: &Path, name: &str, subject: &str, extension: &str) {
    request(folder, name, subject);
    std::fs::write(folder.join("extensions"), extension).expect("a file");
    let mut command = openssl(folder, "x509");
    command.args(["-req", "-in", &format!("{name}.csr"), "-days", "30", "-extfile", "extensions"]);
    command.args(["-CA", &format!("{authority}.pem"), "-CAkey", &format!("{authority}.key")]);
    command.args(["-CAcreateserial", "-out", &format!("{name}.pem")]);
    finish(command);
}

/// Makes a key and the request to sign it.
fn request(folder: &Path, name: &str, subject: &str) {
    let key = format!("{name}.key");
    let mut command = openssl(folder, "req");
    command.args(CURVE).args(["-subj", &format!("/CN={subject}")]);
    command.args(["-keyout", &key, "-out", &format!("{name}.csr")]);
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
