//! The server's own keys in `[servers.docs]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Which folders the documentation server answers from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The collections: each is one folder of approved documents, and one target of policy.
    #[schemars(length(min = 1, max = 100))]
    pub collections: Vec<CollectionSettings>,
}

/// One folder of approved documents.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollectionSettings {
    /// The name in addresses and in the `targets` of roles; unique.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z][a-z0-9-]*$"))]
    pub name: String,
    /// The folder, relative to servers.toml. Nothing outside it is read: symbolic links and names
    /// that begin with a dot are skipped.
    #[schemars(length(min = 1, max = 4096))]
    pub path: PathBuf,
    /// A title for people; the name, if absent.
    #[schemars(length(min = 1, max = 200))]
    pub title: Option<String>,
    /// Globs of the files to index, relative to the folder; `*` stays within one folder, `**`
    /// does not.
    #[serde(default = "included")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 400)))]
    pub include: Vec<String>,
    /// Globs of files to leave out, even where they are included.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 400)))]
    pub exclude: Vec<String>,
}

/// The formats that can be read.
fn included() -> Vec<String> {
    ["**/*.md", "**/*.markdown", "**/*.html", "**/*.htm", "**/*.txt"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use contract::schema;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_collection_needs_a_name_and_a_path_only() {
        let settings: Settings =
            serde_json::from_value(json!({"collections": [{"name": "a", "path": "docs"}]}))
                .expect("settings");
        assert_eq!(settings.collections[0].include, included());
        assert!(settings.collections[0].exclude.is_empty());
    }

    /// Every string and list of a schema has bounds, every field a description.
    fn unbounded(path: &str, schema: &Value, found: &mut Vec<String>) {
        if schema["type"] == "string" && schema.get("maxLength").is_none() {
            found.push(format!("{path}: maxLength"));
        }
        if schema["type"] == "array" {
            if schema.get("maxItems").is_none() {
                found.push(format!("{path}: maxItems"));
            }
            unbounded(&format!("{path}[]"), &schema["items"], found);
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            if inner.get("description").is_none() {
                found.push(format!("{path}.{name}: description"));
            }
            unbounded(&format!("{path}.{name}"), inner, found);
        }
    }

    #[test]
    fn every_setting_is_bounded_and_described() {
        let mut found = Vec::new();
        unbounded("docs", &schema::of::<Settings>(), &mut found);
        assert_eq!(found, [""; 0]);
    }
}
