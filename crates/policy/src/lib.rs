//! Who may call what: pure functions over the roles of servers.toml.
//!
//! Deny by default; a deny wins over any allow of any role; every answer names the rule that
//! decided, with file and line. What it deliberately does not do: no I/O, no clock, no protocol,
//! no text of arguments ever changes what is allowed.
//!
//! Where to start reading: [`Policy::decide`].

mod people;
mod standing;
mod table;

use std::collections::BTreeMap;

use contract::record::Decided;
use contract::{Identity, Location, Principal, Target};
use globset::{Glob, GlobSet, GlobSetBuilder};

use self::people::Directory;
pub use standing::{Because, Source, Standing};
pub use table::{Deny, Known, People, Person, Role, Roles};

/// A pattern that is not a glob.
#[derive(Debug)]
pub struct PatternError {
    /// JSON Pointer of the pattern in servers.toml.
    pub pointer: String,
    /// What is wrong with it.
    pub message: String,
}

/// The compiled policy.
#[derive(Debug)]
pub struct Policy {
    people: Directory,
    roles: BTreeMap<String, Rules>,
}

/// What is decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Call,
    Approve,
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Deed::Call => "allows",
            Deed::Approve => "lets them approve",
        }
    }
}

#[derive(Debug)]
struct Rules {
    at: Location,
    tools: Patterns,
    approves: Patterns,
    targets: BTreeMap<String, Patterns>,
    deny_tools: Option<Patterns>,
    deny_targets: BTreeMap<String, Patterns>,
    denies: bool,
}

/// Globs that remember how they were written.
#[derive(Debug)]
struct Patterns {
    set: GlobSet,
    written: Vec<String>,
}

impl Patterns {
    fn matched(&self, name: &str) -> Option<&str> {
        self.set.matches(name).first().map(|index| self.written[*index].as_str())
    }
}

impl Policy {
    /// Compiles the tables. `locate` gives the place of a JSON Pointer in the configuration.
    pub fn new(
        people: &People,
        roles: &Roles,
        locate: impl Fn(&str) -> Location,
    ) -> Result<Self, Vec<PatternError>> {
        let mut faults = Vec::new();
        let people = Directory::new(people, roles, &mut faults);
        let roles = roles
            .0
            .iter()
            .map(|(name, role)| (name.clone(), Rules::new(name, role, &locate, &mut faults)))
            .collect();
        if faults.is_empty() { Ok(Self { people, roles }) } else { Err(faults) }
    }

    /// Who a credential proves, with the roles in force.
    pub fn principal(&self, identity: &Identity) -> Principal {
        self.people.principal(identity)
    }

    /// The same, explained: why it is who it is, and what gives each role.
    pub fn standing(&self, identity: &Identity) -> Standing {
        self.people.standing(identity)
    }

    /// The names of `[people]`, for explanations.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.people.names()
    }

    /// Whether these roles may call the tool on some target at all: what a catalogue lists.
    pub fn lists(&self, roles: &[String], tool: &str) -> Decided {
        self.decide(roles, tool, None)
    }

    /// [`Policy::decide`] without its reason: for lists, and for tools that ask often.
    pub fn allows(&self, roles: &[String], tool: &str, target: Option<&Target>) -> bool {
        let held = || roles.iter().filter_map(|name| self.roles.get(name));
        held().all(|rules| rules.denies(tool, target).is_none())
            && held().any(|rules| rules.allows(tool, target, Deed::Call).is_ok())
    }

    /// Whether these roles may call `tool` on `target`.
    ///
    /// A role allows a call when one of its `tools` globs matches and, for each kind of target
    /// it names, one of the globs matches the target. A target without a name is allowed when
    /// the tool is: the tool then asks for each object. `deny` of any role of the caller wins.
    pub fn decide(&self, roles: &[String], tool: &str, target: Option<&Target>) -> Decided {
        self.settle(roles, tool, target, Deed::Call)
    }

    /// Whether these roles may approve a call of `tool` on `target` that somebody else makes:
    /// one of the `approves` globs matches, and the targets as for a call.
    pub fn may_approve(&self, roles: &[String], tool: &str, target: Option<&Target>) -> Decided {
        self.settle(roles, tool, target, Deed::Approve)
    }

    fn settle(&self, roles: &[String], tool: &str, target: Option<&Target>, deed: Deed) -> Decided {
        let held: Vec<(&String, &Rules)> = roles
            .iter()
            .filter_map(|name| self.roles.get(name).map(|rules| (name, rules)))
            .collect();
        for (name, rules) in &held {
            if let Some(why) = rules.denies(tool, target) {
                return Decided {
                    allowed: false,
                    rule: format!("roles.{name}.deny: {why} ({})", rules.at),
                };
            }
        }
        let mut near = None;
        for (name, rules) in &held {
            match rules.allows(tool, target, deed) {
                Ok(why) => {
                    let rule = format!("roles.{name}: {why} ({})", rules.at);
                    return Decided { allowed: true, rule };
                }
                Err(Some(why)) => near = Some(format!("roles.{name}: {why} ({})", rules.at)),
                Err(None) => {}
            }
        }
        let rule = near.unwrap_or_else(|| match roles {
            [] => "no role: [people] gives this principal none".to_owned(),
            names => format!("no rule {} {tool}: {}", deed.word(), names.join(", ")),
        });
        Decided { allowed: false, rule }
    }
}

impl Rules {
    fn new(
        name: &str,
        role: &Role,
        locate: &impl Fn(&str) -> Location,
        faults: &mut Vec<PatternError>,
    ) -> Self {
        let here = format!("/roles/{name}");
        let mut compile =
            |patterns: &[String], pointer: String| Patterns::new(patterns, &pointer, faults);
        let empty = Deny::default();
        let deny = role.deny.as_ref().unwrap_or(&empty);
        let mut targets = |map: &BTreeMap<String, Vec<String>>, under: &str| {
            map.iter()
                .map(|(kind, globs)| {
                    (kind.clone(), compile(globs, format!("{here}{under}/{kind}")))
                })
                .collect::<BTreeMap<_, _>>()
        };
        let allowed_targets = targets(&role.targets, "/targets");
        let deny_targets = targets(&deny.targets, "/deny/targets");
        Self {
            at: locate(&here),
            tools: compile(&role.tools, format!("{here}/tools")),
            approves: compile(&role.approves, format!("{here}/approves")),
            targets: allowed_targets,
            deny_tools: deny
                .tools
                .as_ref()
                .map(|globs| compile(globs, format!("{here}/deny/tools"))),
            deny_targets,
            denies: role.deny.is_some(),
        }
    }

    /// Why this role forbids the call: its `deny` matches the tool (or names none) and the
    /// target (or names none). A target without a name cannot match a deny by name.
    fn denies(&self, tool: &str, target: Option<&Target>) -> Option<String> {
        if !self.denies {
            return None;
        }
        let by_tool = match &self.deny_tools {
            Some(patterns) => Some(patterns.matched(tool)?),
            None => None,
        };
        let by_target = if self.deny_targets.is_empty() {
            None
        } else {
            let target = target?;
            let patterns = self.deny_targets.get(target.kind.as_ref())?;
            Some(patterns.matched(target.name.as_deref()?)?)
        };
        match (by_tool, by_target) {
            (None, None) => Some("everything".to_owned()),
            (Some(tool), None) => Some(format!("tools \"{tool}\"")),
            (None, Some(target)) => Some(format!("targets \"{target}\"")),
            (Some(tool), Some(target)) => Some(format!("tools \"{tool}\" on targets \"{target}\"")),
        }
    }

    /// Why this role allows the call; `Err` with a reason when only the target is wrong.
    fn allows(
        &self,
        tool: &str,
        target: Option<&Target>,
        deed: Deed,
    ) -> Result<String, Option<String>> {
        let (key, globs) = match deed {
            Deed::Call => ("tools", &self.tools),
            Deed::Approve => ("approves", &self.approves),
        };
        let glob = globs.matched(tool).ok_or(None)?;
        let Some(target) = target else { return Ok(format!("{key} \"{glob}\"")) };
        let Some(patterns) = self.targets.get(target.kind.as_ref()) else {
            return Ok(format!("{key} \"{glob}\""));
        };
        let Some(name) = target.name.as_deref() else {
            return Ok(format!("{key} \"{glob}\", targets as far as allowed"));
        };
        match patterns.matched(name) {
            Some(pattern) => Ok(format!("{key} \"{glob}\", targets.{} \"{pattern}\"", target.kind)),
            None => Err(Some(format!("targets.{} does not include it", target.kind))),
        }
    }
}

impl Patterns {
    fn new(written: &[String], pointer: &str, faults: &mut Vec<PatternError>) -> Self {
        let mut builder = GlobSetBuilder::new();
        for (index, pattern) in written.iter().enumerate() {
            match Glob::new(pattern) {
                Ok(glob) => {
                    builder.add(glob);
                }
                Err(error) => faults.push(PatternError {
                    pointer: format!("{pointer}/{index}"),
                    message: format!("not a glob: {}", error.kind()),
                }),
            }
        }
        let set = builder.build().unwrap_or_else(|_| GlobSet::empty());
        Self { set, written: written.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(
        people: serde_json::Value,
        roles: serde_json::Value,
    ) -> Result<Policy, Vec<PatternError>> {
        let people: People = serde_json::from_value(people).expect("people");
        let roles: Roles = serde_json::from_value(roles).expect("roles");
        Policy::new(&people, &roles, |pointer| Location {
            file: format!("t.toml{pointer}"),
            line: 7,
            column: 1,
        })
    }

    fn house() -> Policy {
        policy(
            json!({"*": ["reader"], "eve": ["reader", "blocked"], "ann": ["analyst"], "max": ["barred"]}),
            json!({
                "reader": {"tools": ["docs_*"], "targets": {"collection": ["public", "hand*"]}},
                "blocked": {"tools": ["docs_*"], "deny": {"tools": ["docs_read"], "targets": {"collection": ["handbook"]}}},
                "analyst": {"tools": ["sql_*"], "deny": {"tools": ["sql_profile"]}},
                "barred": {"tools": ["*"], "deny": {}},
            }),
        )
        .expect("a policy")
    }

    fn roles_of(policy: &Policy, user: &str) -> Vec<String> {
        let uid = contract::Proof::OsUser { uid: 1 };
        policy.principal(&Identity::new(format!("user:{user}"), uid)).roles
    }

    fn check(subject: &str, tool: &str, collection: Option<&str>, allowed: bool, rule: &str) {
        let policy = house();
        let target = match collection {
            Some("*") => Some(Target::every("collection")),
            Some(name) => Some(Target::one("collection", name)),
            None => None,
        };
        let decided = policy.decide(&roles_of(&policy, subject), tool, target.as_ref());
        assert_eq!(decided.allowed, allowed, "{subject} {tool} {collection:?}: {}", decided.rule);
        assert!(decided.rule.contains(rule), "{}", decided.rule);
        let quietly = policy.allows(&roles_of(&policy, subject), tool, target.as_ref());
        assert_eq!(quietly, allowed, "the quiet answer is the same");
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        check("bob", "mail_send", None, false, "no rule allows mail_send: reader");
        let empty = policy(json!({}), json!({})).expect("a policy");
        assert_eq!(roles_of(&empty, "bob"), Vec::<String>::new());
        assert!(!empty.decide(&[], "docs_search", None).allowed);
        assert!(!empty.decide(&["ghost".to_owned()], "docs_search", None).allowed);
    }

    #[test]
    fn a_role_allows_its_tools_on_its_targets_and_names_file_and_line() {
        check(
            "bob",
            "docs_search",
            Some("public"),
            true,
            "tools \"docs_*\", targets.collection \"public\" (t.toml/roles/reader:7:1)",
        );
        check("bob", "docs_search", Some("handbook"), true, "\"hand*\"");
        check(
            "bob",
            "docs_search",
            Some("secret"),
            false,
            "targets.collection does not include it",
        );
        check("bob", "docs_search", Some("*"), true, "as far as allowed");
        check("bob", "docs_search", None, true, "docs_*");
    }

    #[test]
    fn a_deny_of_any_role_wins() {
        check(
            "eve",
            "docs_read",
            Some("handbook"),
            false,
            "roles.blocked.deny: tools \"docs_read\" on targets \"handbook\"",
        );
        check("eve", "docs_read", Some("public"), true, "roles.reader");
        check("eve", "docs_search", Some("handbook"), true, "roles.reader");
        check("ann", "sql_profile", None, false, "roles.analyst.deny");
        check("ann", "sql_query", None, true, "roles.analyst");
        check("max", "docs_search", None, false, "roles.barred.deny: everything");
    }

    #[test]
    fn approving_is_a_right_of_its_own() {
        let policy = policy(
            json!({"ann": ["lead"], "bob": ["agent"], "eve": ["lead", "barred"]}),
            json!({
                "lead": {"approves": ["mail_*"], "targets": {"mailbox": ["team"]}},
                "agent": {"tools": ["mail_*"]},
                "barred": {"deny": {"tools": ["mail_send"]}},
            }),
        )
        .expect("a policy");
        let check = |user: &str, mailbox: &str, approves: bool, calls: bool, rule: &str| {
            let roles = roles_of(&policy, user);
            let target = Target::one("mailbox", mailbox);
            let decided = policy.may_approve(&roles, "mail_send", Some(&target));
            assert_eq!(decided.allowed, approves, "{user}: {}", decided.rule);
            assert!(decided.rule.contains(rule), "{}", decided.rule);
            assert_eq!(policy.decide(&roles, "mail_send", Some(&target)).allowed, calls, "{user}");
        };
        check("ann", "team", true, false, "approves \"mail_*\", targets.mailbox \"team\"");
        check("ann", "board", false, false, "targets.mailbox does not include it");
        check("bob", "team", false, true, "no rule lets them approve mail_send: agent");
        check("eve", "team", false, false, "roles.barred.deny");
    }

    #[test]
    fn a_wrong_table_names_every_mistake() {
        let faults = policy(
            json!({"*": ["raeder"]}),
            json!({"reader": {"tools": ["docs_[", "ok"], "targets": {"collection": ["{"]}}}),
        )
        .expect_err("three mistakes");
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/people/*/0", "/roles/reader/targets/collection/0", "/roles/reader/tools/0"]
        );
        assert!(faults[0].message.contains("did you mean `reader`?"), "{}", faults[0].message);
    }
}
