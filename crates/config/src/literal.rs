//! Finding secrets that were written where only a reference may stand.

use serde_json::Value;

/// Ends of a key that say its value is a secret.
const WORDS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key"];

/// What to write instead.
const REMEDY: &str = "a secret is never written here; name where it is: { env = \"NAME\" }, \
    { file = \"/run/secrets/name\" } or { credential = \"name\" }";

/// JSON Pointers of literal secrets, each with what to write instead. The text never repeats the
/// secret.
pub(crate) fn find(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(value, "", None, &mut found);
    found
}

fn walk(value: &Value, at: &str, key: Option<&str>, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            let reference = fields.len() == 1
                && fields.keys().all(|name| matches!(name.as_str(), "env" | "file" | "credential"));
            for (name, value) in fields {
                // What a header holds is a credential more often than not, whatever its name.
                let is_header = at.ends_with("/headers");
                let name_or_kind = if is_header { "secret" } else { name.as_str() };
                let key = if reference { None } else { Some(name_or_kind) };
                walk(value, &format!("{at}/{}", crate::escape(name)), key, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{index}"), key, found);
            }
        }
        Value::String(text) => {
            let named = key.is_some_and(|key| {
                let key = key.to_lowercase();
                let key = key.strip_suffix('s').unwrap_or(&key);
                WORDS.iter().any(|word| key.ends_with(word))
            });
            if named {
                found.push((at.to_owned(), REMEDY.to_owned()));
            } else if has_password(text) {
                let message = format!("the address holds a password. {REMEDY}");
                found.push((at.to_owned(), message));
            }
        }
        _ => {}
    }
}

/// Whether a text is a URL with a password before its host (RFC 3986 userinfo).
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((userinfo, _)) = authority.rsplit_once('@') else { return false };
    userinfo.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value, expected: &[&str]) {
        let found = find(&value);
        let pointers: Vec<&str> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, expected, "{value}");
        assert!(found.iter().all(|(_, message)| !message.contains("hunter2")), "{found:?}");
    }

    #[test]
    fn a_literal_is_found_and_not_repeated() {
        check(json!({"a": {"password": "hunter2"}}), &["/a/password"]);
        check(json!({"db_password": "hunter2"}), &["/db_password"]);
        check(json!({"API_KEY": "hunter2"}), &["/API_KEY"]);
        check(json!({"tokens": ["hunter2"]}), &["/tokens/0"]);
        check(json!({"headers": {"x-key": "hunter2"}}), &["/headers/x-key"]);
        check(json!({"url": "postgres://me:hunter2@db/x"}), &["/url"]);
    }

    #[test]
    fn a_reference_and_a_plain_address_are_fine() {
        check(
            json!({"password": {"env": "DB_TOKEN"}, "token": {"file": "/run/secrets/token"}}),
            &[],
        );
        check(json!({"password": {"credential": "secret-name"}}), &[]);
        check(json!({"headers": {"x-key": {"env": "KEY"}}}), &[]);
        check(json!({"url": "postgres://me@db/x", "site": "https://a.example/b:c@d"}), &[]);
        check(json!({"max_tokens": 5, "token_endpoint": "https://idp.example/token"}), &[]);
    }
}
