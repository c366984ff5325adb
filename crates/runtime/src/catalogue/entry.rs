//! One tool or prompt: its contract tightened by servers.toml, its schemas, and its digest.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::schema::{self, SchemaError, Validator};
use contract::text::hex;
use contract::{Approval, Contract, Effect, Limit, Size, ToolError, Window};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A server whose tools break the rules of the contract, or whose table in servers.toml does.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {message}")]
pub struct CatalogueError {
    /// The key under the server's table, such as `tools.docs_search.limit`; the tool's name
    /// where the tool itself is wrong.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// What servers.toml says about one tool: tighter than its contract, never looser.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// false takes the tool away from everybody.
    pub enabled: Option<bool>,
    /// A lower limit, such as "10/minute" (second, minute, hour, day); of a day, it is kept over
    /// restarts.
    #[schemars(length(max = 14), regex(pattern = r"^[1-9][0-9]*/(second|minute|hour|day)$"))]
    pub limit: Option<String>,
    /// A higher approval.
    pub approval: Option<Approval>,
    /// A shorter time, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout: Option<u64>,
    /// A smaller result, in tokens.
    #[schemars(range(min = 100, max = 9500))]
    pub tokens: Option<u32>,
    /// What records keep of the arguments: all of them, without secrets, or only their digest.
    pub record: Option<Kept>,
}

/// What records keep of a call's arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kept {
    /// The arguments, without secrets.
    #[default]
    Arguments,
    /// SHA-256 of their canonical form.
    Digest,
}

/// One tool or prompt, as everything but its own code sees it.
#[derive(Debug)]
pub struct Entry {
    /// Every decision, tightened by servers.toml.
    pub contract: Contract,
    /// The published schema of the arguments.
    pub input: Arc<Map<String, Value>>,
    /// The published schema of the result, for records.
    pub output: Option<Arc<Map<String, Value>>>,
    /// SHA-256 of the contract and both schemas, in hexadecimal: changes when the tool does.
    pub digest: String,
    /// What records keep of the arguments.
    pub kept: Kept,
    /// The tool's own limit, where that of servers.toml is of a day and counts beside it.
    own_limit: Option<Limit>,
    /// Compiled at the first call: most processes call a few of their tools.
    validator: OnceLock<Validator>,
}

impl Entry {
    pub(super) fn new(
        contract: Contract,
        input: &Value,
        output: Option<Value>,
        rules: &Overrides,
    ) -> Result<Self, CatalogueError> {
        let fault = |message: String| CatalogueError { key: contract.name.to_owned(), message };
        check(&contract, input).map_err(fault)?;
        let object = |value: &Value| Arc::new(value.as_object().cloned().unwrap_or_default());
        let digest = digest(&contract, input, output.as_ref());
        let output = output.as_ref().map(object);
        let kept = rules.record.unwrap_or_default();
        let input = object(input);
        let validator = OnceLock::new();
        Ok(Self { input, output, digest, kept, own_limit: None, validator, contract })
    }

    /// Keeps the tool's own limit beside one of a day.
    pub(super) fn beside(mut self, own: Limit) -> Self {
        let counts = self.contract.limit.per == Window::Day && own.per != Window::Day;
        self.own_limit = counts.then_some(own);
        self
    }

    /// The limits that count: the contract's, and the tool's own beside one of a day.
    pub fn limits(&self) -> impl Iterator<Item = Limit> + use<> {
        self.own_limit.into_iter().chain([self.contract.limit])
    }

    /// The compiled schema of the arguments.
    fn validator(&self) -> Result<&Validator, SchemaError> {
        if let Some(validator) = self.validator.get() {
            return Ok(validator);
        }
        let validator = Validator::new(&Value::Object((*self.input).clone()))?;
        Ok(self.validator.get_or_init(|| validator))
    }

    /// Every rule of the published schema that the arguments break, as one text; empty when they
    /// satisfy it.
    pub(crate) fn faults(&self, args: &Value) -> Result<String, ToolError> {
        let validator = self.validator().map_err(ToolError::internal)?;
        if validator.is_valid(args) {
            return Ok(String::new());
        }
        let faults = validator.faults(args);
        let shown = faults.iter().take(5).map(|fault| {
            let path = schema::path(&fault.pointer);
            let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
            format!("{place}{}", fault.message)
        });
        let mut text = shown.collect::<Vec<_>>().join("; ");
        if faults.len() > 5 {
            text.push_str(&format!("; and {} more", faults.len() - 5));
        }
        Ok(text)
    }
}

/// The rules that no type can state.
fn check(contract: &Contract, input: &Value) -> Result<(), String> {
    let name_ok = !contract.name.is_empty()
        && contract.name.len() <= 64
        && contract.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !name_ok {
        return Err("a name is 1 to 64 lower-case letters, digits and underscores".to_owned());
    }
    if input.get("type") != Some(&json!("object"))
        || input.get("additionalProperties") != Some(&json!(false))
    {
        return Err("the arguments are an object that refuses unknown fields".to_owned());
    }
    if contract.effect == Effect::Commits && contract.verified_by.is_none() {
        return Err("a tool that commits names the tool that verifies the outcome".to_owned());
    }
    let reason = input.pointer("/properties/reason").is_some()
        && input["required"].as_array().is_some_and(|names| names.contains(&json!("reason")));
    if contract.effect.is_reading() || reason {
        Ok(())
    } else {
        Err("a tool that does more than read requires a `reason` (contract::Reason)".to_owned())
    }
}

fn digest(contract: &Contract, input: &Value, output: Option<&Value>) -> String {
    let whole = json!({
        "name": contract.name,
        "title": contract.title,
        "purpose": contract.purpose,
        "effect": contract.effect,
        "approval": contract.approval,
        "limit": contract.limit.to_string(),
        "timeout_ms": contract.timeout.as_millis().to_string(),
        "tokens": contract.size.get(),
        "verified_by": contract.verified_by,
        "input": input,
        "output": output,
    });
    hex(&Sha256::digest(whole.to_string().as_bytes()))
}

/// Applies servers.toml to a contract; refuses anything looser.
pub(super) fn tighten(
    contract: Contract,
    overrides: &Overrides,
) -> Result<Contract, CatalogueError> {
    let name = contract.name;
    let fault =
        |key: &str, message: String| CatalogueError { key: format!("tools.{name}.{key}"), message };
    let mut tight = contract;
    if let Some(text) = &overrides.limit {
        let limit = Limit::parse(text).ok_or_else(|| {
            fault("limit", format!("`{text}` is not a limit such as \"10/minute\""))
        })?;
        // A limit of a day counts beside the tool's own, and so can only tighten it.
        let beside = limit.per == Window::Day && tight.limit.per != Window::Day;
        if !beside && !limit.is_within(tight.limit) {
            return Err(fault(
                "limit",
                format!("{limit} is looser than the tool's own {}", tight.limit),
            ));
        }
        tight.limit = limit;
    }
    if let Some(approval) = overrides.approval {
        if approval < tight.approval {
            return Err(fault(
                "approval",
                format!("{approval} is less than the tool's own {}", tight.approval),
            ));
        }
        tight.approval = approval;
    }
    if let Some(seconds) = overrides.timeout {
        let timeout = Duration::from_secs(seconds);
        if timeout > tight.timeout {
            let own = tight.timeout.as_secs();
            return Err(fault(
                "timeout",
                format!("{seconds} s is longer than the tool's own {own} s"),
            ));
        }
        tight.timeout = timeout;
    }
    if let Some(tokens) = overrides.tokens {
        let size = Size::tokens(tokens.clamp(1, Size::CAP.get()));
        if size > tight.size {
            return Err(fault(
                "tokens",
                format!("{tokens} is more than the tool's own {}", tight.size.get()),
            ));
        }
        tight.size = size;
    }
    Ok(tight)
}
