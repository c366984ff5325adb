//! Named queries: reviewed statements from servers.toml, each a tool of its own with typed and
//! bounded arguments.

mod argument;
mod placeholder;

use std::sync::Arc;
use std::time::Duration;

use contract::tool::leak;
use contract::{
    Approval, Configured, Contract, Ctx, Effect, Limit, Output as _, Rendered, Size, StartError,
    Target, ToolError,
};
use serde_json::{Map, Value, json};

use self::argument::Argument;
use crate::Sql;
use crate::database::{Ask, Databases, TARGET};
use crate::param::Param;
use crate::query::{Page, position};
use crate::settings::{QuerySettings, Settings};
use crate::writer::Format;

/// A reviewed statement as a tool.
#[derive(Clone)]
pub(crate) struct Named(Arc<Inner>);

struct Inner {
    contract: Contract,
    database: String,
    statement: String,
    arguments: Vec<Argument>,
    rows: Option<u64>,
}

/// The named queries of the settings, checked as far as no database is needed.
pub(crate) fn open(settings: &Settings, databases: &Databases) -> Result<Vec<Named>, StartError> {
    let opened = settings.queries.iter().map(|(name, query)| {
        Named::open(name, query, databases)
            .map_err(|text| StartError::new(format!("queries.{name}: {text}")))
    });
    opened.collect()
}

impl Named {
    fn open(name: &str, query: &QuerySettings, databases: &Databases) -> Result<Self, String> {
        let database = databases.iter().find(|database| database.id == query.database);
        let family = database.map(|database| database.family);
        let family = family.ok_or_else(|| format!("database `{}` is unknown", query.database))?;
        let arguments = argument::arguments(&query.params)?;
        placeholder::check(&query.statement, family, arguments.len())?;
        let contract = Contract {
            name: leak(&format!("sql_{name}")),
            title: leak(&title(name)),
            purpose: leak(&query.purpose),
            effect: Effect::Reads,
            approval: Approval::None,
            limit: Limit::per_second(20_000),
            timeout: Duration::from_secs(90),
            size: Size::CAP,
            verified_by: None,
        };
        Ok(Self(Arc::new(Inner {
            contract,
            database: query.database.clone(),
            statement: query.statement.clone(),
            arguments,
            rows: query.rows.map(u64::from),
        })))
    }

    /// The name of the tool.
    pub(crate) fn name(&self) -> &'static str {
        self.0.contract.name
    }

    /// Plans the statement with values that its arguments could have; what is wrong with it.
    async fn fault(&self, databases: &Databases) -> Option<ToolError> {
        let database = databases.iter().find(|database| database.id == self.0.database)?;
        let params: Vec<Param> = self.0.arguments.iter().map(Argument::example).collect();
        let ask = Ask { statement: &self.0.statement, params: &params, skip: 0, cell: 0 };
        let error = database.rehearse(ask).await.err()?;
        // A database that cannot be asked says nothing about the statement.
        matches!(error.kind, contract::Kind::Invalid | contract::Kind::Denied).then_some(error)
    }
}

/// Looks at every statement with its database and warns of those that would fail. The database
/// may change at any time, so a statement that fails now keeps nothing from starting.
pub(crate) async fn rehearse(queries: &[Named], databases: &Databases) {
    for query in queries {
        if let Some(error) = query.fault(databases).await {
            tracing::warn!(tool = query.name(), "`{}` would fail: {}", query.name(), error.message);
        }
    }
}

/// `orders_of_customer` is titled `Orders of customer`.
fn title(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl Configured for Named {
    type Server = Sql;

    fn contract(&self) -> Contract {
        self.0.contract.clone()
    }

    fn schema(&self) -> Value {
        let mut properties: Map<String, Value> = Map::new();
        for argument in &self.0.arguments {
            properties.insert(argument.name.clone(), argument.schema.clone());
        }
        let cursor = json!({"type": "string", "minLength": 1, "maxLength": 400});
        properties.insert("cursor".to_owned(), cursor);
        let required: Vec<&str> = self
            .0
            .arguments
            .iter()
            .filter(|argument| argument.is_required)
            .map(|argument| argument.name.as_str())
            .collect();
        let mut schema = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn target(&self, _: &Map<String, Value>) -> Target {
        Target::one(TARGET, self.0.database.clone())
    }

    async fn call(
        &self,
        server: &Sql,
        ctx: &Ctx,
        args: Map<String, Value>,
    ) -> Result<Rendered, ToolError> {
        let database = server.databases.named(ctx, Some(&self.0.database))?;
        let params: Result<Vec<Param>, ToolError> =
            self.0.arguments.iter().map(|argument| argument.value(&args)).collect();
        let page = Page {
            statement: &self.0.statement,
            params: &params?,
            skip: position(ctx, args.get("cursor").and_then(Value::as_str))?,
            limit: self.0.rows.unwrap_or(database.limits.rows),
            format: Format::Csv,
        };
        page.answer(ctx, database).await.map(contract::Text::render)
    }
}

#[cfg(test)]
mod tests;
