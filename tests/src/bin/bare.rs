//! The floor of the benchmarks: one trivial tool on rmcp alone, set up as fast as rmcp gets. No
//! policy, no limits, no schema validation, no records.
//!
//! `bare` serves standard input and output, `bare --http ADDR` streamable HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::ListenerExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt as _};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler};
use serde::Deserialize;
use serde_json::{Value, json};

/// The handler: built once, cloned for each HTTP request.
#[derive(Clone)]
struct Bare {
    tool: Arc<Tool>,
}

/// The arguments of the fixture's `test_echo`.
#[derive(Deserialize)]
struct EchoArgs {
    text: Option<String>,
}

impl Bare {
    fn new() -> Self {
        let tool = Tool::new("test_echo", "Says what it is told.", Arc::new(schema()));
        Self { tool: Arc::new(tool.with_title("Echo")) }
    }
}

/// The schema that the fixture derives from its types.
fn schema() -> JsonObject {
    let schema = json!({
        "type": "object",
        "properties": {
            "text": {"description": "What to say.", "type": "string", "maxLength": 1000}
        },
        "additionalProperties": false
    });
    match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    }
}

impl ServerHandler for Bare {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let server = Implementation::new("bare", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities).with_server_info(server)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        (name == self.tool.name).then(|| (*self.tool).clone())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![(*self.tool).clone()]))
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if params.name != self.tool.name {
            return Err(ErrorData::invalid_params("there is no such tool", None));
        }
        let args = Value::Object(params.arguments.unwrap_or_default());
        let args: EchoArgs = serde_json::from_value(args)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
        let text = args.text.unwrap_or_else(|| "ok".to_owned());
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(stdio())
        }
        Some("--http") => {
            let address = arguments.next().unwrap_or_default().parse()?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(http(address))
        }
        Some(other) => anyhow::bail!("unknown argument {other}; usage: bare [--http ADDR]"),
    }
}

async fn stdio() -> anyhow::Result<()> {
    let service = Bare::new().serve(rmcp::transport::io::stdio_pipes()).await?;
    service.waiting().await?;
    Ok(())
}

/// Serves until it is killed; the first line on standard error says where.
async fn http(address: SocketAddr) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    eprintln!("serving http://{}/mcp", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_legacy_session_mode(false)
        .with_sse_retry(None);
    let bare = Bare::new();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(bare.clone()), sessions, config);
    axum::serve(listener, axum::Router::new().route_service("/mcp", service)).await?;
    Ok(())
}
