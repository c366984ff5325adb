//! `suite call`: one call through the same pipeline, from a terminal.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use contract::ctx::BoxFuture;
use contract::{Channel, Identity, Question, ToolError};
use runtime::{Block, Caller, Failure, Request, Shown};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::assemble::{Ready, Source, ready};
use crate::confinement::Purpose;
use crate::terminal::{BAD, DIM};
use crate::{Launcher, confinement, person};

#[derive(Args)]
pub(crate) struct CallArgs {
    /// The tool, such as `docs_search`
    tool: String,
    /// Its arguments: key=value, where a value that is not text is JSON
    #[arg(value_name = "KEY=VALUE")]
    arguments: Vec<String>,
    /// How the result is shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// As the model reads it
    Table,
    /// The whole result as JSON
    Json,
}

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    args: &CallArgs,
) -> anyhow::Result<ExitCode> {
    let prefix = args.tool.split('_').next().unwrap_or_default();
    let Some(launcher) = launchers.iter().find(|launcher| launcher.prefix == prefix) else {
        let known: Vec<String> =
            launchers.iter().map(|launcher| format!("{}_…", launcher.prefix)).collect();
        anyhow::bail!(
            "no server has a tool `{}`; tools begin with the name of their server: {}",
            args.tool,
            known.join(", ")
        );
    };
    let confined = confinement::enter(source, launchers, launcher, Purpose::Call)?;
    let started = confined.started("one call");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        let ready =
            ready(confined.checked, launcher, confined.beside, confined.copies, started).await?;
        let code = call(&ready, confined.user, args).await;
        ready.pipeline.stop().await?;
        code
    });
    runtime.shutdown_background();
    code
}

async fn call(ready: &Ready, user: Identity, args: &CallArgs) -> anyhow::Result<ExitCode> {
    let schema = ready
        .pipeline
        .catalogue()
        .tools()
        .find(|entry| entry.contract.name == args.tool)
        .map(|entry| Arc::clone(&entry.input));
    let request =
        Request::Tool { name: args.tool.clone(), args: parse(&args.arguments, schema.as_deref())? };
    let client = person::terminal();
    let caller = Caller {
        identity: Arc::new(user),
        client: Arc::new(client),
        said: Arc::default(),
        channel: Arc::new(Terminal),
        cancelled: on_interrupt(),
    };
    match ready.pipeline.call(&caller, request).await {
        Ok(answer) => {
            show(answer.shown, args.output);
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            refuse(&failure, args.output);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Ctrl-C cancels the call, which is recorded.
fn on_interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let fired = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            fired.cancel();
        }
    });
    token
}

/// `key=value`, by the type that the schema gives the key.
pub(crate) fn parse(
    pairs: &[String],
    schema: Option<&Map<String, Value>>,
) -> anyhow::Result<Map<String, Value>> {
    let mut args = Map::new();
    for pair in pairs {
        let Some((key, text)) = pair.split_once('=') else {
            anyhow::bail!("`{pair}` is not KEY=VALUE; for example: query=\"rate limits\"");
        };
        let kind =
            schema.and_then(|schema| schema.get("properties")?.get(key)?.get("type")?.as_str());
        let value = match kind {
            Some("string") => Value::String(text.to_owned()),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        if args.insert(key.to_owned(), value).is_some() {
            anyhow::bail!("`{key}` is given twice");
        }
    }
    Ok(args)
}

fn show(shown: Shown, format: Format) {
    match format {
        Format::Json => {
            let blocks: Vec<Value> = shown.blocks.iter().map(block).collect();
            let mut whole = json!({"ok": true, "content": blocks});
            if let Some(structured) = shown.structured {
                whole["structured"] = structured;
            }
            anstream::println!("{whole}");
        }
        Format::Table => anstream::println!("{}", shown.text()),
    }
}

fn block(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Media(media) => json!({"type": "media", "media": format!("{media:?}")}),
    }
}

fn refuse(failure: &Failure, format: Format) {
    let text = failure.error().map_or_else(|| "cancelled".to_owned(), ToolError::text);
    match format {
        Format::Json => {
            let kind = failure.error().map(|error| error.kind);
            anstream::println!("{}", json!({"ok": false, "kind": kind, "message": text}));
        }
        Format::Table => anstream::eprintln!("{BAD}{text}{BAD:#}"),
    }
}

/// What a terminal can do for a running tool.
struct Terminal;

impl Channel for Terminal {
    fn progress(&self, done: f64, total: Option<f64>, message: String) -> BoxFuture<'_, ()> {
        let of = total.map(|total| format!("/{total}")).unwrap_or_default();
        anstream::eprintln!("{DIM}{done}{of} {message}{DIM:#}");
        Box::pin(async {})
    }

    fn log(&self, level: &'static str, data: Value) -> BoxFuture<'_, ()> {
        anstream::eprintln!("{DIM}{level}: {data}{DIM:#}");
        Box::pin(async {})
    }

    fn ask(
        &self,
        _: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        let error = ToolError::unavailable(
            "this tool asks its caller, which `suite call` cannot answer.",
            "",
        );
        Box::pin(async { Err(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_type_of_the_schema() {
        let schema =
            json!({"properties": {"query": {"type": "string"}, "limit": {"type": "integer"}}});
        let schema = schema.as_object().expect("an object");
        let pairs = ["query=42", "limit=3", "other=true", "word=x=y"].map(str::to_owned);
        let args = parse(&pairs, Some(schema)).expect("arguments");
        assert_eq!(
            Value::Object(args),
            json!({"query": "42", "limit": 3, "other": true, "word": "x=y"})
        );
        assert!(parse(&["query".to_owned()], None).is_err());
        assert!(parse(&["a=1".to_owned(), "a=2".to_owned()], None).is_err());
    }
}
