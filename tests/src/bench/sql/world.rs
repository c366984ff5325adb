//! The databases that are measured: the same data in a PostgreSQL, a MariaDB and a SQLite.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};
use servers::mariadb::{self, Mariadb};
use servers::postgres::{self, Postgres};

use crate::harness::Folder;

/// A thousand rows of ten columns, the same in every dialect.
pub(super) const THOUSAND: &str = "SELECT id, customer, city, product, quantity, unit_price, discount, \
    ordered_at, status, note FROM orders ORDER BY id LIMIT 1000";

/// Rows of the table `numbers`: ten million when it is joined with `digits` four times over.
const NUMBERS: u32 = 1_000;

/// The three databases and a servers.toml for them.
pub(super) struct World {
    /// servers.toml and the SQLite file.
    pub(super) folder: Folder,
    pub(super) postgres: Postgres,
    pub(super) mariadb: Mariadb,
}

impl World {
    /// Starts the servers and fills them.
    pub(super) fn make() -> Result<Self> {
        let data = data();
        let (postgres, mariadb) = (Postgres::start(), Mariadb::start());
        postgres.database("bench", &data);
        mariadb.database("bench", &data);
        let folder = super::servers(&format!(
            "[servers.sql.databases.postgres]\nurl = \"{}\"\npassword = {{ file = \"pg\" }}\n\
             tls = {{ ca = \"{}\" }}\n\
             [servers.sql.databases.mariadb]\nurl = \"{}\"\npassword = {{ file = \"my\" }}\n\
             tls = {{ ca = \"{}\" }}\n\
             [servers.sql.databases.sqlite]\nurl = \"sqlite:bench.db\"\n",
            postgres.url(postgres::READER, "bench"),
            postgres.authority().display(),
            mariadb.url(mariadb::READER, "bench"),
            mariadb.authority().display(),
        ));
        folder.write("pg", postgres::PASSWORD);
        folder.write("my", mariadb::PASSWORD);
        super::floor::make_sqlite(&folder.path("bench.db"), &data)?;
        Ok(Self { folder, postgres, mariadb })
    }
}

/// Orders, and numbers to multiply.
fn data() -> String {
    const CITIES: [&str; 5] = ["Berlin", "Lyon", "Porto", "Gdańsk", "Turku"];
    const STATES: [&str; 3] = ["open", "sent", "paid"];
    let mut sql = String::from(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(40) NOT NULL, \
         city VARCHAR(20), product VARCHAR(40), quantity INTEGER, \
         unit_price DECIMAL(10,2), discount DOUBLE PRECISION, ordered_at DATE, status VARCHAR(10), note VARCHAR(80));\n\
         CREATE TABLE numbers (n INTEGER PRIMARY KEY);\n",
    );
    let values: Vec<String> = (1..=1_000_usize)
        .map(|id| {
            let note = if id % 3 == 0 { "NULL".to_owned() } else { format!("'gate {}'", id % 17) };
            format!(
                "({id}, 'customer {}', '{}', 'product {}', {}, {}.{:02}, 0.{}, '2026-{:02}-{:02}', '{}', {note})",
                id * 7 % 211,
                CITIES[id % 5],
                id * 13 % 89,
                id % 9 + 1,
                id * 31 % 900,
                id % 100,
                id % 4,
                id % 12 + 1,
                id % 28 + 1,
                STATES[id % 3],
            )
        })
        .collect();
    sql.push_str(&format!("INSERT INTO orders VALUES {};\n", values.join(",\n")));
    let numbers: Vec<String> = (0..NUMBERS).map(|n| format!("({n})")).collect();
    sql.push_str(&format!("INSERT INTO numbers VALUES {};\n", numbers.join(",")));
    sql
}

/// The CSV inside of an answer of `sql_query`: what stands within the fence.
fn csv(text: &str) -> Result<&str> {
    let (_, rest) = text.split_once("<untrusted").context("a fence")?;
    let (_, rest) = rest.split_once('\n').context("its first line")?;
    Ok(rest.split_once("</untrusted").context("its end")?.0)
}

/// Adds the rows of an answer as JSON objects.
pub(super) fn objects(text: &str, into: &mut Vec<Value>) -> Result<()> {
    let mut lines = csv(text)?.lines();
    let names: Vec<&str> = lines.next().context("a header")?.split(',').collect();
    ensure!(names.len() == 10, "ten columns: {names:?}");
    for line in lines {
        // No value of the data needs quotes.
        let cells: Vec<&str> = line.split(',').collect();
        if cells.len() != names.len() {
            bail!("not a row: {line}");
        }
        let value = |cell: &str| match (cell, cell.parse::<f64>()) {
            ("", _) => Value::Null,
            (_, Ok(_)) => serde_json::from_str(cell).unwrap_or_else(|_| Value::from(cell)),
            _ => Value::from(cell),
        };
        let object: Map<String, Value> =
            names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), value(cell))).collect();
        into.push(Value::Object(object));
    }
    Ok(())
}

/// The cursor that an answer names, or null.
pub(super) fn cursor(text: &str) -> Value {
    let rest = text.rsplit_once("cursor").map(|(_, rest)| rest).unwrap_or_default();
    let is_of_cursor = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let found = rest.trim_start_matches(|c| !is_of_cursor(c)).split(|c| !is_of_cursor(c)).next();
    found.filter(|text| text.len() > 20).map_or(Value::Null, Value::from)
}
