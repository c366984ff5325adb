//! Who calls, from which program, and what the call touches.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How an identity was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The operating system says which user runs this process (stdio, the command line).
    OsUser {
        /// The numeric user id.
        uid: u32,
    },
    /// Nothing but a connection from this machine: HTTP on a loopback address.
    Loopback,
    /// An API key made by `suite keys new`.
    ApiKey {
        /// The key's name.
        key: String,
    },
    /// An OAuth 2.1 access token.
    AccessToken {
        /// Who issued it.
        issuer: String,
    },
}

/// A credential that was checked: who it proves, before policy says what that one may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who, with the kind of proof as prefix: `user:ann`, `key:laptop`, `sub:00u1abc`; or
    /// `loopback`.
    pub name: String,
    /// The person the operator gave the credential to; a key for a person has one.
    pub person: Option<String>,
    /// The groups that the issuer of a token states, without prefix.
    pub groups: Vec<String>,
    /// Who acts in the subject's name: the actor (RFC 8693 `act`) or client of a token.
    pub actor: Option<String>,
    /// The only roles that the credential may use; `None` does not narrow them.
    pub only: Option<Vec<String>>,
    /// Roles that the credential brings with it, such as those of a token's scopes.
    pub brings: Vec<String>,
    /// How it was proven.
    pub proof: Proof,
}

impl Identity {
    /// An identity that brings nothing of its own.
    pub fn new(name: impl Into<String>, proof: Proof) -> Self {
        Self {
            name: name.into(),
            person: None,
            groups: Vec::new(),
            actor: None,
            only: None,
            brings: Vec::new(),
            proof,
        }
    }
}

/// Who calls. Everything a decision needs, and nothing a transport knows. Made from an
/// [`Identity`] by policy, anew for each call: roles are those of the policy in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Principal {
    /// Who acts in the subject's name, where the credential says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The groups that the issuer of a token states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The credential's own name: `user:ann`, `key:laptop`, `sub:00u1abc`.
    pub identity: String,
    /// How the identity was proven.
    pub proof: Proof,
    /// The roles in force, in the order of the file.
    pub roles: Vec<String>,
    /// The person: the same for all credentials of one person.
    pub subject: String,
}

/// The program on the other side, as it names itself. A claim, never used for a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// The name the client gave.
    pub name: String,
    /// The protocol revision of the call; empty for the command line.
    pub protocol: String,
    /// How the call arrived: `stdio`, `http` or `cli`.
    pub transport: &'static str,
    /// The version the client gave.
    pub version: String,
}

/// The system and object one call touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The kind, the key of `targets` in a role: `collection`, `database`, `repository`.
    pub kind: Cow<'static, str>,
    /// The object; `None` is every object of the kind that the caller may see: the tool asks
    /// [`crate::Ctx::permits`] for each.
    pub name: Option<String>,
}

impl Target {
    /// One object.
    pub fn one(kind: &'static str, name: impl Into<String>) -> Self {
        Self { kind: Cow::Borrowed(kind), name: Some(name.into()) }
    }

    /// One object where it is named, and else every one of the kind that the caller may see.
    pub fn named_or_every(kind: &'static str, name: Option<&str>) -> Self {
        Self { kind: Cow::Borrowed(kind), name: name.map(str::to_owned) }
    }

    /// The named object, or the only one that is declared, and else every one of the kind that the
    /// caller may see.
    pub fn named_or_only<'a>(
        kind: &'static str,
        name: Option<&'a str>,
        mut declared: impl Iterator<Item = &'a String>,
    ) -> Self {
        let mut only = || declared.next().filter(|_| declared.next().is_none());
        Self::named_or_every(kind, name.or_else(|| only().map(String::as_str)))
    }

    /// Every object of a kind that the caller may see.
    pub fn every(kind: &'static str) -> Self {
        Self { kind: Cow::Borrowed(kind), name: None }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name.as_deref().unwrap_or("*"))
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A place in a configuration file, for people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, or the name of the environment variable or built-in that set the value.
    pub file: String,
    /// The line, from 1; 0 where the source has no lines.
    pub line: usize,
    /// The column in characters, from 1; 0 where the source has no lines.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}
