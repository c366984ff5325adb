//! The leanest list of tables: names only, grouped by schema, common beginnings written once.
//!
//! `sales_{customers orders}` stands for two tables, `log_{2024_01…2024_12 (12)}` for twelve, and
//! `{crm sales}_{notes orders}` for four. Names are parted by spaces, since most words with a space
//! before them are one token.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, HashMap};

use crate::schema::{Schema, Table, TableKind};

/// Several tables that are listed together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The heading it stands under: the schema and what kind of tables they are.
    pub(crate) heading: String,
    /// The names.
    pub(crate) text: String,
    /// How many tables they are.
    pub(crate) tables: usize,
}

/// The most names that share one beginning in an entry, so that every entry fits a page.
const MOST: usize = 200;
/// As many names that differ in their digits only are shown as the first and the last.
const RUN: usize = 5;
/// How many of the largest tables are named with their rows.
const LARGEST: usize = 5;
/// Tables with fewer rows are not worth a warning.
const LARGE: u64 = 10_000;

/// The tables in the order of schemas: tables first, then views.
pub(crate) fn entries(schema: &Schema) -> Vec<Entry> {
    let mut groups: BTreeMap<(&str, bool), Vec<&Table>> = BTreeMap::new();
    for table in &schema.tables {
        let is_view = matches!(table.kind, TableKind::View | TableKind::Materialized);
        groups.entry((table.schema.as_str(), is_view)).or_default().push(table);
    }
    let mut entries = Vec::new();
    for ((schema, is_view), tables) in groups {
        let heading = if is_view { format!("{schema} views:") } else { format!("{schema}:") };
        let names: Vec<String> = tables.iter().map(|table| quoted(&table.name)).collect();
        entries.extend(pairs(fold(&runs(&names))).iter().map(|group| Entry {
            heading: heading.clone(),
            text: group.text(),
            tables: group.tables(),
        }));
    }
    entries
}

/// Puts an entry behind those before it.
pub(crate) fn append(text: &mut String, before: Option<&Entry>, entry: &Entry) {
    if before.is_none_or(|before| before.heading != entry.heading) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&entry.heading);
    }
    text.push(' ');
    text.push_str(&entry.text);
}

/// The largest tables with their rows, such as `largest: events ~1.2G, orders ~30M`; `None` where
/// none is large.
pub(crate) fn largest(schema: &Schema) -> Option<String> {
    let mut large: Vec<(&Table, u64)> = schema
        .tables
        .iter()
        .filter_map(|table| Some((table, table.rows.filter(|rows| *rows >= LARGE)?)))
        .collect();
    large.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    let shown: Vec<String> = large
        .iter()
        .take(LARGEST)
        .map(|(table, rows)| format!("{} ~{}", name(schema, table), short(*rows)))
        .collect();
    (!shown.is_empty()).then(|| format!("largest: {}", shown.join(", ")))
}

/// The name as a statement needs it: with its schema where that is not the home.
pub(crate) fn name(schema: &Schema, table: &Table) -> String {
    qualified(&schema.home, &table.schema, &table.name)
}

/// `schema.name`, or the name alone where the schema is the home.
pub(crate) fn qualified(home: &str, schema: &str, name: &str) -> String {
    if schema == home { quoted(name) } else { format!("{}.{}", quoted(schema), quoted(name)) }
}

/// A name, in double quotes where it would not be seen to be one word.
pub(crate) fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A count in at most four characters: `987`, `1.2k`, `34M`.
pub(crate) fn short(count: u64) -> String {
    let mut unit = 1_u64;
    for (letter, next) in [("", 1_000), ("k", 1_000), ("M", 1_000), ("G", 1_000), ("T", 1_000)] {
        let whole = count / unit;
        if whole < next || letter == "T" {
            let tenths = count % unit * 10 / unit;
            return if unit > 1 && whole < 10 && tenths > 0 {
                format!("{whole}.{tenths}{letter}")
            } else {
                format!("{whole}{letter}")
            };
        }
        unit = unit.saturating_mul(1_000);
    }
    count.to_string()
}

/// What is shown, how many names it stands for.
type Shown = (String, usize);

/// Names that differ in their digits only become one.
fn runs(names: &[String]) -> Vec<Shown> {
    let pattern = |name: &str| -> String {
        name.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
    };
    let mut shown = Vec::new();
    let alike =
        names.chunk_by(|a, b| a.contains(|c: char| c.is_ascii_digit()) && pattern(a) == pattern(b));
    for run in alike {
        match run {
            [first, .., last] if run.len() >= RUN => {
                let stem = common(first, last);
                let (head, from) = first.split_at(stem);
                let to = last.get(stem..).unwrap_or_default();
                shown.push((format!("{head}{{{from}…{to} ({})}}", run.len()), run.len()));
            }
            _ => shown.extend(run.iter().map(|name| (name.clone(), 1))),
        }
    }
    shown
}

/// Names that begin alike: every beginning with every ending.
#[derive(Debug)]
struct Group {
    /// With a `_` at their ends; one that is empty where there is nothing to share.
    beginnings: Vec<String>,
    endings: Vec<Shown>,
}

impl Group {
    fn tables(&self) -> usize {
        self.beginnings.len() * self.endings.iter().map(|(_, tables)| tables).sum::<usize>()
    }

    fn text(&self) -> String {
        let endings: Vec<&str> = self.endings.iter().map(|(name, _)| name.as_str()).collect();
        match self.beginnings.as_slice() {
            [none] if none.is_empty() => endings.join(" "),
            [one] => format!("{one}{{{}}}", endings.join(" ")),
            several => {
                let words: Vec<&str> =
                    several.iter().map(|beginning| beginning.trim_end_matches('_')).collect();
                format!("{{{}}}_{{{}}}", words.join(" "), endings.join(" "))
            }
        }
    }
}

/// Whether an entry stands for every pair of two lists of words.
pub(crate) fn is_of_pairs(entry: &Entry) -> bool {
    // A name that begins like this is in quotes.
    entry.text.starts_with('{')
}

/// Groups with the same endings become one, at the place of the first.
fn pairs(groups: Vec<Group>) -> Vec<Group> {
    let mut paired: Vec<Group> = Vec::new();
    let mut places: HashMap<Vec<Shown>, usize> = HashMap::new();
    for group in groups {
        let is_whole_word =
            |beginning: &String| beginning.ends_with('_') && !beginning.ends_with("__");
        if !group.beginnings.iter().all(is_whole_word) {
            paired.push(group);
            continue;
        }
        match places.entry(group.endings.clone()) {
            Occupied(place) => {
                if let Some(first) = paired.get_mut(*place.get()) {
                    first.beginnings.extend(group.beginnings);
                }
            }
            Vacant(place) => {
                place.insert(paired.len());
                paired.push(group);
            }
        }
    }
    paired
}

/// Names with the same first word become one group.
fn fold(names: &[Shown]) -> Vec<Group> {
    let mut folded = Vec::new();
    for group in names.chunk_by(|(a, _), (b, _)| {
        stem(a).is_some_and(|stem| b.starts_with(stem) && !a.contains('"') && !b.contains('"'))
    }) {
        for part in group.chunks(MOST) {
            folded.extend(braced(part));
        }
    }
    folded
}

/// `a_b a_c` as `a_` with `b` and `c`, where it saves something.
fn braced(group: &[Shown]) -> Vec<Group> {
    let ([(first, _), ..], [.., (last, _)]) = (group, group) else { return Vec::new() };
    let prefix = &first[..common(first, last)];
    // Sorted names: what the first and the last share, all share. Cut where a word ends.
    let prefix = prefix.split('{').next().unwrap_or_default();
    let prefix = prefix.rfind('_').map_or("", |at| &prefix[..=at]);
    if group.len() < 2 || prefix.len() < 3 {
        let alone =
            |name: &Shown| Group { beginnings: vec![String::new()], endings: vec![name.clone()] };
        return group.iter().map(alone).collect();
    }
    let ending =
        |(name, tables): &Shown| (name.get(prefix.len()..).unwrap_or_default().to_owned(), *tables);
    let endings = group.iter().map(ending).collect();
    vec![Group { beginnings: vec![prefix.to_owned()], endings }]
}

/// The first word of a name and the `_` behind it.
fn stem(name: &str) -> Option<&str> {
    let at = name.find('_').filter(|at| *at > 0)?;
    name.get(..=at)
}

/// How many bytes two names have in common, at the boundary of a character.
fn common(a: &str, b: &str) -> usize {
    a.char_indices()
        .zip(b.chars())
        .find(|((_, a), b)| a != b)
        .map_or_else(|| a.len().min(b.len()), |((at, _), _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{large, table};

    fn shown(names: &[&str]) -> String {
        let tables = names.iter().map(|name| table("public", name)).collect();
        text(&Schema { home: "public".into(), tables, enums: Vec::new() })
    }

    fn text(schema: &Schema) -> String {
        let (mut text, mut before) = (String::new(), None);
        for entry in &entries(schema) {
            append(&mut text, before, entry);
            before = Some(entry);
        }
        text
    }

    fn check(names: &[&str], expected: &str) {
        assert_eq!(shown(names), format!("public: {expected}"));
    }

    #[test]
    fn common_beginnings_are_written_once() {
        check(&["customer", "order"], "customer order");
        check(&["customer", "customer_note", "customer_tag"], "customer customer_{note tag}");
        check(&["a_b_c_d", "a_b_c_e"], "a_b_c_{d e}");
        check(&["sales_order", "sales_order_line"], "sales_{order order_line}");
        check(&["x_one"], "x_one");
        check(&["_a_b", "_a_c"], "_a_b _a_c");
        check(&["größe_a", "größe_b", "größen"], "größe_{a b} größen");
    }

    #[test]
    fn common_endings_are_written_once() {
        check(
            &[
                "crm_notes",
                "crm_orders",
                "crm_orders_1",
                "hr_x",
                "shop_notes",
                "shop_orders",
                "shop_orders_1",
            ],
            "{crm shop}_{notes orders orders_1} hr_x",
        );
        check(&["ab_c", "ab_d", "ab_x_c", "ab_x_d"], "ab_{c d x_c x_d}");
        check(&["it_a", "it_b", "my_a", "my_c"], "it_{a b} my_{a c}");
        check(&["it__a", "it__b", "my__a", "my__b"], "it__{a b} my__{a b}");
    }

    #[test]
    fn names_that_differ_in_digits_are_the_first_and_the_last() {
        let months: Vec<String> = (1..=12).map(|month| format!("log_2024_{month:02}")).collect();
        let months: Vec<&str> = months.iter().map(String::as_str).collect();
        check(&months, "log_2024_{01…12 (12)}");
        check(&["t1", "t2", "t3", "t4"], "t1 t2 t3 t4");
        let mut with_others = months.clone();
        with_others.push("log_kinds");
        check(&with_others, "log_{2024_{01…12 (12)} kinds}");
    }

    #[test]
    fn unusual_names_are_quoted() {
        check(&["a b", "a_\"c", "a_d"], "\"a b\" \"a_\"\"c\" a_d");
        check(&[""], "\"\"");
    }

    #[test]
    fn views_and_schemas_have_their_own_lines() {
        let mut view = table("public", "totals");
        view.kind = TableKind::View;
        let tables = vec![table("crm", "lead"), table("public", "orders"), view];
        let schema = Schema { home: "public".into(), tables, enums: Vec::new() };
        assert_eq!(text(&schema), "crm: lead\npublic: orders\npublic views: totals");
    }

    #[test]
    fn every_table_is_counted_once() {
        let names: Vec<String> =
            (0..1_000).map(|n| format!("t_{}{n}", "abc".repeat(n % 7))).collect();
        let mut sorted: Vec<&str> = names.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let tables = sorted.iter().map(|name| table("s", name)).collect();
        let entries = entries(&Schema { home: "s".into(), tables, enums: Vec::new() });
        assert_eq!(entries.iter().map(|entry| entry.tables).sum::<usize>(), 1_000);
        assert!(entries.iter().all(|entry| entry.text.len() < 8_000));
    }

    #[test]
    fn rows_are_short() {
        let expected = ["0", "999", "1k", "1.5k", "10k", "999k", "1M", "12G", "3T", "5000T"];
        let counts = [
            0,
            999,
            1_000,
            1_599,
            10_999,
            999_999,
            1_000_000,
            12_000_000_000,
            3_000_000_000_000,
            5_000_000_000_000_000,
        ];
        assert_eq!(counts.map(short), expected);
    }

    #[test]
    fn the_largest_tables_are_named_with_their_rows() {
        let mut schema = Schema { home: "public".into(), ..Schema::default() };
        assert_eq!(largest(&schema), None);
        for (name, rows) in [("a", 5), ("b", 20_000), ("c", 3_400_000)] {
            schema.tables.push(Table { rows: Some(rows), ..table("s", name) });
        }
        assert_eq!(largest(&schema).as_deref(), Some("largest: s.c ~3.4M, s.b ~20k"));
    }

    #[test]
    fn two_hundred_tables_are_few_tokens() {
        let text = text(&large());
        assert!(text.len() <= 300, "{} bytes: {text}", text.len());
        // Also where every area has a table that no other has: 240 o200k tokens, since words
        // with a space before them are mostly one token.
        let mut uneven = large();
        for (index, one) in uneven.tables.iter_mut().enumerate().step_by(20) {
            one.name = format!("{}_{index}", one.name);
        }
        let text = self::text(&uneven);
        assert!(text.len() <= 1_950, "{} bytes: {text}", text.len());
    }
}
