//! From a credential to a person: who is one subject, and which roles are in force.

use std::collections::BTreeMap;

use contract::{Identity, Principal};

use crate::PatternError;
use crate::standing::{self, Because, Standing};
use crate::table::{People, Person, Roles};

/// The kinds of names in `[people]` beside plain ones.
const KINDS: [&str; 4] = ["user", "key", "sub", "group"];

/// `[people]`, checked: who is who, and who has which roles.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    roles: BTreeMap<String, Vec<String>>,
    /// The person behind a credential.
    persons: BTreeMap<String, String>,
    /// The keys that are written with a prefix that says nothing: `user:ann` for `ann`.
    prefixed: Vec<String>,
}

impl Directory {
    pub(crate) fn new(people: &People, roles: &Roles, faults: &mut Vec<PatternError>) -> Self {
        let mut directory = Self::default();
        let known: Vec<String> = roles.0.keys().cloned().collect();
        for (name, person) in &people.0 {
            let at = format!("/people/{}", name.replace('~', "~0").replace('/', "~1"));
            directory.take_roles(name, person, &known, &at, faults);
            directory.take_credentials(name, person, people, &at, faults);
        }
        directory
    }

    fn take_roles(
        &mut self,
        name: &str,
        person: &Person,
        known: &[String],
        at: &str,
        faults: &mut Vec<PatternError>,
    ) {
        if let Err(message) = check_name(name) {
            faults.push(PatternError { pointer: at.to_owned(), message });
        }
        let list = match person {
            Person::Roles(_) => at.to_owned(),
            Person::Known(_) => format!("{at}/roles"),
        };
        for (index, role) in person.roles().iter().enumerate() {
            if !known.contains(role) {
                let message = format!("role {}", contract::schema::unknown(role, known));
                faults.push(PatternError { pointer: format!("{list}/{index}"), message });
            }
        }
        let plain = name.strip_prefix("user:").unwrap_or(name);
        if plain != name {
            self.prefixed.push(name.to_owned());
        }
        if self.roles.insert(plain.to_owned(), person.roles().to_vec()).is_some() {
            let message = format!("`{plain}` and `user:{plain}` are the same one; keep one");
            faults.push(PatternError { pointer: at.to_owned(), message });
        }
    }

    fn take_credentials(
        &mut self,
        name: &str,
        person: &Person,
        people: &People,
        at: &str,
        faults: &mut Vec<PatternError>,
    ) {
        if !person.credentials().is_empty() && (name == "*" || name.contains(':')) {
            let message = "only a person, by a plain name, has several credentials".to_owned();
            faults.push(PatternError { pointer: format!("{at}/is"), message });
        }
        for (index, credential) in person.credentials().iter().enumerate() {
            let mut fault = |message| {
                faults.push(PatternError { pointer: format!("{at}/is/{index}"), message });
            };
            match credential.split_once(':') {
                Some(("user" | "key" | "sub", rest)) if !rest.is_empty() => {}
                _ => fault(format!(
                    "`{credential}` is no credential such as \"user:ann\", \"key:laptop\" or \"sub:00u1abc\""
                )),
            }
            if let Some(entry) = entry_of(credential, name, people) {
                fault(format!(
                    "`{credential}` is {name}'s, and `{entry}` has an entry of its own: one person \
                     would be two; put the roles of `{entry}` into {name}'s entry, and remove it"
                ));
            }
            if let Some(other) = self.persons.insert(credential.clone(), name.to_owned()) {
                fault(format!("`{credential}` is already {other}'s: a credential is one person's"));
            }
        }
    }

    /// The person behind a credential: the same subject for all credentials of one person.
    ///
    /// A name that the issuer of a token chose can never be a plain one: `sub:ann` is not `ann`
    /// unless `[people]` says so.
    fn subject(&self, identity: &Identity) -> String {
        self.listed(identity).map_or_else(
            || {
                let name = identity.person.as_ref().unwrap_or(&identity.name);
                name.strip_prefix("user:").unwrap_or(name).to_owned()
            },
            str::to_owned,
        )
    }

    /// The person whose `is` has the credential; else, for a key that was made for somebody, the
    /// person whose `is` has that one.
    fn listed(&self, identity: &Identity) -> Option<&str> {
        let made_for = || {
            let person = identity.person.as_ref()?;
            let user = format!("user:{}", person.strip_prefix("user:").unwrap_or(person));
            self.persons.get(person).or_else(|| self.persons.get(&user))
        };
        self.persons.get(&identity.name).or_else(made_for).map(String::as_str)
    }

    /// Whether a person is behind the credential, who may narrow it.
    fn is_persons(&self, identity: &Identity) -> bool {
        identity.person.is_some() || self.persons.contains_key(&identity.name)
    }

    pub(crate) fn principal(&self, identity: &Identity) -> Principal {
        let subject = self.subject(identity);
        let groups = identity.groups.iter().map(|group| format!("group:{group}"));
        let mut keys = vec![subject.clone(), identity.name.clone()];
        keys.extend(groups);
        keys.push("*".to_owned());
        let named = keys.iter().filter_map(|key| self.roles.get(key)).flatten();
        let mut roles: Vec<String> = Vec::new();
        for role in named.chain(&identity.brings) {
            if !roles.contains(role) {
                roles.push(role.clone());
            }
        }
        if let Some(only) = &identity.only {
            roles = if self.is_persons(identity) {
                // A person's key can do no more than the person.
                roles.into_iter().filter(|role| only.contains(role)).collect()
            } else {
                only.clone()
            };
        }
        Principal {
            actor: identity.actor.clone(),
            groups: identity.groups.clone(),
            identity: identity.name.clone(),
            proof: identity.proof.clone(),
            roles,
            subject,
        }
    }

    /// [`Directory::principal`] in words.
    pub(crate) fn standing(&self, identity: &Identity) -> Standing {
        let subject = self.subject(identity);
        let because = if self.persons.contains_key(&identity.name) {
            Because::Listed { entry: self.written(&subject).to_owned() }
        } else if identity.person.is_some() {
            Because::MadeFor
        } else if identity.name.starts_with("user:") {
            Because::User
        } else {
            Because::Itself
        };
        standing::explain(identity, subject, because, self.is_persons(identity), |name| {
            let (name, roles) = self.roles.get_key_value(name)?;
            Some((self.written(name), roles.as_slice()))
        })
    }

    /// The key of an entry as it is written in the file.
    fn written<'a>(&'a self, name: &'a str) -> &'a str {
        let same = |key: &&String| key.strip_prefix("user:") == Some(name);
        self.prefixed.iter().find(same).map_or(name, String::as_str)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }
}

/// The entry, other than `name`, that the operating-system user of a credential has of its own.
fn entry_of<'a>(credential: &'a str, name: &str, people: &People) -> Option<&'a str> {
    let user = credential.strip_prefix("user:").filter(|user| *user != name)?;
    [user, credential].into_iter().find(|entry| people.0.contains_key(*entry))
}

fn check_name(name: &str) -> Result<(), String> {
    match name.split_once(':') {
        None if !name.is_empty() => Ok(()),
        Some((kind, rest)) if KINDS.contains(&kind) && !rest.is_empty() => Ok(()),
        _ => Err(format!(
            "`{name}` is nobody: write a person (\"ann\"), \"key:…\", \"sub:…\", \"group:…\" or \"*\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use contract::Proof;
    use serde_json::json;

    use super::*;
    use crate::standing::Source;

    fn directory(people: serde_json::Value) -> Result<Directory, Vec<PatternError>> {
        let people: People = serde_json::from_value(people).expect("people");
        let role = json!({"tools": ["*"]});
        let roles = json!({"a": role, "b": role, "c": role, "d": role});
        let roles: Roles = serde_json::from_value(roles).expect("roles");
        let mut faults = Vec::new();
        let directory = Directory::new(&people, &roles, &mut faults);
        if faults.is_empty() { Ok(directory) } else { Err(faults) }
    }

    fn house() -> Directory {
        directory(json!({
            "*": ["a"],
            "ann": {"roles": ["b"], "is": ["sub:00u1", "key:laptop"]},
            "bob": ["c"],
            "key:ci": ["d"],
            "group:platform": ["d"],
        }))
        .expect("people")
    }

    fn check(identity: &Identity, subject: &str, roles: &[&str]) {
        let principal = house().principal(identity);
        assert_eq!(
            (principal.subject.as_str(), principal.identity),
            (subject, identity.name.clone())
        );
        assert_eq!(principal.roles, roles);
        let standing = house().standing(identity);
        let named: Vec<&str> = standing.roles.iter().map(|(role, _)| role.as_str()).collect();
        assert_eq!(
            (standing.subject.as_str(), named.as_slice()),
            (subject, roles),
            "what is explained is what is decided"
        );
    }

    fn of(name: &str) -> Identity {
        Identity::new(name, Proof::Loopback)
    }

    #[test]
    fn every_credential_of_a_person_is_the_same_subject() {
        check(&of("user:ann"), "ann", &["b", "a"]);
        check(&of("sub:00u1"), "ann", &["b", "a"]);
        check(&of("key:laptop"), "ann", &["b", "a"]);
        check(&Identity { person: Some("ann".into()), ..of("key:phone") }, "ann", &["b", "a"]);
    }

    #[test]
    fn what_is_says_is_above_what_a_key_was_made_for() {
        let directory = directory(json!({
            "ann": {"roles": ["b"], "is": ["user:root", "key:laptop"]},
            "bob": ["c"],
        }))
        .expect("people");
        let made = |key: &str, person: &str| Identity { person: Some(person.into()), ..of(key) };
        for identity in [
            of("user:root"),
            made("key:phone", "root"),
            made("key:phone", "user:root"),
            made("key:phone", "user:ann"),
            made("key:laptop", "bob"),
        ] {
            let principal = directory.principal(&identity);
            assert_eq!(
                (principal.subject.as_str(), principal.roles.len()),
                ("ann", 1),
                "{identity:?}"
            );
            assert_eq!(directory.standing(&identity).subject, "ann");
        }
        // Listed or made for somebody: a person's key can do no more than the person.
        let only = Some(vec!["b".to_owned(), "d".to_owned()]);
        let laptop = Identity { only, ..of("key:laptop") };
        assert_eq!(directory.principal(&laptop).roles, ["b"]);
        assert_eq!(directory.standing(&laptop).roles.len(), 1);
    }

    #[test]
    fn a_user_who_is_somebody_has_no_entry_of_their_own() {
        for entry in ["root", "user:root"] {
            let people = json!({
                "ann": {"roles": ["b"], "is": ["user:ann", "user:root"]}, (entry): ["a"],
            });
            let faults = directory(people).expect_err("one person would be two");
            assert_eq!(faults[0].pointer, "/people/ann/is/1");
            assert_eq!(faults.len(), 1);
        }
    }

    #[test]
    fn a_name_chosen_elsewhere_is_nobody_here() {
        check(&of("sub:ann"), "sub:ann", &["a"]);
        check(&of("sub:user:ann"), "sub:user:ann", &["a"]);
        check(&of("key:bob"), "key:bob", &["a"]);
        check(&of("user:bob"), "bob", &["c", "a"]);
        check(&of("loopback"), "loopback", &["a"]);
    }

    #[test]
    fn keys_groups_and_scopes_bring_roles_and_a_key_may_narrow_them() {
        check(&of("key:ci"), "key:ci", &["d", "a"]);
        let token = Identity {
            groups: vec!["platform".into(), "other".into()],
            brings: vec!["c".into()],
            ..of("sub:x")
        };
        check(&token, "sub:x", &["d", "a", "c"]);
        let only = Some(vec!["c".to_owned(), "b".to_owned()]);
        check(&Identity { only: only.clone(), ..of("key:x") }, "key:x", &["c", "b"]);
        let anns = Identity { only, person: Some("ann".into()), ..of("key:x") };
        check(&anns, "ann", &["b"]);
    }

    #[test]
    fn each_role_is_explained_by_the_entry_that_gives_it() {
        let directory = directory(json!({
            "*": ["a"],
            "user:bob": ["d"],
            "ann": {"roles": ["b"], "is": ["sub:00u1"]},
            "group:platform": ["b", "c"],
        }))
        .expect("people");
        let from = |entry: &str| Source::Entry { entry: entry.to_owned() };
        let token = Identity { groups: vec!["platform".into()], ..of("sub:00u1") };
        let standing = directory.standing(&token);
        assert_eq!(standing.because, Because::Listed { entry: "ann".to_owned() });
        let expected = [("b", from("ann")), ("c", from("group:platform")), ("a", from("*"))];
        assert_eq!(standing.roles, expected.map(|(role, from)| (role.to_owned(), from)));
        let bob = directory.standing(&of("user:bob"));
        assert_eq!((&bob.because, &bob.roles[0].1), (&Because::User, &from("user:bob")));
        let narrowed = Identity { only: Some(vec!["d".into()]), ..of("key:x") };
        let standing = directory.standing(&narrowed);
        assert_eq!(standing.because, Because::Itself);
        assert_eq!(standing.roles, [("d".to_owned(), Source::Credential)]);
        assert_eq!(standing.withheld, [("a".to_owned(), from("*"))]);
    }

    #[test]
    fn a_credential_is_one_persons() {
        let faults = directory(json!({
            "ann": {"roles": ["a"], "is": ["sub:1", "nonsense"]},
            "bob": {"roles": ["x"], "is": ["sub:1"]},
            "sub:2": {"roles": ["a"], "is": ["key:y"]},
            "user:ann": ["a"],
            "robot:z": ["a"],
        }))
        .expect_err("mistakes");
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/people/ann/is/1",
                "/people/bob/roles/0",
                "/people/bob/is/0",
                "/people/robot:z",
                "/people/sub:2/is",
                "/people/user:ann"
            ]
        );
    }
}
