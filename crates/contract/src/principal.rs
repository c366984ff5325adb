//! Who calls, from which program, and what the call touches.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// How the identity of a principal was proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The operating system says which user runs this process (stdio, the command line).
    OsUser {
        /// The numeric user id.
        uid: u32,
    },
    /// Nothing but a connection from this machine: HTTP on a loopback address.
    Loopback,
}

/// Who calls. Everything a decision needs, and nothing a transport knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Principal {
    /// How the identity was proven.
    pub proof: Proof,
    /// The roles `[people]` gives to the subject, in the order of the file.
    pub roles: Vec<String>,
    /// The name used in `[people]`, such as an operating-system user.
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
