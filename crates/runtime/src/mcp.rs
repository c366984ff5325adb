//! The MCP adapter: one concrete handler for all servers. It translates between the protocol's
//! words and the pipeline's, and decides nothing.

mod channel;
mod claims;
mod completion;
mod convert;
mod lists;
mod tasks;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use contract::{Channel, Client, Identity, Principal, ToolError};
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
    CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, DiscoverResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation,
    InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData as McpError, ServerHandler};
use serde_json::{Map, Value};

use self::channel::{Conversation, Rounds, severity};
use self::claims::{claimed, said, unusable_key};
use crate::pipeline::{Answer, Caller, Failure, Pipeline, Request};
use crate::seal::Bond;

/// The revisions we serve, on every transport.
pub const REVISIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2025_11_25, ProtocolVersion::V_2026_07_28];

/// How long a client may keep lists, in milliseconds. They change with the process or the policy.
const FRESH_MS: u64 = 300_000;

/// The handler of every server and transport. Cheap to clone.
#[derive(Clone)]
pub struct Adapter {
    pipeline: Pipeline,
    identity: Arc<Identity>,
    transport: &'static str,
    /// What `logging/setLevel` asked for in this session.
    floor: Arc<AtomicU8>,
}

impl Adapter {
    /// Serves `pipeline` over `transport` (`stdio` or `http`) to whoever a request proves to come
    /// from, and else to `identity`.
    pub fn new(pipeline: Pipeline, identity: Identity, transport: &'static str) -> Self {
        Self { pipeline, identity: Arc::new(identity), transport, floor: Arc::default() }
    }

    /// The pipeline behind it.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Who the request proves to come from: the HTTP transport puts an identity beside it.
    fn identity(&self, context: &RequestContext<RoleServer>) -> Arc<Identity> {
        let parts = context.extensions.get::<http::request::Parts>();
        let proven = parts.and_then(|parts| parts.extensions.get::<Arc<Identity>>());
        Arc::clone(proven.unwrap_or(&self.identity))
    }

    /// The same, as the rules in force see it.
    fn principal(&self, context: &RequestContext<RoleServer>) -> Principal {
        self.pipeline.principal(&self.identity(context))
    }

    /// The same, for another session: what one session sets, no other sees.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { floor: Arc::default(), ..self.clone() }
    }

    /// Whether the request is of a revision that can pause a call to ask (2026-07-28 and later).
    fn is_modern(context: &RequestContext<RoleServer>) -> bool {
        context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
    }

    fn caller(&self, context: &RequestContext<RoleServer>, channel: Arc<dyn Channel>) -> Caller {
        let (name, version) = claimed(context);
        let protocol = context.protocol_version().map(|version| version.to_string());
        let client = Client {
            name,
            protocol: protocol.unwrap_or_default(),
            transport: self.transport,
            version,
        };
        Caller {
            identity: self.identity(context),
            client: Arc::new(client),
            said: Arc::new(said(context)),
            channel,
            cancelled: context.ct.clone(),
        }
    }

    /// Runs a request through the pipeline. `Err(Ok(…))` is a call that waits for answers.
    async fn run(
        &self,
        request: Request,
        carried: Carried,
        context: &Arc<RequestContext<RoleServer>>,
    ) -> Result<Result<Answer, Failure>, Result<InputRequiredResult, McpError>> {
        if let Some(error) = unusable_key(context) {
            let nobody = Arc::new(Conversation::new(Arc::clone(context), None, None));
            let failure = self.pipeline.refuse(&self.caller(context, nobody), request, error);
            return Ok(Err(failure));
        }
        let modern = Self::is_modern(context);
        // Before 2026-07-28 no call waits.
        let bond = modern.then(|| bond(&self.principal(context), &request));
        let rounds = bond.as_ref().map(|bond| self.rounds(bond, carried)).transpose();
        let rounds = match rounds {
            Ok(rounds) => rounds,
            Err(error) => {
                let caller = self
                    .caller(context, Arc::new(Conversation::new(Arc::clone(context), None, None)));
                let failure = self.pipeline.refuse(&caller, request, error);
                let text = failure.error().map(ToolError::text).unwrap_or_default();
                return Err(Err(McpError::invalid_params(text, None)));
            }
        };
        let floor = match (modern, context.meta.log_level()) {
            (true, level) => level.map(severity),
            (false, _) => Some(self.floor.load(Ordering::Relaxed)),
        };
        let channel = Arc::new(Conversation::new(Arc::clone(context), rounds.clone(), floor));
        let result = self.pipeline.call(&self.caller(context, channel), request).await;
        if let (Err(Failure::Error(error)), Some(rounds), Some(bond)) = (&result, rounds, &bond)
            && let Some(pending) = &error.pending
        {
            if let Some(lacking) = channel::lacking(context, pending) {
                let mut refusal = McpError::missing_required_client_capability(lacking);
                refusal.message = error.text().into();
                return Err(Err(refusal));
            }
            let state = self.pipeline.sealer().seal(bond, &rounds.answers);
            return Err(channel::input_required(pending, state));
        }
        Ok(result)
    }

    /// The answers of all rounds so far: the sealed ones, and the new ones. Answers without the
    /// state of our question are nobody's answers.
    fn rounds(&self, bond: &Bond, carried: Carried) -> Result<Rounds, ToolError> {
        let Some(state) = carried.state else { return Ok(Rounds::default()) };
        let mut answers: BTreeMap<String, Value> =
            self.pipeline.sealer().open(bond, &state).ok_or_else(|| {
                ToolError::invalid(
                    "`requestState` is damaged, expired, or of another call; call again without it.",
                )
            })?;
        answers.extend(carried.answers.unwrap_or_default());
        Ok(Rounds { answers })
    }
}

/// What a waiting call is bound to.
fn bond(principal: &Principal, request: &Request) -> Bond {
    let none = Map::new();
    match request {
        Request::Tool { name, args } => Bond::new("tools/call", principal, name, args),
        Request::Prompt { name, args } => Bond::new("prompts/get", principal, name, args),
        Request::Resource { uri } => Bond::new("resources/read", principal, uri, &none),
    }
}

/// What a client carries back to a call that waits.
struct Carried {
    state: Option<String>,
    answers: Option<BTreeMap<String, Value>>,
}

/// The protocol error of a call that names what is not there.
fn unknown(error: &ToolError) -> McpError {
    McpError::invalid_params(error.message.clone(), None)
}

impl ServerHandler for Adapter {
    fn get_info(&self) -> ServerConfig {
        let catalogue = self.pipeline.catalogue();
        let mut capabilities = ServerCapabilities::builder().enable_tools().build();
        if !catalogue.templates.is_empty() {
            capabilities.resources = Some(Default::default());
            if let Some(resources) = &mut capabilities.resources {
                resources.subscribe = catalogue.subscribes.then_some(true);
            }
        }
        if !catalogue.prompts.is_empty() {
            capabilities.prompts = Some(Default::default());
        }
        if !catalogue.templates.is_empty() || !catalogue.prompts.is_empty() {
            capabilities.completions = Some(Default::default());
        }
        convert::enable_logging(&mut capabilities, catalogue.logs);
        convert::enable_tasks(&mut capabilities, catalogue.tasks);
        let name = format!("suite-{}", catalogue.server);
        let server =
            Implementation::new(name, env!("CARGO_PKG_VERSION")).with_title(catalogue.title);
        ServerConfig::new(capabilities)
            .with_server_info(server)
            .with_instructions(catalogue.instructions)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&REVISIONS)
    }

    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, McpError> {
        let mut info = self.get_info();
        if let Some(resources) = &mut info.capabilities.resources {
            // Since 2026-07-28 it means `subscriptions/listen`, which is not served.
            resources.subscribe = None;
        }
        let result = DiscoverResult::from_server_info(REVISIONS.to_vec(), info);
        Ok(result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let mut tools = self.pipeline.catalogue().tools();
        tools.find(|entry| entry.contract.name == name).map(|entry| convert::tool(entry))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, McpError> {
        let principal = self.principal(&context);
        let seen = self.pipeline.visible_tools(&principal);
        let tools = seen.iter().map(|entry| convert::tool(entry)).collect();
        let page = self.page(&principal, "tools/list", request, tools)?;
        let mut result = ListToolsResult::with_all_items(page.items);
        result.next_cursor = page.next;
        if Self::is_modern(&context) {
            result = result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(result)
    }

    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, McpError> {
        let carried = Carried { state: params.request_state, answers: params.input_responses };
        let request = Request::Tool {
            name: params.name.into_owned(),
            args: params.arguments.unwrap_or_default(),
        };
        let context = Arc::new(context);
        match self.run(request, carried, &context).await {
            Err(waiting) => Ok(waiting?.into()),
            Ok(Ok(answer)) => Ok(tasks::answered(answer.shown, &context)),
            Ok(Err(Failure::Unknown(error))) => Err(unknown(&error)),
            Ok(Err(Failure::Error(error))) => {
                Ok(CallToolResult::error(vec![rmcp::model::ContentBlock::text(error.text())])
                    .into())
            }
            Ok(Err(Failure::Abandoned)) => Err(abandoned()),
        }
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, McpError> {
        self.task(&params.task_id, context).await
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        self.end_task(&params.task_id, context).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, McpError> {
        self.requires_resources::<rmcp::model::ListResourcesRequestMethod>()?;
        let principal = self.principal(&context);
        let seen = self.visible_resources(&principal).await;
        let page = self.page(&principal, "resources/list", request, seen)?;
        let mut result = ListResourcesResult::with_all_items(page.items);
        result.next_cursor = page.next;
        if Self::is_modern(&context) {
            // Files come and go: shorter than the catalogue.
            result = result.with_ttl_ms(FRESH_MS / 10).with_cache_scope(CacheScope::Private);
        }
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, McpError> {
        self.requires_resources::<rmcp::model::ListResourceTemplatesRequestMethod>()?;
        let principal = self.principal(&context);
        let seen = self.visible_templates(&principal);
        let page = self.page(&principal, "resources/templates/list", request, seen)?;
        let mut result = ListResourceTemplatesResult::with_all_items(page.items);
        result.next_cursor = page.next;
        if Self::is_modern(&context) {
            result = result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(result)
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, McpError> {
        self.requires_resources::<rmcp::model::ReadResourceRequestMethod>()?;
        let carried = Carried { state: params.request_state, answers: params.input_responses };
        let uri = params.uri;
        let context = Arc::new(context);
        match self.run(Request::Resource { uri: uri.clone() }, carried, &context).await {
            Err(waiting) => Ok(waiting?.into()),
            Ok(Ok(answer)) => {
                let uri = self.pipeline.echoed(&uri);
                let mut result = convert::resource_result(uri, answer);
                if Self::is_modern(&context) {
                    result = result.with_ttl_ms(0).with_cache_scope(CacheScope::Private);
                }
                Ok(result.into())
            }
            Ok(Err(Failure::Abandoned)) => Err(abandoned()),
            Ok(Err(Failure::Unknown(error) | Failure::Error(error))) => {
                Err(convert::resource_error(&error, &self.pipeline.echoed(&uri)))
            }
        }
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, McpError> {
        self.requires_prompts::<rmcp::model::ListPromptsRequestMethod>()?;
        let principal = self.principal(&context);
        let page =
            self.page(&principal, "prompts/list", request, self.visible_prompts(&principal))?;
        let mut result = ListPromptsResult::with_all_items(page.items);
        result.next_cursor = page.next;
        if Self::is_modern(&context) {
            result = result.with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Private);
        }
        Ok(result)
    }

    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, McpError> {
        self.requires_prompts::<rmcp::model::GetPromptRequestMethod>()?;
        let carried = Carried { state: params.request_state, answers: params.input_responses };
        let request =
            Request::Prompt { name: params.name, args: params.arguments.unwrap_or_default() };
        match self.run(request, carried, &Arc::new(context)).await {
            Err(waiting) => Ok(waiting?.into()),
            Ok(Ok(answer)) => Ok(convert::prompt_result(answer.shown).into()),
            Ok(Err(Failure::Abandoned)) => Err(abandoned()),
            Ok(Err(Failure::Unknown(error) | Failure::Error(error))) => {
                Err(McpError::invalid_params(error.text(), None))
            }
        }
    }

    async fn complete(
        &self,
        params: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, McpError> {
        if self.get_info().capabilities.completions.is_none() {
            return Err(McpError::method_not_found::<rmcp::model::CompleteRequestMethod>());
        }
        let principal = self.principal(&context);
        self.completions(&principal, &params.r#ref, &params.argument).map(CompleteResult::new)
    }

    #[expect(deprecated, reason = "older revisions still set a level")]
    async fn set_level(
        &self,
        params: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        if !self.pipeline.catalogue().logs || Self::is_modern(&context) {
            return Err(McpError::method_not_found::<rmcp::model::SetLevelRequestMethod>());
        }
        self.floor.store(severity(params.level), Ordering::Relaxed);
        Ok(())
    }

    async fn subscribe(
        &self,
        _: rmcp::model::SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        self.requires_subscriptions::<rmcp::model::SubscribeRequestMethod>()
    }

    async fn unsubscribe(
        &self,
        _: rmcp::model::UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        self.requires_subscriptions::<rmcp::model::UnsubscribeRequestMethod>()
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, McpError> {
        // A known method whose parameters do not parse arrives here, too.
        let known = KNOWN.contains(&request.method.as_str());
        if known && !(request.method == "initialize" && Self::is_modern(&context)) {
            let message = format!("the parameters of {} are malformed", request.method);
            return Err(McpError::invalid_params(message, None));
        }
        let method = self.pipeline.echoed(&request.method).chars().take(100).collect::<String>();
        Err(McpError::new(rmcp::model::ErrorCode::METHOD_NOT_FOUND, method, None))
    }
}

/// Methods with parameters.
const KNOWN: [&str; 8] = [
    "initialize",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "prompts/get",
    "prompts/list",
    "completion/complete",
];

/// Nobody reads it: the client went away.
fn abandoned() -> McpError {
    ErrorData::internal_error("the call was cancelled", None)
}

/// The definitions of all tools as they stand on the wire, whoever may see them.
pub fn definitions(catalogue: &crate::Catalogue) -> Value {
    let tools = catalogue.tools().map(|entry| serde_json::to_value(convert::tool(entry)));
    tools.map(Result::unwrap_or_default).collect()
}
