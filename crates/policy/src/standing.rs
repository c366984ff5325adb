//! Why a credential is who it is, and where each of its roles is from: the decisions of
//! [`crate::Policy::principal`] in words, for the person who asks.

use contract::Identity;

/// Who a credential proves, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The person.
    pub subject: String,
    /// What makes this credential that person's.
    pub because: Because,
    /// The roles in force, in order, each with what gives it.
    pub roles: Vec<(String, Source)>,
    /// Roles that the credential would have, but for what narrows it.
    pub withheld: Vec<(String, Source)>,
}

/// What makes a credential a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The credential was made for the person.
    MadeFor,
    /// An entry of `[people]` lists it: `is = ["…"]`.
    Listed {
        /// The key of the entry, as written.
        entry: String,
    },
    /// An operating-system user is the person of that name.
    User,
    /// It is nobody's: it stands for itself.
    Itself,
}

/// What gives a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An entry of `[people]`.
    Entry {
        /// Its key, as written.
        entry: String,
    },
    /// The credential itself: a key's own roles, a token's scopes.
    Credential,
}

/// Explains an identity: `is_persons`: a person is behind it; `entry` gives the
/// key, as written, and the roles of a name.
pub(crate) fn explain<'a>(
    identity: &Identity,
    subject: String,
    because: Because,
    is_persons: bool,
    entry: impl Fn(&str) -> Option<(&'a str, &'a [String])>,
) -> Standing {
    let groups = identity.groups.iter().map(|group| format!("group:{group}"));
    let mut names = vec![subject.clone(), identity.name.clone()];
    names.extend(groups);
    names.push("*".to_owned());
    let mut given: Vec<(String, Source)> = Vec::new();
    let mut give = |role: &String, source: Source| {
        if !given.iter().any(|(known, _)| known == role) {
            given.push((role.clone(), source));
        }
    };
    for (written, roles) in names.iter().filter_map(|name| entry(name)) {
        for role in roles {
            give(role, Source::Entry { entry: written.to_owned() });
        }
    }
    identity.brings.iter().for_each(|role| give(role, Source::Credential));
    let (roles, withheld) = match (&identity.only, is_persons) {
        (None, _) => (given, Vec::new()),
        (Some(only), true) => given.into_iter().partition(|(role, _)| only.contains(role)),
        (Some(only), false) => {
            let own = only.iter().map(|role| (role.clone(), Source::Credential)).collect();
            let others = given.into_iter().filter(|(role, _)| !only.contains(role)).collect();
            (own, others)
        }
    };
    Standing { subject, because, roles, withheld }
}
