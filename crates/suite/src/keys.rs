//! `suite keys`: making, listing and revoking API keys, as the operator.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use auth::Keys;
use auth::keys::{Key, NewKey, Standing};
use clap::Subcommand;
use config::Config;
use contract::record::{Event, Record};
use contract::{Identity, Principal, Proof, Target};
use policy::Policy;
use runtime::{Redactor, journal};
use state::Log;

use crate::assemble::{self, AssembleError, Checked, Source};
use crate::terminal::{GOOD, columns};
use crate::{Launcher, network, person};

/// What is done with keys.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key; it is shown once, on standard output
    ///
    /// Example: `suite keys new ci --roles reader --expires 30d`
    New {
        /// What it is called: its identity is `key:NAME`. A name is used once
        name: String,
        /// The person it is for; it can then do no more than this person of [people]
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
        /// The only roles it may use
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        roles: Option<Vec<String>>,
        /// When it ends, such as 30d or 12h; or `never`
        #[arg(long, value_name = "TIME", default_value = "90d")]
        expires: String,
    },
    /// List all keys there ever were
    List,
    /// End a key; the next request with it is refused
    Revoke {
        /// What it is called
        name: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    command: Command,
) -> anyhow::Result<ExitCode> {
    let checked = assemble::check(source, launchers, None)?;
    let operator = Operator::open(checked)?;
    match command {
        Command::New { name, person, roles, expires } => {
            let expires = end(&expires, SystemTime::now())?;
            operator.make(NewKey { name, person, roles, expires })?;
        }
        Command::List => operator.list()?,
        Command::Revoke { name, reason } => operator.revoke(&name, reason)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Who runs the command, and what it works on.
struct Operator {
    config: Config,
    policy: Policy,
    keys: Keys,
    principal: Principal,
}

impl Operator {
    fn open(Checked { config, policy }: Checked) -> anyhow::Result<Self> {
        let keys = network::keys(&config)?;
        let principal = policy.principal(&person::os_user());
        Ok(Self { config, policy, keys, principal })
    }

    fn make(&self, new: NewKey) -> anyhow::Result<()> {
        self.check(&new)?;
        let log = self.log()?;
        let mut record = |key: &Key| self.record(&log, Event::KeyMade, key, &described(key));
        let (key, secret) = self.keys.make(new, &mut record)?;
        anstream::eprintln!("{GOOD}made{GOOD:#}  key:{} ({})", key.name, described(&key));
        anstream::eprintln!("It is shown this once; only its hash is kept.");
        if self
            .policy
            .principal(&identity(&key.name, key.person.as_ref(), key.roles.as_ref()))
            .roles
            .is_empty()
        {
            anstream::eprintln!(
                "It has no role yet: give it one in [people], such as \"key:{}\" = [\"…\"].",
                key.name
            );
        }
        anstream::println!("{}", secret.expose());
        Ok(())
    }

    fn revoke(&self, name: &str, reason: Option<String>) -> anyhow::Result<()> {
        let log = self.log()?;
        let reason = reason.map(without_secrets);
        let detail = reason.clone().unwrap_or_else(|| "no reason given".to_owned());
        let mut record = |key: &Key| self.record(&log, Event::KeyRevoked, key, &detail);
        let key = self.keys.revoke(name, reason, &mut record)?;
        anstream::println!("{GOOD}revoked{GOOD:#}  key:{}", key.name);
        Ok(())
    }

    fn list(&self) -> anyhow::Result<()> {
        let keys = self.keys.list()?;
        if keys.is_empty() {
            anstream::println!("There is no key; make one with: suite keys new NAME");
            return Ok(());
        }
        let title = ["key", "begins with", "person", "roles", "made", "ends", "standing"];
        let mut rows = vec![title.map(str::to_owned).to_vec()];
        rows.extend(keys.iter().map(row));
        anstream::print!("{}", columns(&rows));
        Ok(())
    }

    /// The person and the roles must exist, and leave something that the key can do.
    fn check(&self, new: &NewKey) -> anyhow::Result<()> {
        let known = network::names(&self.config, "/roles");
        for role in new.roles.iter().flatten() {
            if !known.contains(role) {
                bail!("role {}", contract::schema::unknown(role, &known));
            }
        }
        let owner = self.policy.principal(&identity(&new.name, None, None)).subject;
        let Some(person) = &new.person else { return Ok(()) };
        let names = network::names(&self.config, "/people");
        let people: Vec<String> = names
            .iter()
            .map(|name| name.strip_prefix("user:").unwrap_or(name))
            .filter(|name| *name != "*" && !name.contains(':'))
            .map(str::to_owned)
            .collect();
        if !people.contains(person) {
            bail!(
                "person {}; people stand in [people]",
                contract::schema::unknown(person, &people)
            );
        }
        if owner != format!("key:{}", new.name) && owner != *person {
            bail!("key:{} is {owner}'s in [people]; choose another name", new.name);
        }
        let roles = self
            .policy
            .principal(&identity(&new.name, new.person.as_ref(), new.roles.as_ref()))
            .roles;
        if let (true, Some(given)) = (roles.is_empty(), &new.roles) {
            bail!(
                "{person} has none of these roles, so the key could do nothing: {}",
                given.join(", ")
            );
        }
        Ok(())
    }

    /// The operator's own log. A key that nobody could trace is not made.
    fn log(&self) -> anyhow::Result<Log> {
        let folder = assemble::folder(&self.config, "suite")?;
        state::private_folder(&folder).map_err(AssembleError::from)?;
        Ok(Log::open(&folder.join("records")).map_err(AssembleError::from)?)
    }

    fn record(
        &self,
        log: &Log,
        event: Event,
        key: &Key,
        detail: &str,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let target = Target::one("key", key.name.clone());
        let mut record = Record::new(event, "suite");
        record.principal = Some(&self.principal);
        record.target = Some(&target);
        record.detail = Some(detail);
        journal::append(log, &Redactor::new(&[]), record, true)?;
        Ok(())
    }
}

/// Who ends a leaked key may say which: neither the record nor the list of keys keeps it.
fn without_secrets(text: String) -> String {
    Redactor::new(&[]).text(&text).unwrap_or(text)
}

/// Who a key with this name, person and roles would be.
fn identity(name: &str, person: Option<&String>, roles: Option<&Vec<String>>) -> Identity {
    Identity {
        person: person.cloned(),
        only: roles.cloned(),
        ..Identity::new(format!("key:{name}"), Proof::ApiKey { key: name.to_owned() })
    }
}

/// When a key that is made now ends.
fn end(text: &str, now: SystemTime) -> anyhow::Result<Option<SystemTime>> {
    if text == "never" {
        return Ok(None);
    }
    let wrong = || format!("`{text}` is no time to live such as 30d or 12h, nor `never`");
    let time = humantime::parse_duration(text).with_context(wrong)?;
    let bounds = Duration::from_mins(1)..=Duration::from_hours(24 * 366 * 10);
    if !bounds.contains(&time) {
        bail!("a key lives between one minute and ten years; or `never` ends");
    }
    Ok(now.checked_add(time))
}

fn day(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn described(key: &Key) -> String {
    let person = key.person.as_deref().map(|person| format!("for {person}"));
    let roles = key.roles.as_ref().map(|roles| format!("only {}", roles.join(", ")));
    let ends = match key.expires {
        Some(end) => format!("until {}", day(end)),
        None => "never ends".to_owned(),
    };
    let parts: Vec<String> = [person, roles, Some(ends)].into_iter().flatten().collect();
    parts.join("; ")
}

fn row(key: &Key) -> Vec<String> {
    let standing = match (key.standing(SystemTime::now()), &key.revoked) {
        (_, Some(revoked)) => {
            let why = revoked.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("revoked {}{why}", day(revoked.at))
        }
        (Standing::Expired, _) => "expired".to_owned(),
        _ => "valid".to_owned(),
    };
    let roles = key.roles.as_ref().map_or("-".to_owned(), |roles| roles.join(","));
    vec![
        format!("key:{}", key.name),
        format!("suite_{}", key.id),
        key.person.clone().unwrap_or("-".to_owned()),
        roles,
        day(key.created),
        key.expires.map_or("never".to_owned(), day),
        standing,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_keeps_no_secret() {
        let token = "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx";
        let reason = without_secrets(format!("leaked ghp_{token} in a mail"));
        assert_eq!(reason, "leaked [redacted: github-pat] in a mail");
        assert_eq!(without_secrets("left us".to_owned()), "left us");
    }

    #[test]
    fn a_time_to_live_has_a_unit_and_bounds() {
        let now = SystemTime::now();
        let check = |text: &str| end(text, now).ok();
        assert_eq!(check("never"), Some(None));
        assert_eq!(check("90d"), Some(Some(now + Duration::from_hours(24 * 90))));
        for wrong in ["", "90", "0s", "1s", "-1d", "20y", "tomorrow"] {
            assert_eq!(check(wrong), None, "{wrong}");
        }
    }
}
