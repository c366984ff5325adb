//! What no type can state about the settings: checked at start, told with the remedy.

use contract::StartError;
use contract::schema::unknown;

use super::{DatabaseSettings, QuerySettings, Settings};

/// Names that tools of the server have already, without `sql_`.
const TAKEN: &[&str] = &["query", "schema", "explain", "profile", "check", "result"];

/// What is wrong with a key, without `servers.sql.` before it.
fn fault(key: &str, text: &str) -> StartError {
    StartError::new(format!("{key}: {text}"))
}

impl Settings {
    /// Checks names, patterns and references. Addresses are checked where databases are opened.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if self.databases.is_empty() {
            return Err(fault("databases", "there is none; add a table with its `url`"));
        }
        for (id, database) in &self.databases {
            if !is_id(id) {
                return Err(fault(
                    &format!("databases.{id}"),
                    "an id is 1 to 40 of a-z, 0-9, `-` and `_`, beginning with a letter; rename it",
                ));
            }
            database
                .check()
                .map_err(|(key, text)| fault(&format!("databases.{id}.{key}"), &text))?;
        }
        for (name, query) in &self.queries {
            self.check_query(name, query)
                .map_err(|(key, text)| fault(&format!("queries.{name}{key}"), &text))?;
        }
        Ok(())
    }

    fn check_query(&self, name: &str, query: &QuerySettings) -> Result<(), Wrong> {
        let wrong = |text: &str| Err((String::new(), text.to_owned()));
        let is_name = is_id(name) && !name.contains('-');
        if !is_name {
            return wrong(
                "a name is 1 to 40 of a-z, 0-9 and `_`, beginning with a letter; rename it",
            );
        }
        if TAKEN.contains(&name) {
            return wrong("a tool of the server has that name already; rename it");
        }
        if !self.databases.contains_key(&query.database) {
            let known: Vec<String> = self.databases.keys().cloned().collect();
            return Err((".database".to_owned(), unknown(&query.database, &known)));
        }
        Ok(())
    }
}

/// A key and what is wrong with it.
type Wrong = (String, String);

impl DatabaseSettings {
    fn check(&self) -> Result<(), Wrong> {
        let wrong = |key: &str, text: String| Err((key.to_owned(), text));
        for (key, patterns) in [("allow", &self.allow), ("deny", &self.deny)] {
            if let Some(pattern) = patterns.iter().find(|pattern| !has_parts(pattern, 2)) {
                return wrong(
                    key,
                    format!(
                        "`{pattern}` is no pattern; write it like `public.orders` or `public.*`"
                    ),
                );
            }
        }
        if let Some(column) = self.mask.keys().find(|column| !has_parts(column, 3)) {
            return wrong(
                "mask",
                format!("`{column}` is no column; write it like `public.customers.email`"),
            );
        }
        if let Some(name) = self.functions.iter().find(|name| !has_parts(name, 2)) {
            return wrong(
                "functions",
                format!("`{name}` is no function; write it like `public.tax_of`"),
            );
        }
        if let Some(name) = self.session.keys().find(|name| !is_variable(name)) {
            return wrong(
                "session",
                format!(
                    "`{name}` is no session variable; write it like `app.user` (PostgreSQL) or `@app_user` (MySQL)"
                ),
            );
        }
        Ok(())
    }
}

fn is_id(name: &str) -> bool {
    name.len() <= 40
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// Whether a pattern has so many parts between dots, none of them empty.
fn has_parts(pattern: &str, parts: usize) -> bool {
    let is_plain = |part: &str| !part.trim().is_empty() && !part.chars().any(char::is_control);
    pattern.split('.').count() == parts && pattern.split('.').all(is_plain)
}

fn is_variable(name: &str) -> bool {
    let name = name.strip_prefix('@').unwrap_or(name);
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    name.len() <= 60 && name.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(settings: Value, expected: &str) {
        let settings: Settings = serde_json::from_value(settings).expect("settings");
        let found = settings.check().err().map(|error| error.to_string());
        assert_eq!(found.unwrap_or_default(), expected);
    }

    fn one(id: &str, extra: Value) -> Value {
        let mut database = json!({"url": "sqlite:a.db"});
        for (key, value) in extra.as_object().expect("a table") {
            database[key] = value.clone();
        }
        json!({"databases": {id: database}})
    }

    fn query(name: &str, database: &str) -> Value {
        json!({
            "databases": {"sales": {"url": "sqlite:a.db"}, "stock": {"url": "sqlite:b.db"}},
            "queries": {name: {"database": database, "purpose": "Counts orders.", "statement": "SELECT 1"}},
        })
    }

    #[test]
    fn names_are_checked() {
        check(json!({"databases": {}}), "databases: there is none; add a table with its `url`");
        check(one("sales-2", json!({})), "");
        for id in ["Sales", "2sales", "a b", "größe", ""] {
            let expected =
                "an id is 1 to 40 of a-z, 0-9, `-` and `_`, beginning with a letter; rename it";
            check(one(id, json!({})), &format!("databases.{id}: {expected}"));
        }
        check(query("orders_of_customer", "sales"), "");
        check(
            query("orders-of", "sales"),
            "queries.orders-of: a name is 1 to 40 of a-z, 0-9 and `_`, beginning with a letter; rename it",
        );
        check(
            query("check", "sales"),
            "queries.check: a tool of the server has that name already; rename it",
        );
        check(
            query("orders", "sale"),
            "queries.orders.database: `sale` is unknown; did you mean `sales`?",
        );
    }

    #[test]
    fn patterns_are_checked() {
        check(one("a", json!({"allow": ["main.*"], "deny": ["*.secret_*"]})), "");
        check(
            one("a", json!({"allow": ["orders"]})),
            "databases.a.allow: `orders` is no pattern; write it like `public.orders` or `public.*`",
        );
        check(
            one("a", json!({"deny": ["a.b.c"]})),
            "databases.a.deny: `a.b.c` is no pattern; write it like `public.orders` or `public.*`",
        );
        check(
            one("a", json!({"mask": {"customers.email": "hash"}})),
            "databases.a.mask: `customers.email` is no column; write it like `public.customers.email`",
        );
        check(
            one("a", json!({"functions": ["tax"]})),
            "databases.a.functions: `tax` is no function; write it like `public.tax_of`",
        );
        check(one("a", json!({"session": {"app.user": "subject", "@who": "identity"}})), "");
        check(
            one("a", json!({"session": {"app.user'; x": "subject"}})),
            "databases.a.session: `app.user'; x` is no session variable; write it like `app.user` \
             (PostgreSQL) or `@app_user` (MySQL)",
        );
    }
}
