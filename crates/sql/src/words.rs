//! Finding tables by words: in names, columns, labels and comments, the best first.
//!
//! Words are compared in lower case, and a plural finds its singular. A word that occurs nowhere
//! is compared with the words that do, so that a slip still finds something.

use std::collections::HashMap;

use crate::schema::{Schema, Table};

/// A table that was found.
#[derive(Debug, PartialEq)]
pub(crate) struct Found {
    /// Its place in [`Schema::tables`].
    pub(crate) table: usize,
    /// The places of the columns that say one of the words.
    pub(crate) columns: Vec<usize>,
    /// How well it fits; more is better.
    score: f64,
}

/// How much a word counts where it stands.
const IN_NAME: f64 = 10.0;
const IN_COLUMN: f64 = 4.0;
const IN_COMMENT: f64 = 3.0;
/// What a word counts that only begins with, or contains, the word that was asked for.
const BEGINNING: f64 = 0.6;
const WITHIN: f64 = 0.3;
/// How alike two words must be for one to be a slip of the other.
const ALIKE: f64 = 0.84;

/// The tables that say some of the words; those that say more of them, and rarer ones, first.
pub(crate) fn find(schema: &Schema, query: &str) -> Vec<Found> {
    let texts: Vec<Texts> = schema.tables.iter().map(|table| Texts::of(schema, table)).collect();
    let mut wanted = split(query);
    wanted.sort_unstable();
    wanted.dedup();
    for word in &mut wanted {
        if let Some(meant) = slip(word, &texts) {
            *word = meant;
        }
    }
    let mut found: HashMap<usize, Found> = HashMap::new();
    for word in &wanted {
        let hits: Vec<(usize, Hit)> = texts
            .iter()
            .enumerate()
            .filter_map(|(table, texts)| Some((table, texts.hit(word)?)))
            .collect();
        // The rarer a word, the more it says (inverse document frequency).
        let rarity = (1.0 + count(texts.len()) / count(hits.len())).ln();
        for (table, hit) in hits {
            let entry =
                found.entry(table).or_insert(Found { table, columns: Vec::new(), score: 0.0 });
            entry.score += hit.weight * rarity;
            entry.columns.extend(hit.columns);
        }
    }
    let mut found: Vec<Found> = found.into_values().collect();
    for one in &mut found {
        one.columns.sort_unstable();
        one.columns.dedup();
    }
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.table.cmp(&b.table)));
    found
}

#[expect(clippy::cast_precision_loss, reason = "a weight, not a count")]
fn count(tables: usize) -> f64 {
    tables as f64
}

/// The words of one table.
struct Texts {
    name: Vec<String>,
    columns: Vec<Vec<String>>,
    comment: Vec<String>,
    column_comments: Vec<Vec<String>>,
}

/// Where a word was found in a table.
struct Hit {
    weight: f64,
    columns: Vec<usize>,
}

impl Texts {
    fn of(schema: &Schema, table: &Table) -> Self {
        let mut name = split(&table.name);
        if table.schema != schema.home {
            name.extend(split(&table.schema));
        }
        let labels = |type_name: &str| {
            let plain = type_name.trim_end_matches("[]");
            let one = schema.enums.iter().find(|one| one.name == plain);
            one.into_iter().flat_map(|one| one.labels.iter().flat_map(|label| split(label)))
        };
        let comments = table.columns.iter().map(|column| {
            let mut words = split(column.comment.as_deref().unwrap_or_default());
            words.extend(labels(&column.type_name));
            words
        });
        Self {
            name,
            columns: table.columns.iter().map(|column| split(&column.name)).collect(),
            comment: split(table.comment.as_deref().unwrap_or_default()),
            column_comments: comments.collect(),
        }
    }

    fn hit(&self, word: &str) -> Option<Hit> {
        let mut weight = best(&self.name, word) * IN_NAME;
        weight = weight.max(best(&self.comment, word) * IN_COMMENT);
        let mut columns = Vec::new();
        let named = self.columns.iter().zip(&self.column_comments).enumerate();
        for (place, (name, comment)) in named {
            let own = (best(name, word) * IN_COLUMN).max(best(comment, word) * IN_COMMENT);
            if own > 0.0 {
                columns.push(place);
            }
            weight = weight.max(own);
        }
        (weight > 0.0).then_some(Hit { weight, columns })
    }

    fn words(&self) -> impl Iterator<Item = &String> {
        let columns = self.columns.iter().chain(&self.column_comments).flatten();
        self.name.iter().chain(&self.comment).chain(columns)
    }
}

/// How well the best of some words fits; 0 where none does.
fn best(words: &[String], wanted: &str) -> f64 {
    let fit = |word: &String| {
        if word == wanted {
            1.0
        } else if wanted.chars().count() < 3 {
            0.0
        } else if word.starts_with(wanted) {
            BEGINNING
        } else if word.contains(wanted) {
            WITHIN
        } else {
            0.0
        }
    };
    words.iter().map(fit).fold(0.0, f64::max)
}

/// The word that was meant, where the one that was asked for occurs nowhere.
fn slip(word: &str, texts: &[Texts]) -> Option<String> {
    let mut nearest: Option<(f64, &String)> = None;
    for known in texts.iter().flat_map(Texts::words) {
        if known.contains(word) {
            return None;
        }
        let alike = strsim::jaro_winkler(known, word);
        if alike >= ALIKE && nearest.is_none_or(|(other, _)| alike > other) {
            nearest = Some((alike, known));
        }
    }
    nearest.map(|(_, known)| known.clone())
}

/// Lower-case words: `CustomerOrders` and `customer_orders` are the same two, in the singular.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut was_lower = false;
    for c in text.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.extend(singular(&word));
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.extend(singular(&word));
    words
}

/// The singular of an English word, as far as the ending shows it.
fn singular(word: &str) -> Option<String> {
    if word.is_empty() {
        return None;
    }
    let stem = if word.len() < 4 || word.ends_with("ss") || word.ends_with("us") {
        word.to_owned()
    } else if let Some(stem) = word.strip_suffix("ies") {
        format!("{stem}y")
    } else if ["ches", "shes", "xes", "sses"].iter().any(|ending| word.ends_with(ending)) {
        word.strip_suffix("es").unwrap_or(word).to_owned()
    } else {
        word.strip_suffix('s').unwrap_or(word).to_owned()
    };
    Some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, table};
    use crate::schema::{Enumeration, TableColumn};

    fn sample() -> Schema {
        let mut addresses = table("crm", "CustomerAddresses");
        addresses.columns = vec![column("id", "bigint", false), column("zip", "text", true)];
        let mut orders = table("public", "orders");
        let customer = column("customer_id", "bigint", false);
        orders.columns = vec![column("id", "bigint", false), customer, column("st", "state", true)];
        orders.comment = Some("What people bought".to_owned());
        let mut tickets = table("public", "tickets");
        let told = Some("who told us: the customer or somebody else".to_owned());
        tickets.columns = vec![TableColumn { comment: told, ..column("reporter", "text", true) }];
        let state = Enumeration {
            schema: "public".into(),
            name: "state".into(),
            labels: vec!["shipped".into()],
        };
        let tables = vec![addresses, orders, tickets];
        Schema { home: "public".into(), tables, enums: vec![state] }
    }

    fn check(query: &str, expected: &[(&str, &[&str])]) {
        let schema = sample();
        let found: Vec<(&str, Vec<&str>)> = find(&schema, query)
            .iter()
            .map(|found| {
                let table = &schema.tables[found.table];
                let columns = found.columns.iter();
                (table.name.as_str(), columns.map(|&at| table.columns[at].name.as_str()).collect())
            })
            .collect();
        let expected: Vec<(&str, Vec<&str>)> =
            expected.iter().map(|(table, columns)| (*table, columns.to_vec())).collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn names_count_more_than_columns_and_columns_more_than_comments() {
        check(
            "customer",
            &[("CustomerAddresses", &[]), ("orders", &["customer_id"]), ("tickets", &["reporter"])],
        );
    }

    #[test]
    fn plurals_beginnings_labels_and_slips_find_their_word() {
        check("Address", &[("CustomerAddresses", &[])]);
        check("addr", &[("CustomerAddresses", &[])]);
        check("order", &[("orders", &[])]);
        check("bought", &[("orders", &[])]);
        check("shipped", &[("orders", &["st"])]);
        check("adresses", &[("CustomerAddresses", &[])]);
        check("crm", &[("CustomerAddresses", &[])]);
        check("zzz", &[]);
        check("", &[]);
    }

    #[test]
    fn more_words_are_better() {
        check(
            "customers who ordered",
            &[("orders", &["customer_id"]), ("CustomerAddresses", &[]), ("tickets", &["reporter"])],
        );
    }

    #[test]
    fn words_are_split_where_they_begin() {
        assert_eq!(split("customerID, HTTPServer_x9"), ["customer", "id", "httpserver", "x9"]);
        assert_eq!(
            split("categories boxes status class bus"),
            ["category", "box", "status", "class", "bus"]
        );
    }
}
