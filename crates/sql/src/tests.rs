//! The server as a whole: its definitions and what it asks of its process.

use std::path::{Path, PathBuf};

use contract::{Configured, Contract, Tool, schema};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::{Caller, Fake, call, server};

/// The tools as `tools/list` shows them.
#[derive(Default)]
struct Shown(Vec<Value>);

impl Shown {
    fn take(&mut self, contract: &Contract, mut input: Value, output: Option<Value>) {
        input.as_object_mut().expect("an object").remove("description");
        let mut tool = json!({
            "name": contract.name,
            "title": contract.title,
            "description": contract.purpose,
            "inputSchema": input,
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        });
        if let Some(output) = output {
            tool["outputSchema"] = output;
        }
        self.0.push(tool);
    }
}

impl Registry<Sql> for Shown {
    fn add<T: Tool<Server = Sql>>(&mut self) {
        let output = <T::Out as contract::Output>::schema();
        self.take(&T::CONTRACT, schema::of_arguments::<T::Args>(), output);
    }

    fn add_configured<T: Configured<Server = Sql>>(&mut self, tool: T) {
        self.take(&tool.contract(), tool.schema(), None);
    }
}

fn shown(sql: &Sql) -> Vec<Value> {
    let mut shown = Shown::default();
    sql.tools(&mut shown);
    shown.0
}

#[tokio::test]
async fn the_definitions_are_small() {
    let folder = TempDir::new().expect("a folder");
    let tools = shown(&server(&["sales"], &Fake::default(), folder.path()));
    // Of at most 900 o200k tokens: measured as 865, of 4.1 bytes each.
    let bytes: usize = tools.iter().map(|tool| tool.to_string().len()).sum();
    let each: Vec<String> =
        tools.iter().map(|tool| format!("{} {}", tool["name"], tool.to_string().len())).collect();
    assert!(bytes <= 3_600, "{bytes} bytes: {each:?} {}", Value::from(tools));
    assert!(Sql::INSTRUCTIONS.len() <= 400);
}

/// A server on a file of SQLite, as the settings say.
async fn open(folder: &Path, settings: Value, rehearsal: bool) -> Result<Sql, StartError> {
    let file = folder.join("sales.db");
    if !file.exists() {
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/sales.db"), file)
            .expect("the sample");
    }
    let settings: Settings = serde_json::from_value(settings).expect("settings");
    let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
    let mut place = Place::new(folder.to_owned(), folder.join("state"), reader);
    if rehearsal {
        place = place.rehearsal();
    }
    Sql::open(settings, &place).await
}

fn sales() -> Value {
    json!({
        "databases": {"sales": {"url": "sqlite:sales.db"}},
        "queries": {"customer": {
            "database": "sales",
            "purpose": "One customer by number.",
            "statement": "SELECT id FROM customers WHERE id = ?",
            "params": [{"name": "id", "type": "integer", "min": 1}],
        }},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_sqlite_is_asked_saved_and_read_back() {
    let folder = TempDir::new().expect("a folder");
    let sql = open(folder.path(), sales(), false).await.expect("a server");
    let text = call::<Query>(&sql, json!({"statement": "SELECT 1 AS a, NULL AS b, '' AS c"})).await;
    assert_eq!(text, "<sql://sales>\na,b,c\n1,,\"\"\nrows 1-1 of 1");
    let named = sql.queries.first().expect("a query");
    assert_eq!(named.contract().name, "sql_customer");
    let rows = Caller::default().call_configured(named, &sql, json!({"id": 1})).await;
    assert_eq!(rows.expect("rows"), "<sql://sales>\nid\n1\nrows 1-1 of 1");
    for format in ["csv", "arrow"] {
        let args = json!({"statement": "SELECT id FROM customers ORDER BY id", "save": format});
        let text = call::<Query>(&sql, args).await;
        let (_, rest) = text.split_once("bytes: ").expect("an address");
        let uri = rest.split(' ').next().expect("an address").to_owned();
        let read = sql.resource(&uri).expect("a call");
        assert_eq!((read.tool, read.args["whole"].as_bool()), ("sql_result", Some(true)));
        let attached = call::<Read>(&sql, Value::Object(read.args)).await;
        assert!(attached.contains(read.mime), "{attached}");
    }
}

#[tokio::test]
async fn a_rehearsal_touches_no_database() {
    let folder = TempDir::new().expect("a folder");
    let mut settings = sales();
    settings["databases"]["sales"]["url"] = json!("sqlite:nowhere.db");
    settings["databases"]["away"] = json!({"url": "postgres://ann@192.0.2.1/a"});
    let sql = open(folder.path(), settings, true).await.expect("a server");
    let names: Vec<Value> = shown(&sql).iter().map(|tool| tool["name"].clone()).collect();
    assert!(names.contains(&json!("sql_customer")), "{names:?}");
    let left: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).expect("it").flatten().map(|entry| entry.path()).collect();
    assert_eq!(left, [folder.path().join("sales.db")]);
}

#[tokio::test]
async fn wrong_settings_refuse_to_start() {
    let folder = TempDir::new().expect("a folder");
    let mut settings = sales();
    settings["queries"]["customer"]["database"] = json!("sale");
    let error = open(folder.path(), settings, true).await.err().expect("refused");
    assert_eq!(
        error.to_string(),
        "queries.customer.database: `sale` is unknown; did you mean `sales`?"
    );
}

#[tokio::test]
async fn databases_are_completed_by_their_ids() {
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales", "stock", "web"], &Fake::default(), folder.path());
    let targets = |prefix: &str| -> Vec<String> {
        sql.complete("", "database", prefix).iter().map(ToString::to_string).collect()
    };
    assert_eq!(targets("s"), ["database:sales", "database:stock"]);
    assert_eq!(targets("x"), [""; 0]);
    assert_eq!(sql.complete("", "statement", ""), []);
    assert!(sql.resource("sql://sales/results/x.csv").is_none());
}
