//! The contract's words in the protocol's words.

use std::sync::Arc;

use contract::output::Body;
use contract::{Contract, Effect, Kind, Media, ToolError};
use rmcp::ErrorData as McpError;
use rmcp::model::{
    CallToolResult, ContentBlock, GetPromptResult, Prompt, PromptArgument, PromptMessage,
    ReadResourceResult, Resource, ResourceContents, ResourceTemplate, Role, ServerCapabilities,
    TASKS_EXTENSION_ID, Tool, ToolAnnotations,
};
use serde_json::json;

use crate::catalogue::Entry;
use crate::guard::{Block, Shown};
use crate::pipeline::Answer;

/// A tool as hosts see it. Annotations derive from the effect: they cannot disagree with policy.
/// Those at the protocol's defaults are left out.
pub(super) fn tool(entry: &Entry) -> Tool {
    let contract = &entry.contract;
    let mut tool = Tool::new(contract.name, contract.purpose, Arc::clone(&entry.input));
    tool.title = (!says_its_title(contract)).then(|| contract.title.to_owned());
    tool.output_schema.clone_from(&entry.output);
    let hints = ToolAnnotations::new();
    tool.annotations = Some(match contract.effect {
        Effect::Reads => hints.read_only(true).open_world(false),
        Effect::Drafts | Effect::Runs => {
            hints.read_only(false).destructive(false).open_world(false)
        }
        Effect::Commits => hints.read_only(false).destructive(true).open_world(true),
    });
    tool
}

/// Whether the name says what the title does, as `repo_log` says `Log`: hosts then show the name,
/// and the title is not paid for.
fn says_its_title(contract: &Contract) -> bool {
    let words = contract.name.split_once('_').map(|(_, words)| words.replace('_', " "));
    words.is_some_and(|words| words.eq_ignore_ascii_case(contract.title))
}

pub(super) fn resource(resource: contract::Resource) -> Resource {
    // A name may be a document's title: somebody else's words.
    let name = contract::text::visible(&resource.name).into_owned();
    let mut out = Resource::new(resource.uri, name).with_mime_type(resource.mime);
    out.size = resource.size;
    out
}

pub(super) fn template(template: &contract::Template) -> ResourceTemplate {
    ResourceTemplate::new(template.uri, template.name)
        .with_description(template.description)
        .with_mime_type(template.mime)
}

pub(super) fn prompt(prompt: &contract::Prompt) -> Prompt {
    let argument = |argument: &contract::PromptArgument| {
        PromptArgument::new(argument.name)
            .with_description(argument.description)
            .with_required(argument.required)
    };
    let arguments = prompt.arguments.iter().map(argument).collect::<Vec<_>>();
    let arguments = Some(arguments).filter(|arguments| !arguments.is_empty());
    Prompt::new(prompt.contract.name, Some(prompt.contract.purpose), arguments)
        .with_title(prompt.contract.title)
}

fn block(block: Block) -> ContentBlock {
    match block {
        Block::Text(text) => ContentBlock::text(text),
        Block::Media(Media::Image { data, mime }) => ContentBlock::image(data, mime),
        Block::Media(Media::Audio { data, mime }) => ContentBlock::audio(data, mime),
        Block::Media(Media::Resource { uri, mime, content }) => {
            ContentBlock::resource(contents(content, uri, mime))
        }
    }
}

fn contents(content: Body, uri: String, mime: &str) -> ResourceContents {
    match content {
        Body::Text(text) => ResourceContents::text(text, uri).with_mime_type(mime),
        Body::Blob(blob) => ResourceContents::blob(blob, uri).with_mime_type(mime),
    }
}

/// A tool's answer.
pub(super) fn call_result(shown: Shown) -> CallToolResult {
    let mut result = CallToolResult::success(shown.blocks.into_iter().map(block).collect());
    result.structured_content = shown.structured;
    result.is_error = None;
    result
}

/// A resource's contents: its text as one, or what the tool attached.
pub(super) fn resource_result(uri: String, answer: Answer) -> ReadResourceResult {
    let mime = answer.mime.unwrap_or("text/plain");
    let contents = answer.shown.blocks.into_iter().map(|block| match block {
        Block::Text(text) => ResourceContents::text(text, uri.clone()).with_mime_type(mime),
        Block::Media(Media::Resource { uri, mime, content }) => contents(content, uri, mime),
        Block::Media(Media::Image { data, mime } | Media::Audio { data, mime }) => {
            ResourceContents::blob(data, uri.clone()).with_mime_type(mime)
        }
    });
    ReadResourceResult::new(contents.collect())
}

pub(super) fn resource_error(error: &ToolError, uri: &str) -> McpError {
    let data = Some(json!({ "uri": uri.chars().take(1000).collect::<String>() }));
    match error.kind {
        Kind::NotFound => McpError::resource_not_found(error.text(), data),
        Kind::Invalid | Kind::Denied => McpError::invalid_params(error.text(), data),
        _ => McpError::internal_error(error.text(), data),
    }
}

/// A prompt's messages, in the role of the user.
pub(super) fn prompt_result(shown: Shown) -> GetPromptResult {
    let message = |piece| PromptMessage::new(Role::User, block(piece));
    GetPromptResult::new(shown.blocks.into_iter().map(message).collect())
}

pub(super) fn enable_logging(capabilities: &mut ServerCapabilities, logs: bool) {
    if logs {
        capabilities.logging = Some(Default::default());
    }
}

pub(super) fn enable_tasks(capabilities: &mut ServerCapabilities, tasks: bool) {
    if tasks {
        let extension = (TASKS_EXTENSION_ID.to_owned(), Default::default());
        capabilities.extensions.get_or_insert_default().extend([extension]);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::{Approval, Limit, Size};

    use super::*;

    #[test]
    fn a_title_that_the_name_says_is_not_paid_for() {
        let says = |name, title| {
            says_its_title(&Contract {
                name,
                title,
                purpose: "",
                effect: Effect::Reads,
                approval: Approval::None,
                limit: Limit::per_minute(1),
                timeout: Duration::from_secs(1),
                size: Size::CAP,
                verified_by: None,
            })
        };
        assert!(says("repo_log", "Log"));
        assert!(says("repo_history_of", "History of"));
        assert!(!says("docs_search", "Search documentation"));
        assert!(!says("echo", "Echo"));
    }
}
