//! The sign-in: AUTH (RFC 4954) by PLAIN, LOGIN and XOAUTH2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mail::Account;

/// What a client may sign in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Login,
    XOAuth2,
}

impl Mechanism {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Self::Plain),
            "LOGIN" => Some(Self::Login),
            "XOAUTH2" => Some(Self::XOAuth2),
            _ => None,
        }
    }

    /// The challenge for the response after those before.
    pub(super) fn challenge(self, responses: usize) -> Option<&'static str> {
        match (self, responses) {
            (Self::Plain | Self::XOAuth2, 0) => Some(""),
            (Self::Login, 0) => Some("Username:"),
            (Self::Login, 1) => Some("Password:"),
            _ => None,
        }
    }

    /// The user of the responses, and whether the secret is theirs; nothing where they are not
    /// of the mechanism's form.
    pub(super) fn verify(self, responses: &[String], token: &str) -> Option<(String, bool)> {
        let (user, accepted) = match (self, responses) {
            (Self::Plain, [response]) => {
                let mut parts = response.split('\0');
                let (as_user, user, password) = (parts.next()?, parts.next()?, parts.next()?);
                if parts.next().is_some() {
                    return None;
                }
                let is_own = as_user.is_empty() || as_user == user;
                (user, is_own && password_of(user) == Some(password))
            }
            (Self::Login, [user, password]) => (user.as_str(), password_of(user) == Some(password)),
            (Self::XOAuth2, [response]) => {
                let rest = response.strip_prefix("user=")?.strip_suffix("\x01\x01")?;
                let (user, bearer) = rest.split_once("\x01auth=Bearer ")?;
                (user, bearer == token && password_of(user).is_some())
            }
            _ => return None,
        };
        Some((user.to_owned(), accepted))
    }

    /// What is said before a refusal; the client answers it by an empty line.
    pub(super) fn explanation(self) -> Option<&'static str> {
        let said = r#"{"status":"400","schemes":"Bearer","scope":"mail"}"#;
        (self == Self::XOAuth2).then_some(said)
    }
}

fn password_of(user: &str) -> Option<&'static str> {
    Account::named(user).map(|account| account.password)
}

pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// The text of a response; `=` is the empty one.
pub(super) fn decoded(line: &str) -> Option<String> {
    let line = if line == "=" { "" } else { line };
    String::from_utf8(STANDARD.decode(line).ok()?).ok()
}
