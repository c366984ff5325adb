//! What a checked token says about its bearer.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use contract::{Identity, Proof};
use serde_json::{Map, Value};

use crate::Refusal;

/// The longest name or group, in characters.
const LONGEST: usize = 200;
/// The most groups that are read.
const GROUPS: usize = 500;

/// Where in the claims things stand, and what scopes bring.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) groups: Option<String>,
    pub(super) roles: BTreeMap<String, Vec<String>>,
}

/// A token's bearer, its scopes, and when it ends.
#[derive(Debug)]
pub(super) struct Bearer {
    pub(super) identity: Identity,
    pub(super) scopes: Vec<String>,
    pub(super) expires: SystemTime,
}

impl Reading {
    /// Reads claims whose signature, issuer, audience and times are already checked.
    pub(super) fn bearer(&self, claims: &Map<String, Value>) -> Result<Bearer, Refusal> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            // The library also takes a list with the issuer in it; RFC 7519 knows no such list.
            return Err(Refusal::invalid("the access token is of another issuer"));
        }
        refuse_other_kinds(claims)?;
        let subject = claims.get(&self.subject).and_then(Value::as_str).and_then(plain);
        let Some(subject) = subject else {
            let why = format!("the access token names nobody in `{}`", self.subject);
            return Err(Refusal::Invalid(why.into()));
        };
        let scopes = scopes(claims);
        let mut brings: Vec<String> = Vec::new();
        for role in scopes.iter().filter_map(|scope| self.roles.get(scope)).flatten() {
            if !brings.contains(role) {
                brings.push(role.clone());
            }
        }
        let proof = Proof::AccessToken { issuer: self.issuer.clone() };
        let identity = Identity {
            groups: self.groups(claims),
            actor: actor(claims, &subject),
            brings,
            ..Identity::new(format!("sub:{subject}"), proof)
        };
        Ok(Bearer { identity, scopes, expires: expires(claims)? })
    }

    fn groups(&self, claims: &Map<String, Value>) -> Vec<String> {
        let found = match self.groups.as_deref() {
            None => None,
            Some(pointer) if pointer.starts_with('/') => {
                let mut steps =
                    pointer[1..].split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
                let first = steps.next().and_then(|step| claims.get(&step));
                steps.fold(first, |value, step| value.and_then(|value| value.get(step)))
            }
            Some(name) => claims.get(name),
        };
        let groups = match found {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            _ => Vec::new(),
        };
        groups.into_iter().filter_map(plain).take(GROUPS).collect()
    }
}

/// Tokens that were signed by the same key for another use: ID tokens, logout tokens, and tokens
/// that count only together with a proof of possession.
fn refuse_other_kinds(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let has = |names: &[&str]| names.iter().any(|name| claims.contains_key(*name));
    if has(&["nonce", "at_hash", "c_hash", "s_hash"]) {
        return Err(Refusal::invalid("this is an ID token; send an access token"));
    }
    if has(&["events", "toe"]) {
        return Err(Refusal::invalid("this is a security event token; send an access token"));
    }
    if has(&["cnf"]) {
        let why = "the access token is bound to a key (cnf), which this server does not check";
        return Err(Refusal::invalid(why));
    }
    Ok(())
}

/// `scope` as a list in one text (RFC 9068), or `scp` as a list or a text, as some issuers have it.
fn scopes(claims: &Map<String, Value>) -> Vec<String> {
    let words =
        |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    match claims.get("scope").or(claims.get("scp")) {
        Some(Value::String(text)) => words(text),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Who acts in the subject's name: the actor (RFC 8693, 4.1), else the client.
fn actor(claims: &Map<String, Value>, subject: &str) -> Option<String> {
    let act = claims.get("act").and_then(|act| act.get("sub"));
    let named = act.or(claims.get("client_id")).or(claims.get("azp")).and_then(Value::as_str);
    named.and_then(plain).filter(|name| name != subject)
}

/// `exp`, which the library has already compared with the clock.
fn expires(claims: &Map<String, Value>) -> Result<SystemTime, Refusal> {
    let seconds = claims.get("exp").and_then(Value::as_f64);
    let after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    after
        .and_then(|after| SystemTime::UNIX_EPOCH.checked_add(after))
        .ok_or(Refusal::invalid("the access token does not say when it ends (exp)"))
}

/// A name that can stand in records and policy.
fn plain(text: &str) -> Option<String> {
    let fits =
        !text.is_empty() && text.chars().count() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
