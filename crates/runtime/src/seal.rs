//! Sealing what a client carries back to us: cursors, and the state of a call that waits for an
//! answer. Signed with the server's key (HMAC-SHA-256, rmcp's codec), bound to principal, tool
//! and arguments; readable by anyone, so nothing secret goes in.

use std::sync::Arc;
use std::time::Duration;

use contract::{Cursors, Principal, ToolError};
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// How long a client may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_mins(30);

/// Seals with the key of one server.
#[derive(Clone)]
pub struct Sealer {
    codec: Arc<RequestStateCodec>,
}

/// What a sealed value is bound to: any other principal, tool or arguments cannot open it.
#[derive(Clone)]
pub struct Bond(Vec<u8>);

impl Bond {
    /// A bond of `kind` to a principal, a tool and its arguments (without `cursor`).
    pub fn new(kind: &str, principal: &Principal, tool: &str, args: &Map<String, Value>) -> Self {
        let mut hash = Sha256::new();
        for part in [kind, &principal.subject, tool] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut fields: Vec<(&String, &Value)> =
            args.iter().filter(|(name, _)| *name != "cursor").collect();
        fields.sort_by_key(|(name, _)| *name);
        for (name, value) in fields {
            hash.update(serde_json::json!([name, value]).to_string());
        }
        Self(hash.finalize().to_vec())
    }
}

impl Sealer {
    /// Seals with this key.
    pub fn new(key: [u8; 32]) -> Self {
        let codec = RequestStateCodec::try_new(key.to_vec());
        Self { codec: Arc::new(codec.expect("32 bytes are long enough for HMAC-SHA-256")) }
    }

    /// Seals a value that expires in half an hour.
    pub fn seal<T: Serialize>(&self, bond: &Bond, value: &T) -> Option<String> {
        let options = SealOptions::new().associated_data(&bond.0).ttl(ANSWER_WITHIN);
        self.codec.seal_json_with(value, &options).ok()
    }

    /// Opens a sealed value; `None` when it is forged, foreign or too old.
    pub fn open<T: DeserializeOwned>(&self, bond: &Bond, sealed: &str) -> Option<T> {
        self.codec.open_json_with(sealed, &bond.0).ok()
    }
}

/// The cursors of one call.
pub(crate) struct CallCursors {
    pub(crate) sealer: Sealer,
    pub(crate) principal: Arc<Principal>,
    pub(crate) tool: &'static str,
    pub(crate) args: Arc<Value>,
}

impl CallCursors {
    fn bond(&self) -> Bond {
        let none = Map::new();
        Bond::new("cursor", &self.principal, self.tool, self.args.as_object().unwrap_or(&none))
    }
}

impl Cursors for CallCursors {
    fn seal(&self, position: &Value) -> String {
        self.sealer.seal(&self.bond(), position).unwrap_or_default()
    }

    fn open(&self, cursor: &str) -> Result<Value, ToolError> {
        self.sealer.open(&self.bond(), cursor).ok_or_else(|| {
            ToolError::invalid(
                "`cursor` is not one this call can use: it is damaged, older than 30 minutes, or of \
                 other arguments. Call again without `cursor`.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use contract::Proof;
    use serde_json::json;

    use super::*;

    fn bond(subject: &str, tool: &str, args: &Value) -> Bond {
        let principal = Principal {
            actor: None,
            groups: vec![],
            identity: subject.into(),
            proof: Proof::Loopback,
            roles: vec![],
            subject: subject.into(),
        };
        Bond::new("cursor", &principal, tool, args.as_object().expect("an object"))
    }

    #[test]
    fn only_the_same_principal_tool_and_arguments_open_a_cursor() {
        let sealer = Sealer::new([7; 32]);
        let args = json!({"query": "x", "limit": 5});
        let token = sealer.seal(&bond("ann", "t", &args), &json!({"from": 5})).expect("sealed");
        let open = |bond: Bond, sealed: &str| sealer.open::<Value>(&bond, sealed);
        let same = json!({"limit": 5, "cursor": "ignored", "query": "x"});
        assert_eq!(open(bond("ann", "t", &same), &token), Some(json!({"from": 5})));
        assert_eq!(open(bond("bob", "t", &args), &token), None);
        assert_eq!(open(bond("ann", "u", &args), &token), None);
        assert_eq!(open(bond("ann", "t", &json!({"query": "y", "limit": 5})), &token), None);
        assert_eq!(open(bond("ann", "t", &args), &token.replace('A', "B")), None);
        assert_eq!(Sealer::new([8; 32]).open::<Value>(&bond("ann", "t", &args), &token), None);
    }

    #[test]
    fn a_sealed_value_ends_with_its_time() {
        let sealer = Sealer::new([7; 32]);
        let bond = bond("ann", "t", &json!({}));
        let options = SealOptions::new().associated_data(&bond.0).ttl(Duration::ZERO);
        let over = sealer.codec.seal_json_with(&json!(1), &options).expect("sealed");
        // Its clock counts milliseconds.
        let began = std::time::Instant::now();
        while sealer.open::<Value>(&bond, &over).is_some() {
            assert!(began.elapsed() < Duration::from_mins(1), "it never ends");
        }
        let lives = sealer.seal(&bond, &json!(1)).expect("sealed");
        assert_eq!(sealer.open::<Value>(&bond, &lives), Some(json!(1)));
    }
}
