//! What an operator should know about a database: what its credential may do, and which columns
//! are likely to be about people and shown as they are.
//!
//! It warns and decides nothing: names can mislead, and a sample is a sample.

mod names;
mod values;

use std::fmt;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use contract::{Finding, ToolError, Weight};

use crate::database::{Ask, Database};
use crate::profile::everything;
use crate::rows::Rows;
use crate::schema::{Schema, Table, TableColumn};

/// How many rows of a table are looked at.
const SAMPLE: usize = 50;
/// The most bytes of a value that are looked at.
const CELL: usize = 200;
/// The most tables whose rows are looked at; of the others only names are.
const TABLES: usize = 200;
/// The most columns that are listed; the others are counted.
const LISTED: usize = 40;
/// How long the rows of one database are looked at.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a column may say about people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Email,
    Phone,
    Name,
    Address,
    Birth,
    NationalId,
    Bank,
    Card,
    Health,
    Belief,
    Pay,
    Credential,
    Ip,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Email => "e-mail address",
            Kind::Phone => "phone number",
            Kind::Name => "name of a person",
            Kind::Address => "postal address",
            Kind::Birth => "date of birth",
            Kind::NationalId => "number of a person",
            Kind::Bank => "bank account",
            Kind::Card => "payment card",
            Kind::Health => "health",
            Kind::Belief => "belief or origin",
            Kind::Pay => "pay",
            Kind::Credential => "credential",
            Kind::Ip => "network address",
        })
    }
}

/// A column that is likely to be about people, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suspect {
    column: String,
    kind: Kind,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Name,
    Comment,
    /// How many of how many values.
    Values(usize, usize),
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}: ", self.column, self.kind)?;
        match self.why {
            Why::Name => f.write_str("its name)"),
            Why::Comment => f.write_str("its comment)"),
            Why::Values(hits, all) => write!(f, "{hits} of {all} values)"),
        }
    }
}

/// Everything there is to say about one database.
pub(crate) async fn examine(database: &Database) -> Vec<Finding> {
    let mut findings = vec![credential(database).await];
    if findings.iter().all(|finding| finding.weight != Weight::Fault) {
        findings.extend(people(database).await);
    }
    findings
}

/// What the credential may do.
async fn credential(database: &Database) -> Finding {
    let id = &database.id;
    let vetted = match database.vet().await {
        Ok(vetted) => vetted,
        Err(error) => return unreachable(id, &error),
    };
    let mut kinds: Vec<String> =
        database.too_much(&vetted).iter().map(|excess| format!("\"{}\"", excess.kind)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let what: Vec<&str> = vetted.excess.iter().map(|excess| excess.what.as_str()).collect();
    let server = &vetted.server;
    if what.is_empty() {
        return Finding {
            weight: Weight::Note,
            what: format!("{id}: {server}; the credential may do no more than read"),
            remedy: String::new(),
        };
    }
    let what = format!("{id}: {server}; the credential may do more than read: {}", listed(&what));
    let weight = if kinds.is_empty() { Weight::Warning } else { Weight::Fault };
    let mut remedy = format!("give it one that may not:\n{}", vetted.remedy.trim_end());
    if vetted.remedy.is_empty() {
        "give it one that may not".clone_into(&mut remedy);
    }
    if !kinds.is_empty() {
        let kinds = kinds.join(", ");
        let _ = write!(remedy, "\nor, in [servers.sql.databases.{id}]: accept = [{kinds}]");
    }
    Finding { weight, what, remedy }
}

fn unreachable(id: &str, error: &ToolError) -> Finding {
    let detail = error.log.as_deref().map(|log| format!(" ({log})")).unwrap_or_default();
    Finding {
        weight: Weight::Fault,
        what: format!("{id}: {}{detail}", error.text()),
        remedy: "see that the database runs, and that `url`, `password` and `tls` are right"
            .to_owned(),
    }
}

fn listed(what: &[&str]) -> String {
    let shown = what.iter().take(LISTED).copied().collect::<Vec<_>>().join("; ");
    match what.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Which columns are likely to be about people.
async fn people(database: &Database) -> Vec<Finding> {
    let id = &database.id;
    let schema = match database.schema_for_nobody().await {
        Ok(schema) => schema,
        Err(error) => return vec![unreachable(id, &error)],
    };
    let end = Instant::now() + PATIENCE;
    let mut found = Vec::new();
    let mut looked = 0;
    for table in &schema.tables {
        let rows = if looked < TABLES && Instant::now() < end {
            looked += 1;
            // A table that cannot be read shows nobody anything.
            sample(database, table).await.unwrap_or_default()
        } else {
            Rows::default()
        };
        found.extend(suspects(&schema, table, &rows).into_iter().map(|one| (table, one)));
    }
    let unseen = schema.tables.len() - looked;
    report(id, &found, unseen).into_iter().collect()
}

async fn sample(database: &Database, table: &Table) -> Result<Rows, ToolError> {
    let all = everything(database.family, table);
    let statement = format!("{all} LIMIT {SAMPLE}");
    let mut rows = Rows::new(SAMPLE);
    let ask = Ask { statement: &statement, params: &[], skip: 0, cell: CELL };
    database.run_for_nobody(ask, &mut rows).await?;
    Ok(rows)
}

/// The columns of a table that are likely to be about people and not masked.
fn suspects(schema: &Schema, table: &Table, rows: &Rows) -> Vec<Suspect> {
    let open = table.columns.iter().filter(|column| !column.is_masked);
    open.filter(|column| !is_label(schema, column))
        .filter_map(|column| {
            let (kind, why) = suspicion(column, rows)?;
            Some(Suspect { column: column.name.clone(), kind, why })
        })
        .collect()
}

/// Labels of an enumeration are no one person's, and keys of other tables are judged there.
fn is_label(schema: &Schema, column: &TableColumn) -> bool {
    let is_truth = column.type_name.to_ascii_lowercase().starts_with("bool");
    is_truth || schema.enums.iter().any(|one| one.name == column.type_name)
}

fn suspicion(column: &TableColumn, rows: &Rows) -> Option<(Kind, Why)> {
    let place = rows.columns.iter().position(|one| one.name == column.name);
    let values: Vec<&str> = place
        .into_iter()
        .flat_map(|place| rows.taken.iter().filter_map(move |row| row.get(place)?.as_deref()))
        .filter(|value| !value.trim().is_empty())
        .collect();
    if let Some((kind, hits)) = values::of(&values) {
        return Some((kind, Why::Values(hits, values.len())));
    }
    if let Some(kind) = names::of(&column.name) {
        return Some((kind, Why::Name));
    }
    let kind = names::of(column.comment.as_deref()?)?;
    Some((kind, Why::Comment))
}

/// One warning for all columns of a database.
fn report(id: &str, found: &[(&Table, Suspect)], unseen: usize) -> Option<Finding> {
    let (first_table, first) = found.first()?;
    let shown: Vec<String> = found
        .iter()
        .take(LISTED)
        .map(|(table, suspect)| format!("{}.{}.{suspect}", table.schema, table.name))
        .collect();
    let shown = shown.join(", ");
    let mut what = match found.len() {
        1 => format!("{id}: 1 column is likely to be about people and is shown as it is: {shown}"),
        many => format!(
            "{id}: {many} columns are likely to be about people and are shown as they are: {shown}"
        ),
    };
    if found.len() > LISTED {
        let _ = write!(what, " and {} more", found.len() - LISTED);
    }
    if unseen > 0 {
        let _ = write!(what, "; of {unseen} tables only names were looked at");
    }
    let path = format!("{}.{}.{}", first_table.schema, first_table.name, first.column);
    let remedy = format!(
        "take the right to read them from the credential (column grants), or mask them in \
         [servers.sql.databases.{id}]: mask = {{ \"{path}\" = \"hash\" }}"
    );
    Some(Finding { weight: Weight::Warning, what, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, table};
    use crate::engine::{Column, Excess, Kind as ColumnKind, Vetted};
    use crate::settings::Accept;
    use crate::testing::{Fake, LIMITS};

    fn people_table() -> Table {
        let mut people = table("public", "people");
        people.columns = vec![
            column("id", "bigint", false),
            column("contact", "text", true),
            column("vorname", "text", true),
            column("x", "text", true),
            TableColumn { is_masked: true, ..column("iban", "text", true) },
            column("gender", "sex", true),
        ];
        people.columns[3].comment = Some("Date of birth".to_owned());
        people
    }

    fn schema() -> Schema {
        let sex = crate::schema::Enumeration {
            schema: "public".into(),
            name: "sex".into(),
            labels: vec!["f".into(), "m".into()],
        };
        Schema { home: "public".into(), tables: vec![people_table()], enums: vec![sex] }
    }

    fn fake() -> Fake {
        let text = |name: &str| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
            kind: ColumnKind::Text,
        };
        Fake {
            columns: vec![text("id"), text("contact")],
            rows: 9,
            row: |number| vec![Some(number.to_string()), Some(format!("p{number}@example.org"))],
            schema: schema(),
            vetted: Vetted { server: "PostgreSQL 15".to_owned(), ..Vetted::default() },
            ..Fake::default()
        }
    }

    async fn found(fake: Fake) -> Vec<Finding> {
        let family = crate::database::Family::Postgres;
        examine(&Database::on("shop", family, LIMITS, Box::new(fake))).await
    }

    #[tokio::test]
    async fn columns_about_people_are_a_warning_with_its_remedy() {
        let found = found(fake()).await;
        assert_eq!(
            found[0],
            Finding {
                weight: Weight::Note,
                what: "shop: PostgreSQL 15; the credential may do no more than read".to_owned(),
                remedy: String::new(),
            }
        );
        assert_eq!(
            found[1],
            Finding {
                weight: Weight::Warning,
                what: "shop: 3 columns are likely to be about people and are shown as they are: \
                       public.people.contact (e-mail address: 9 of 9 values), \
                       public.people.vorname (name of a person: its name), public.people.x (date \
                       of birth: its comment)"
                    .to_owned(),
                remedy: "take the right to read them from the credential (column grants), or \
                         mask them in [servers.sql.databases.shop]: mask = { \
                         \"public.people.contact\" = \"hash\" }"
                    .to_owned(),
            }
        );
    }

    #[tokio::test]
    async fn a_credential_that_may_too_much_is_a_fault_with_the_right_one() {
        let writes = Excess { kind: Accept::Writes, what: "may INSERT into a".to_owned() };
        let vetted = Vetted {
            excess: vec![writes.clone(), writes],
            remedy: "CREATE ROLE reader;\n".to_owned(),
            server: "PostgreSQL 15".to_owned(),
        };
        let found = found(Fake { vetted, ..fake() }).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].weight, Weight::Fault);
        assert!(found[0].what.ends_with("more than read: may INSERT into a; may INSERT into a"));
        assert_eq!(
            found[0].remedy,
            "give it one that may not:\nCREATE ROLE reader;\nor, in \
             [servers.sql.databases.shop]: accept = [\"writes\"]"
        );
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_a_fault() {
        let error: fn() -> ToolError = || ToolError::unavailable("no answer.", "refused");
        let found = found(Fake { error: Some(error), ..fake() }).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "shop: unavailable: no answer. (refused)");
    }

    #[test]
    fn many_columns_are_counted() {
        let people = people_table();
        let suspect = Suspect { column: "c".to_owned(), kind: Kind::Ip, why: Why::Name };
        let found = vec![(&people, suspect); LISTED + 2];
        let finding = report("shop", &found, 3).expect("a finding");
        assert!(finding.what.contains("42 columns"), "{}", finding.what);
        let end = "and 2 more; of 3 tables only names were looked at";
        assert!(finding.what.ends_with(end), "{}", finding.what);
        assert_eq!(report("shop", &[], 3), None);
    }
}
