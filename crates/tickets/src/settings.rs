//! The server's own keys in `[servers.tickets]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::SecretRef;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which projects tickets may be filed in, and how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The projects by id: each is one target of policy.
    #[schemars(length(min = 1, max = 100))]
    pub projects: BTreeMap<String, ProjectSettings>,
    /// Where tickets are kept, by id.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub trackers: BTreeMap<String, TrackerSettings>,
    /// How long a draft is kept that was not sent, in days; 30 if absent.
    #[schemars(range(min = 1, max = 365))]
    pub keep: Option<u32>,
}

/// One tracker, and the credential for it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrackerSettings {
    /// What it is.
    pub kind: Kind,
    /// Its address: of GitHub's API (`https://api.github.com` if absent; of Enterprise
    /// `https://HOST/api/v3`), otherwise of the site itself, such as `https://gitlab.com`.
    #[schemars(length(min = 1, max = 500))]
    pub url: Option<String>,
    /// The token; of Jira the API token, of Request Tracker an authentication token or, with
    /// `user`, the password.
    pub token: Option<SecretRef>,
    /// The account of the token: of Jira its e-mail address, of Request Tracker its name.
    #[schemars(length(min = 1, max = 200))]
    pub user: Option<String>,
    /// The GitHub App to be, instead of a token.
    pub app: Option<AppSettings>,
    /// A file of authorities that count beside the system's, such as the company's own.
    #[schemars(length(min = 1, max = 4096))]
    pub ca: Option<PathBuf>,
    /// Most seconds of one request; 15 if absent.
    #[schemars(range(min = 1, max = 60))]
    pub seconds: Option<u32>,
    /// What the credential may do beyond its use here; anything else that is too much refuses to
    /// start.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub accept: Vec<Accept>,
}

/// The kinds of trackers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// GitHub's issues, on github.com or Enterprise.
    GitHub,
    /// GitLab's issues.
    GitLab,
    /// Jira Cloud.
    Jira,
    /// Request Tracker 5.
    Rt,
}

/// What a credential may do beyond its use.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// It may administer the tracker or a project.
    Admin,
    /// It may do other things than issues: write code, packages, settings.
    Wide,
}

/// A GitHub App.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// Its id.
    pub id: u64,
    /// Its installation in the organisation.
    pub installation: u64,
    /// Its private key, PEM.
    pub key: SecretRef,
}

/// One project.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectSettings {
    /// The id of its tracker; tickets are kept on this machine, if absent.
    #[schemars(length(min = 1, max = 40))]
    pub tracker: Option<String>,
    /// What the tracker calls it: `owner/repository`, `group/project`, a Jira key, a queue; its id,
    /// if absent.
    #[schemars(length(min = 1, max = 200))]
    pub at: Option<String>,
    /// What it is, for people and models.
    #[schemars(length(min = 1, max = 300))]
    pub title: Option<String>,
    /// The labels a ticket may have.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 50)))]
    pub labels: Vec<String>,
    /// The fields a ticket may have beside title, body and labels.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub fields: BTreeMap<String, FieldSettings>,
    /// Forms for tickets.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub templates: BTreeMap<String, TemplateSettings>,
    /// Whether a ticket must follow a template.
    #[serde(default)]
    pub templates_only: bool,
    /// Most tickets and comments a day (UTC), of all people together; 50 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    pub per_day: Option<u32>,
    /// In whose name tickets are filed, such as an e-mail address; the person's who asks, if absent.
    #[schemars(length(min = 1, max = 200))]
    pub reporter: Option<String>,
}

/// A field of a ticket: one of some values, or a text.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSettings {
    /// What it may be; any text, if empty.
    #[serde(default)]
    #[schemars(length(max = 200), inner(length(min = 1, max = 200)))]
    pub values: Vec<String>,
    /// Most characters of a text; 200 if absent.
    #[schemars(range(min = 1, max = 2000))]
    pub max: Option<u16>,
    /// What it is if the caller says nothing.
    #[schemars(length(min = 1, max = 200))]
    pub default: Option<String>,
    /// What the tracker calls it, such as `customfield_10010`; its own name, if absent.
    #[schemars(length(min = 1, max = 100))]
    pub name: Option<String>,
    /// How it is sent to Jira and GitLab; as text, if absent.
    #[serde(default)]
    pub shape: Shape,
}

/// How a field is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `"v"`
    #[default]
    Text,
    /// `1`
    Number,
    /// `true`
    Flag,
    /// `{"name": "v"}`
    Name,
    /// `{"value": "v"}`
    Value,
    /// `{"id": "v"}`
    Id,
    /// `["v"]`
    List,
}

/// A form: what a ticket says, with places `{name}` for values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateSettings {
    /// The title.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// The body, Markdown.
    #[schemars(length(min = 1, max = 20_000))]
    pub body: String,
    /// Labels that every such ticket has.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50)))]
    pub labels: Vec<String>,
    /// What the values may be.
    #[serde(default)]
    #[schemars(length(max = 30))]
    pub values: BTreeMap<String, FieldSettings>,
}
