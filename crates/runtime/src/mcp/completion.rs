//! Completion of the arguments of prompts and templates: the values that policy permits.

use contract::Principal;
use rmcp::ErrorData as McpError;
use rmcp::model::{ArgumentInfo, CompletionInfo, Reference};

use super::Adapter;

impl Adapter {
    pub(super) fn completions(
        &self,
        principal: &Principal,
        reference: &Reference,
        argument: &ArgumentInfo,
    ) -> Result<CompletionInfo, McpError> {
        let (owner, tool) = self.completed(principal, reference)?;
        let values = self.pipeline.catalogue().complete(owner, &argument.name, &argument.value);
        let permitted =
            values.into_iter().filter(|target| self.pipeline.permits(principal, tool, target));
        let mut values: Vec<String> = permitted.filter_map(|target| target.name).collect();
        let total = u32::try_from(values.len()).unwrap_or(u32::MAX);
        let more = values.len() > CompletionInfo::MAX_VALUES;
        values.truncate(CompletionInfo::MAX_VALUES);
        let mut info = CompletionInfo::new(values).unwrap_or_default();
        (info.total, info.has_more) = (Some(total), Some(more));
        Ok(info)
    }

    /// What is completed, and the tool whose policy decides which values are offered.
    fn completed<'a>(
        &'a self,
        principal: &Principal,
        reference: &'a Reference,
    ) -> Result<(&'a str, &'a str), McpError> {
        let catalogue = self.pipeline.catalogue();
        let found = match reference {
            Reference::Resource(resource) => catalogue
                .templates
                .iter()
                .find(|template| template.uri == resource.uri)
                .map(|template| (template.uri, template.tool)),
            Reference::Prompt(prompt) => catalogue
                .entries()
                .prompt(&prompt.name)
                .map(|entry| (entry.contract.name, entry.contract.name)),
            _ => None,
        };
        found
            .filter(|(_, tool)| self.pipeline.lists(principal, tool))
            .ok_or_else(|| McpError::invalid_params("there is no such template or prompt", None))
    }
}
