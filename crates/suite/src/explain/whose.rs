//! Who the person means by `ann`, `key:ci` or `group:platform`, and what gives each role.

use std::time::SystemTime;

use auth::keys::Standing as KeyStanding;
use config::Config;
use contract::{Identity, Proof};
use policy::{Because, Policy, Source};
use serde::Serialize;

use crate::{check, network};

/// A principal, explained.
#[derive(Debug, Serialize)]
pub(super) struct Who {
    pub(super) subject: String,
    /// The credential; none where a person or group is meant, whatever proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<String>,
    pub(super) because: String,
    pub(super) roles: Vec<Given>,
    /// Roles that the credential would have, but for what narrows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) withheld: Vec<Given>,
    /// Why the credential does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) void: Option<String>,
}

/// A role, and what gives it.
#[derive(Debug, Serialize)]
pub(super) struct Given {
    pub(super) role: String,
    pub(super) from: String,
}

impl Who {
    pub(super) fn role_names(&self) -> Vec<String> {
        self.roles.iter().map(|given| given.role.clone()).collect()
    }
}

/// Who a name on the command line is, in the same words as `[people]`.
pub(super) fn look_up(
    config: &Config,
    policy: &Policy,
    name: &str,
    groups: &[String],
) -> anyhow::Result<Who> {
    let Named { mut identity, note, void } = identity(config, name)?;
    identity.groups.extend(
        groups.iter().map(|group| group.strip_prefix("group:").unwrap_or(group).to_owned()),
    );
    let standing = policy.standing(&identity);
    let at = |entry: &str| config.locate(&format!("/people/{}", config::escape(entry)));
    let because = note.or_else(|| void.clone()).unwrap_or_else(|| match &standing.because {
        Because::MadeFor => format!("the key {} was made for {}", identity.name, standing.subject),
        Because::Listed { entry } => {
            format!("people.{entry} lists {} ({})", identity.name, at(entry))
        }
        Because::User => format!("the operating-system user {}", standing.subject),
        Because::Itself => "nobody's in [people]: it stands for itself".to_owned(),
    });
    let given = |(role, source): &(String, Source)| Given {
        role: role.clone(),
        from: match source {
            Source::Entry { entry } => format!("people.\"{entry}\" ({})", at(entry)),
            Source::Credential => format!("{} itself", identity.name),
        },
    };
    let is_credential = name.contains(':') && !name.starts_with("group:");
    Ok(Who {
        roles: standing.roles.iter().map(given).collect(),
        withheld: standing.withheld.iter().map(given).collect(),
        subject: if name.starts_with("group:") { name.to_owned() } else { standing.subject },
        identity: is_credential.then(|| identity.name.clone()),
        because,
        void,
    })
}

/// The identity that a name stands for.
struct Named {
    identity: Identity,
    /// What there is to say about it beside policy.
    note: Option<String>,
    /// Why it does not count.
    void: Option<String>,
}

fn identity(config: &Config, name: &str) -> anyhow::Result<Named> {
    if let Some(key) = name.strip_prefix("key:").filter(|key| !key.is_empty()) {
        return api_key(config, key);
    }
    let plain = |note: &str| Some(note.to_owned());
    let (identity, note) = match name.split_once(':') {
        None if name == "*" => {
            (Identity::new("*", Proof::Loopback), plain("everybody whom [people] does not name"))
        }
        None if name == "loopback" => (
            Identity::new("loopback", Proof::Loopback),
            plain("whoever reaches HTTP on this machine, where no credential is asked for"),
        ),
        None if !name.is_empty() => {
            let person = Some(name.to_owned());
            let identity = Identity::new(format!("user:{name}"), Proof::Loopback);
            (
                Identity { person, ..identity },
                plain("the person, and the operating-system user of that name"),
            )
        }
        Some(("group", group)) if !group.is_empty() => {
            let groups = vec![group.to_owned()];
            (
                Identity { groups, ..Identity::new("sub:", Proof::Loopback) },
                plain("anybody whose access token states this group"),
            )
        }
        Some(("user" | "sub", rest)) if !rest.is_empty() => {
            (Identity::new(name, Proof::Loopback), None)
        }
        _ => anyhow::bail!(
            "`{name}` is nobody: write a person (ann), user:…, key:…, sub:…, group:…, loopback or \"*\""
        ),
    };
    Ok(Named { identity, note, void: None })
}

/// An API key, as `suite keys` knows it.
fn api_key(config: &Config, name: &str) -> anyhow::Result<Named> {
    let identity = Identity::new(format!("key:{name}"), Proof::ApiKey { key: name.to_owned() });
    let keys = network::keys(config)?.list()?;
    // The last one of a name: a revoked key's name may be given again.
    let Some(key) = keys.into_iter().rev().find(|key| key.name == name) else {
        let note = format!("`suite keys` has no key {name}: this is what [people] says of one");
        return Ok(Named { identity, note: Some(note), void: None });
    };
    let void = match key.standing(SystemTime::now()) {
        KeyStanding::Valid => None,
        KeyStanding::Expired => Some(format!("the key {name} has expired: it proves nobody")),
        KeyStanding::Revoked => Some(format!("the key {name} was revoked: it proves nobody")),
    };
    Ok(Named { identity: check::of_key(&key), note: None, void })
}
