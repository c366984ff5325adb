//! Sealing what a client carries back to us: cursors, and the state of a call that waits for an
//! answer. Signed with the server's key (HMAC-SHA-256), bound to principal, tool and arguments;
//! readable by anyone, so nothing secret goes in.
//!
//! A state is sealed by rmcp's codec. A cursor is carried through the model, where every character
//! counts: it has a form of its own, which is a third as long.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::{Cursors, Principal, ToolError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rmcp::model::{RequestStateCodec, SealOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// How long a client may take to answer a question.
const ANSWER_WITHIN: Duration = Duration::from_mins(30);

/// The bytes of a cursor's tag: HMAC-SHA-256, truncated as RFC 2104 (section 5) allows.
const TAG: usize = 16;

/// Seals with the key of one server.
#[derive(Clone)]
pub struct Sealer {
    codec: Arc<RequestStateCodec>,
    /// What cursors are signed with: never the key itself, which the codec has.
    cursors: Hmac<Sha256>,
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
        let own = Sha256::new().chain_update("cursors").chain_update(key).finalize();
        Self {
            codec: Arc::new(codec.expect("32 bytes are long enough for HMAC-SHA-256")),
            cursors: Hmac::new_from_slice(&own).expect("HMAC takes keys of any length"),
        }
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

impl Sealer {
    /// Signs a position: the second at which it expires, the tag, and the position itself.
    fn seal_cursor(&self, bond: &Bond, position: &Value, expires: u32) -> String {
        let position = position.to_string();
        let tag = self.tag(bond, expires, position.as_bytes()).finalize().into_bytes();
        let parts = [&expires.to_be_bytes(), &tag[..TAG], position.as_bytes()];
        URL_SAFE_NO_PAD.encode(parts.concat())
    }

    /// The position of a cursor; `None` when it is forged, foreign or too old.
    fn open_cursor(&self, bond: &Bond, cursor: &str, now: u32) -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (expires, rest) = bytes.split_first_chunk()?;
        let (tag, position) = rest.split_at_checked(TAG)?;
        let expires = u32::from_be_bytes(*expires);
        self.tag(bond, expires, position).verify_truncated_left(tag).ok()?;
        if now < expires { serde_json::from_slice(position).ok() } else { None }
    }

    fn tag(&self, bond: &Bond, expires: u32, position: &[u8]) -> Hmac<Sha256> {
        let mac = self.cursors.clone().chain_update(&bond.0);
        mac.chain_update(expires.to_be_bytes()).chain_update(position)
    }
}

/// Seconds since 1970.
fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
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
        let lifetime = u32::try_from(ANSWER_WITHIN.as_secs()).unwrap_or(u32::MAX);
        self.sealer.seal_cursor(&self.bond(), position, seconds().saturating_add(lifetime))
    }

    fn open(&self, cursor: &str) -> Result<Value, ToolError> {
        self.sealer.open_cursor(&self.bond(), cursor, seconds()).ok_or_else(|| {
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
    fn a_cursor_is_short_and_good_for_one_call_and_one_time() {
        let sealer = Sealer::new([7; 32]);
        let args = json!({"query": "x"});
        let ann = bond("ann", "t", &args);
        let position = json!({"from": 300});
        let cursor = sealer.seal_cursor(&ann, &position, 1_000);
        assert!(cursor.len() <= 44, "{cursor}");
        assert_eq!(sealer.open_cursor(&ann, &cursor, 999), Some(position));
        assert_eq!(sealer.open_cursor(&ann, &cursor, 1_000), None);
        for other in
            [bond("bob", "t", &args), bond("ann", "u", &args), bond("ann", "t", &json!({}))]
        {
            assert_eq!(sealer.open_cursor(&other, &cursor, 999), None);
        }
        assert_eq!(Sealer::new([8; 32]).open_cursor(&ann, &cursor, 999), None);
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(sealer.open_cursor(&ann, &damaged, 0), None, "{at}");
        }
        for cursor in ["", "A", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "é"] {
            assert_eq!(sealer.open_cursor(&ann, cursor, 0), None, "{cursor}");
        }
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
