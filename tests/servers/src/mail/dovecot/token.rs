//! Tokens of an identity provider that the server trusts: JSON Web Tokens (RFC 7519), signed
//! by RS256.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::{finish, folder_of_this_program, program};

/// The identity provider.
pub(super) const ISSUER: &str = "https://idp.test";
const PREFIX: &str = "suite-mail-tokens-";
const HOUR: Duration = Duration::from_hours(1);

/// Whether the server lets in who brings a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// It does.
    Valid,
    /// It ended an hour ago.
    Expired,
    /// A key signed it that the server does not know.
    ForeignKey,
    /// Another provider issued it.
    ForeignIssuer,
}

/// The public key that the server checks tokens by.
pub(super) fn public_key() -> PathBuf {
    folder().join("own.pub")
}

pub(super) fn signed(user: &str, token: Token) -> String {
    let now = SystemTime::now();
    let ends = if token == Token::Expired { now - HOUR } else { now + HOUR };
    let issuer = if token == Token::ForeignIssuer { "https://other.test" } else { ISSUER };
    let seconds = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_secs()
    };
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims = json!({
        "iss": issuer,
        "sub": user,
        "preferred_username": user,
        "iat": seconds(now - 2 * HOUR),
        "exp": seconds(ends),
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let key = if token == Token::ForeignKey { "foreign.key" } else { "own.key" };
    let signature = URL_SAFE_NO_PAD.encode(signature(&text, &folder().join(key)));
    format!("{text}.{signature}")
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder_of_this_program(PREFIX);
        for key in ["own.key", "foreign.key"] {
            let mut command = openssl(&folder);
            command.args(["genrsa", "-out", key, "2048"]);
            finish(command);
        }
        let mut command = openssl(&folder);
        command.args(["rsa", "-in", "own.key", "-pubout", "-out", "own.pub"]);
        finish(command);
        folder
    })
}

fn signature(text: &str, key: &Path) -> Vec<u8> {
    let mut command = openssl(folder());
    command.args(["dgst", "-sha256", "-sign"]).arg(key);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("openssl runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "openssl signs");
    output.stdout
}

fn openssl(folder: &Path) -> Command {
    let mut command = Command::new(program("openssl", "openssl", &[]));
    command.current_dir(folder);
    command
}
