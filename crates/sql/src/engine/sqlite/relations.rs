//! What may be read of the relations of one file: the rules of servers.toml, applied to the
//! tables and columns that are there.

use std::collections::HashMap;

use super::lexer;
use super::sources::{self, Source};
use crate::engine::Rules;
use crate::settings::Mask;

/// The beginning of every name that this server makes; no statement may use it.
const OWN: &str = "suite_mask_";

/// Relations that SQLite itself keeps, which are never for statements.
const RESERVED: &[&str] =
    &["dbstat", "fts3tokenize", "sqlite_dbdata", "sqlite_dbpage", "sqlite_dbptr"];

/// The relations and what is done with them.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// Whether any rule is set: then the catalogue is not for statements, either.
    pub(super) is_restricted: bool,
    /// By name in lower case.
    by_name: HashMap<String, Relation>,
    /// The beginning of the names of the views that read what is masked: not to be guessed.
    pub(super) own: String,
}

/// A table or view.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    /// As it is written in the schema.
    pub(super) name: String,
    /// The text of its CREATE VIEW, where it is one.
    pub(super) view: Option<String>,
    /// The table whose storage it is, as full text and geometry have.
    pub(super) shadows: Option<String>,
    /// In the table's order.
    pub(super) columns: Vec<String>,
    /// Whether the rules let it be read.
    pub(super) is_allowed: bool,
    /// What is done with its columns, by name in lower case.
    pub(super) masks: HashMap<String, Mask>,
}

impl Relations {
    /// Applies the rules to what is there. `nonce` is random.
    pub(super) fn new(rules: &Rules, found: Vec<Relation>, nonce: &str) -> Self {
        let is_restricted = is_restricted(rules);
        let mut by_name = HashMap::new();
        for mut relation in found {
            let lower = relation.name.to_ascii_lowercase();
            relation.is_allowed = may_read(rules, &lower);
            for column in &relation.columns {
                let column = column.to_ascii_lowercase();
                if let Some(mask) = mask_of(rules, &lower, &column) {
                    relation.masks.insert(column, mask);
                }
            }
            by_name.insert(lower, relation);
        }
        let mut relations = Self { is_restricted, by_name, own: format!("{OWN}{nonce}_") };
        relations.settle_shadows();
        relations.settle_views();
        relations
    }

    /// A view that reads what is hidden is hidden itself: it would be refused when it is read.
    fn settle_views(&mut self) {
        let views: Vec<(String, Vec<Source>)> = self
            .by_name
            .iter()
            .filter_map(|(name, relation)| {
                Some((name.clone(), sources_of(relation.view.as_ref()?)))
            })
            .collect();
        let is_closed = |relations: &Self, source: &Source| {
            relations.is_hidden(&source.name) || relations.is_reserved(&source.name)
        };
        loop {
            let hidden: Vec<&String> = views
                .iter()
                .filter(|(name, sources)| {
                    !self.is_hidden(name) && sources.iter().any(|source| is_closed(self, source))
                })
                .map(|(name, _)| name)
                .collect();
            if hidden.is_empty() {
                return;
            }
            for name in hidden {
                if let Some(view) = self.by_name.get_mut(name) {
                    view.is_allowed = false;
                }
            }
        }
    }

    /// The storage of a table is as visible as the table, and hidden where a column is masked.
    fn settle_shadows(&mut self) {
        let shadows: Vec<(String, String)> = self
            .by_name
            .iter()
            .filter_map(|(name, relation)| Some((name.clone(), relation.shadows.clone()?)))
            .collect();
        for (name, owner) in shadows {
            let owner = self.by_name.get(&owner.to_ascii_lowercase());
            let is_allowed = owner.is_some_and(|owner| owner.is_allowed && owner.masks.is_empty());
            if let Some(shadow) = self.by_name.get_mut(&name) {
                shadow.is_allowed = is_allowed;
            }
        }
    }

    pub(super) fn get(&self, lower: &str) -> Option<&Relation> {
        self.by_name.get(lower)
    }

    /// In the order of names, so that what is made from them is the same each time.
    pub(super) fn sorted(&self) -> Vec<&Relation> {
        let mut all: Vec<&Relation> = self.by_name.values().collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Whether something else is read wherever statements name it.
    pub(super) fn is_replaced(&self, lower: &str) -> bool {
        self.has_masks() && self.get(lower).is_some_and(Relation::is_replaced)
    }

    pub(super) fn has_masks(&self) -> bool {
        self.by_name.values().any(|relation| !relation.masks.is_empty())
    }

    /// Whether there is a column that the pattern of a mask means.
    pub(super) fn has_column(&self, pattern: &str) -> bool {
        self.by_name.iter().any(|(name, relation)| {
            let mut columns = relation.columns.iter();
            columns.any(|column| {
                matches(pattern, &format!("main.{name}.{}", column.to_ascii_lowercase()))
            })
        })
    }

    /// Whether the rules keep it from statements.
    pub(super) fn is_hidden(&self, lower: &str) -> bool {
        self.get(lower).is_some_and(|relation| !relation.is_allowed)
    }

    /// Whether the engine, or this server, keeps it from statements.
    pub(super) fn is_reserved(&self, lower: &str) -> bool {
        let is_catalogue = is_catalogue(lower);
        lower.starts_with(OWN)
            || lower.starts_with("pragma_")
            || lower.starts_with("sqlite_temp_")
            || RESERVED.contains(&lower)
            || (self.is_restricted && is_catalogue)
    }
}

impl Relation {
    /// Whether a view of this server's stands in its place.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_allowed && self.shadows.is_none() && (!self.masks.is_empty() || self.view.is_some())
    }
}

/// Why a name of the engine's own is refused.
pub(super) fn reserved_refusal(name: &str) -> String {
    format!(
        "`{name}` is the engine's own and is not for statements; sql_schema describes tables, columns and indexes."
    )
}

/// Why a relation that the rules hide is refused.
pub(super) fn hidden_refusal(name: &str) -> String {
    format!(
        "The rules of this database keep `{name}` from being read; sql_schema lists what may be read."
    )
}

/// Whether it is one of the catalogue's tables.
pub(super) fn is_catalogue(lower: &str) -> bool {
    const FUNCTIONS: [&str; 5] = [
        "sqlite_compileoption_get",
        "sqlite_compileoption_used",
        "sqlite_log",
        "sqlite_source_id",
        "sqlite_version",
    ];
    lower.starts_with("sqlite_") && !FUNCTIONS.contains(&lower)
}

fn sources_of(view: &str) -> Vec<Source> {
    let tokens: Vec<_> = lexer::tokens(view)
        .into_iter()
        .filter(|token| token.kind != lexer::Kind::Comment)
        .collect();
    sources::of(&tokens)
}

/// Whether any rule is set.
pub(super) fn is_restricted(rules: &Rules) -> bool {
    !(rules.allow.is_empty() && rules.deny.is_empty() && rules.mask.is_empty())
}

/// Whether the rules let a table of `main` be read.
pub(super) fn may_read(rules: &Rules, table: &str) -> bool {
    let name = format!("main.{}", table.to_ascii_lowercase());
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, &name));
    !any(&rules.deny) && (rules.allow.is_empty() || any(&rules.allow))
}

/// What the rules do with a column; the longest pattern wins.
pub(super) fn mask_of(rules: &Rules, table: &str, column: &str) -> Option<Mask> {
    let name = format!("main.{table}.{column}").to_ascii_lowercase();
    let matching = rules.mask.iter().filter(|(pattern, _)| matches(pattern, &name));
    matching.max_by_key(|(pattern, _)| pattern.len()).map(|(_, mask)| *mask)
}

/// Whether a pattern with `*` matches the whole of a name in lower case.
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_in_any_case() {
        let cases = [
            ("main.orders", "main.orders", true),
            ("Main.Orders", "main.orders", true),
            ("main.order", "main.orders", false),
            ("main.*", "main.orders", true),
            ("*.orders", "main.orders", true),
            ("main.o*r*", "main.orders", true),
            ("main.o*x*", "main.orders", false),
            ("*ab", "ab", true),
            ("a*a", "a", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_storage_of_a_masked_table_is_hidden() {
        let mut rules = Rules::default();
        rules.mask.insert("main.notes.body".to_owned(), Mask::Null);
        let relation = |name: &str, shadows: Option<&str>| Relation {
            name: name.to_owned(),
            shadows: shadows.map(str::to_owned),
            columns: vec!["Body".to_owned()],
            ..Relation::default()
        };
        let found = vec![
            relation("notes", None),
            relation("notes_content", Some("notes")),
            relation("free", None),
            relation("free_content", Some("free")),
        ];
        let relations = Relations::new(&rules, found, "n");
        assert!(relations.is_hidden("notes_content"));
        assert!(!relations.is_hidden("free_content"));
        assert!(relations.is_replaced("notes") && !relations.is_replaced("free"));
    }

    #[test]
    fn the_catalogue_is_open_only_without_rules() {
        let open = Relations::default();
        assert!(!open.is_reserved("sqlite_schema") && open.is_reserved("pragma_table_info"));
        let mut rules = Rules::default();
        rules.deny.push("main.x".to_owned());
        assert!(Relations::new(&rules, Vec::new(), "n").is_reserved("sqlite_schema"));
    }
}
