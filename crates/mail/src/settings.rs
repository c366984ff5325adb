//! The server's own keys in `[servers.mail]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;

/// Whose mail may be written, and to whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The accounts by id: each is one target of policy.
    #[schemars(length(min = 1, max = 50))]
    pub accounts: BTreeMap<String, AccountSettings>,
    /// How long a draft is kept that was not sent, in days; 30 if absent.
    #[schemars(range(min = 1, max = 365))]
    pub keep: Option<u32>,
}

/// One account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// What it is, for people and models.
    #[schemars(length(min = 1, max = 300))]
    pub title: Option<String>,
    /// Who writes: `Ada Example <ada@acme.example>`. No caller can choose another.
    #[schemars(length(min = 3, max = 300))]
    pub from: String,
    /// Where answers go, if not to `from`.
    #[schemars(length(min = 3, max = 300))]
    pub reply_to: Option<String>,
    /// To whom: addresses, `*@domain`, `*@*.domain`. Nobody, if empty.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 3, max = 300)))]
    pub recipients: Vec<String>,
    /// Most recipients of one mail; 10 if absent.
    #[schemars(range(min = 1, max = 100))]
    pub most_recipients: Option<u32>,
    /// What ends each mail, Markdown.
    #[schemars(length(max = 2000))]
    pub signature: Option<String>,
    /// The person's mailbox, by IMAP; a folder on this machine, if absent.
    pub imap: Option<ServerSettings>,
    /// The mailbox of drafts; the one that the server marks as such, if absent.
    #[schemars(length(min = 1, max = 200))]
    pub drafts: Option<String>,
    /// The mailbox of sent mail; the one that the server marks as such, if absent.
    #[schemars(length(min = 1, max = 200))]
    pub sent: Option<String>,
    /// Whether what is sent is put into the mailbox of sent mail; yes, if absent. `false` where the
    /// provider does it.
    pub keep_sent: Option<bool>,
    /// How mail leaves, by SMTP submission; into the folder on this machine, if absent.
    pub smtp: Option<ServerSettings>,
    /// Whether mail may be sent, each time after another person's yes.
    #[serde(default)]
    pub send: bool,
    /// Most mails sent in a day (UTC); 20 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_day: Option<u32>,
    /// Folders whose files may be attached.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 4096)))]
    pub attachments: Vec<PathBuf>,
    /// Most megabytes of attachments in one mail; 10 if absent.
    #[schemars(range(min = 1, max = 50))]
    pub megabytes: Option<u32>,
    /// The address book: vCard (.vcf) or CSV with `name,address`.
    #[schemars(length(min = 1, max = 4096))]
    pub contacts: Option<PathBuf>,
    /// Forms for mails.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub templates: BTreeMap<String, TemplateSettings>,
    /// Whether a mail must follow a template.
    #[serde(default)]
    pub templates_only: bool,
}

/// Where a server is, and who signs in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Its name.
    #[schemars(length(min = 1, max = 255))]
    pub host: String,
    /// Its port; 993 or 465 if absent, 143 or 587 with STARTTLS.
    pub port: Option<u16>,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
    /// Who signs in.
    #[schemars(length(min = 1, max = 300))]
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretRef>,
    /// An access token instead of a password, for XOAUTH2; read anew for each connection.
    pub token: Option<SecretRef>,
    /// A file of authorities that count beside the system's.
    #[schemars(length(min = 1, max = 4096))]
    pub ca: Option<PathBuf>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From its first byte (RFC 8314).
    #[default]
    Implicit,
    /// By STARTTLS, without which nothing is said.
    Starttls,
    /// Not at all: only on this machine.
    Off,
}

/// A form: what a mail says, with places `{name}` for values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSettings {
    /// The subject.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// The body, Markdown.
    #[schemars(length(min = 1, max = 20_000))]
    pub body: String,
    /// What the values may be.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub values: BTreeMap<String, ValueSettings>,
}

/// A value of a form.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueSettings {
    /// What it is.
    #[serde(default)]
    pub kind: ValueKind,
    /// What it may be; anything of its kind, if empty.
    #[serde(default)]
    #[schemars(length(max = 200), inner(length(min = 1, max = 200)))]
    pub values: Vec<String>,
    /// Most characters; 200 if absent.
    #[schemars(range(min = 1, max = 5000))]
    pub max: Option<u16>,
    /// What it is if the caller says nothing.
    #[schemars(length(min = 1, max = 200))]
    pub default: Option<String>,
}

/// What a value of a form is.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ValueKind {
    /// One line.
    #[default]
    Line,
    /// Several lines, Markdown.
    Text,
    /// A whole number.
    Number,
    /// A day, `2026-01-31`.
    Date,
}
