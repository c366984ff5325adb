//! `suite explain`: who somebody is, what they may call and why, rule by rule with file and line.

mod whose;
mod words;

use std::process::ExitCode;

use clap::Args;
use contract::record::Decided;
use contract::{Approval, Contract, Target, ToolError};
use runtime::Entry;
use serde::Serialize;
use serde_json::{Map, Value};

use self::whose::Who;
use crate::assemble::{self, Checked, Opened, Source};
use crate::check::{self, Approver};
use crate::{Launcher, call};

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// Who: a person (ann), "user:ann", "key:ci", "sub:00u1abc", "group:platform", "loopback", or
    /// "*" for everybody else
    principal: String,
    /// The tool or prompt, such as `docs_search`
    tool: String,
    /// Arguments of the call: key=value, where a value that is not text is JSON
    #[arg(value_name = "KEY=VALUE")]
    arguments: Vec<String>,
    /// A group that the person's access token states; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// All there is to say about one principal and one tool.
#[derive(Debug, Serialize)]
struct Explained {
    /// Whether the call would get as far as being run, or being put to an approver.
    allowed: bool,
    #[serde(flatten)]
    who: Who,
    server: &'static str,
    tool: String,
    /// Whether `tools/list` shows it.
    listed: Ruled,
    /// Whether it may be called, on the target where there is one.
    call: Ruled,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// What the caller would read about the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<String>,
    approval: Setting,
    approvers: Vec<Approver>,
    limits: Vec<Setting>,
    timeout: Setting,
    result: Setting,
}

/// A decision and the rule behind it.
#[derive(Debug, Serialize)]
struct Ruled {
    allowed: bool,
    rule: String,
}

/// A value in force, and where it was tightened.
#[derive(Debug, Serialize)]
struct Setting {
    value: String,
    /// What the tool itself declares, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<String>,
    /// Where servers.toml says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// What it is about, beside the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
}

/// Where a tool was found.
struct Found<'a> {
    checked: Checked,
    launcher: &'a Launcher,
    opened: Opened,
}

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    args: &ExplainArgs,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let explained = runtime.block_on(async {
        let found = find(source, launchers, &args.tool).await?;
        explain(&found, args)
    });
    runtime.shutdown_background();
    let explained = explained?;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&explained)?);
    } else {
        anstream::print!("{}", words::render(&explained));
    }
    Ok(if explained.allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The server that has the tool: the one it is named after, else any.
async fn find<'a>(
    source: &Source,
    launchers: &'a [Launcher],
    tool: &str,
) -> anyhow::Result<Found<'a>> {
    let prefix = tool.split('_').next().unwrap_or_default();
    let named = launchers.iter().find(|launcher| launcher.name == prefix);
    let whole = assemble::check(source, launchers, named.map(|launcher| launcher.name))?;
    let mut known = Vec::new();
    let candidates: Vec<&Launcher> = check::configured(&whole, launchers)
        .filter(|one| named.is_none_or(|own| own.name == one.name))
        .collect();
    for launcher in candidates {
        let opened = assemble::rehearse(&whole.config, launcher).await?;
        if opened.catalogue.declared(tool).is_some() {
            return Ok(Found { checked: whole, launcher, opened });
        }
        known.extend(opened.catalogue.declared_names().map(str::to_owned));
    }
    anyhow::bail!("tool {}", contract::schema::unknown(tool, &known))
}

fn explain(found: &Found<'_>, args: &ExplainArgs) -> anyhow::Result<Explained> {
    let Found { checked: Checked { config, policy }, launcher, opened } = found;
    let who = whose::look_up(config, policy, &args.principal, &args.groups)?;
    let roles = who.role_names();
    let tool = args.tool.as_str();
    let tightened = Tightened::new(found, tool)?;
    let (target, invalid) = match tightened.entry {
        Some(entry) => target(opened, entry, &args.arguments)?,
        None => (None, None),
    };
    let decide = |target: Option<&Target>| {
        if let Some(void) = &who.void {
            return Ruled { allowed: false, rule: void.clone() };
        }
        if tightened.entry.is_some() {
            return Ruled::from(policy.decide(&roles, tool, target));
        }
        let at = config.locate(&tightened.pointer("enabled"));
        Ruled { allowed: false, rule: format!("it is switched off ({at})") }
    };
    let (listed, call) = (decide(None), decide(target.as_ref()));
    let approvers = if tightened.contract().approval >= Approval::One {
        check::approvers(policy, &check::keys(config), tool, target.as_ref())
            .into_iter()
            .filter(|approver| approver.who == "*" || approver.subject != who.subject)
            .collect()
    } else {
        Vec::new()
    };
    let setting = |key: &str, show: fn(&Contract) -> String| tightened.setting(key, show);
    Ok(Explained {
        allowed: call.allowed && invalid.is_none(),
        server: launcher.name,
        tool: tool.to_owned(),
        listed,
        call,
        target: target.map(|target| target.to_string()),
        invalid,
        approval: setting("approval", |contract| contract.approval.to_string()),
        approvers,
        limits: tightened.limits(),
        timeout: setting("timeout", |contract| format!("{} s", contract.timeout.as_secs())),
        result: setting("tokens", |contract| format!("{} tokens", contract.size.get())),
        who,
    })
}

/// A tool as it was declared, and as servers.toml tightens it.
struct Tightened<'a> {
    found: &'a Found<'a>,
    declared: &'a Contract,
    /// Absent where it is switched off.
    entry: Option<&'a Entry>,
}

impl<'a> Tightened<'a> {
    fn new(found: &'a Found<'a>, tool: &str) -> Result<Self, ToolError> {
        let catalogue = &found.opened.catalogue;
        let declared = catalogue.declared(tool);
        let declared = declared.ok_or_else(|| ToolError::internal("the tool is gone"))?;
        let mut entries = catalogue.tools().chain(catalogue.prompt_entries());
        let entry = entries.find(|entry| entry.contract.name == tool).map(AsRef::as_ref);
        Ok(Self { found, declared, entry })
    }

    fn contract(&self) -> &Contract {
        self.entry.map_or(self.declared, |entry| &entry.contract)
    }

    /// Where servers.toml would set a key of the tool.
    fn pointer(&self, key: &str) -> String {
        format!("/servers/{}/tools/{}/{key}", self.found.launcher.name, self.declared.name)
    }

    /// Where servers.toml sets something, if it does.
    fn at(&self, pointer: &str) -> Option<String> {
        let config = &self.found.checked.config;
        config.raw(pointer).map(|_| config.locate(pointer).to_string())
    }

    fn setting(&self, key: &str, show: fn(&Contract) -> String) -> Setting {
        let (value, own) = (show(self.contract()), show(self.declared));
        let declared = (value != own).then_some(own);
        Setting { value, declared, at: self.at(&self.pointer(key)), about: None }
    }

    fn limits(&self) -> Vec<Setting> {
        let mut limits = vec![self.setting("limit", |contract| contract.limit.to_string())];
        // A limit of a day counts beside the tool's own.
        if self.entry.is_some_and(|entry| entry.limits().count() > 1) {
            limits[0].declared = None;
            let about = Some("the tool's own, which counts beside it".to_owned());
            let value = self.declared.limit.to_string();
            limits.push(Setting { value, declared: None, at: None, about });
        }
        let server = self.found.launcher.name;
        if let Some(limit) = &self.found.opened.common.limit {
            let about = Some(format!("for all tools of {server} together"));
            let at = self.at(&format!("/servers/{server}/limit"));
            limits.push(Setting { value: limit.clone(), declared: None, at, about });
        }
        limits
    }
}

/// What a call with these arguments touches, or what its caller would read. Without arguments, a
/// tool that needs some is explained as such.
fn target(
    opened: &Opened,
    entry: &Entry,
    pairs: &[String],
) -> anyhow::Result<(Option<Target>, Option<String>)> {
    let args: Map<String, Value> = call::parse(pairs, Some(&entry.input))?;
    Ok(match opened.catalogue.target(entry, args) {
        Ok(target) => (Some(target), None),
        Err(_) if pairs.is_empty() => (None, None),
        Err(error) => (None, Some(error.text())),
    })
}

impl From<Decided> for Ruled {
    fn from(decided: Decided) -> Self {
        Self { allowed: decided.allowed, rule: decided.rule }
    }
}
