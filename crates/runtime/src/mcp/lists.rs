//! Lists as one principal may see them, page by page.

use contract::Principal;
use rmcp::ErrorData as McpError;
use rmcp::model::{ConstString, PaginatedRequestParams, Prompt, Resource, ResourceTemplate};
use serde_json::Map;

use super::{Adapter, convert};
use crate::seal::Bond;

/// Items on a page.
const PAGE: usize = 100;

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

impl Adapter {
    /// Cuts a page out of a list. The cursor is sealed for this principal and list.
    pub(super) fn page<T>(
        &self,
        principal: &Principal,
        list: &'static str,
        request: Option<PaginatedRequestParams>,
        mut items: Vec<T>,
    ) -> Result<Page<T>, McpError> {
        let bond = Bond::new("page", principal, list, &Map::new());
        let from: usize = match request.and_then(|request| request.cursor) {
            None => 0,
            Some(cursor) => self.pipeline.sealer().open(&bond, &cursor).ok_or_else(|| {
                McpError::invalid_params("the cursor is damaged, expired, or of another list", None)
            })?,
        };
        let mut items = items.split_off(from.min(items.len()));
        let next = if items.len() > PAGE {
            self.pipeline.sealer().seal(&bond, &(from + PAGE))
        } else {
            None
        };
        items.truncate(PAGE);
        Ok(Page { items, next })
    }

    pub(super) async fn visible_resources(&self, principal: &Principal) -> Vec<Resource> {
        let resources = self.pipeline.catalogue().resources(principal).await.into_iter();
        let permitted = resources
            .filter(|resource| self.pipeline.permits(principal, resource.tool, &resource.target));
        permitted.map(convert::resource).collect()
    }

    pub(super) fn visible_templates(&self, principal: &Principal) -> Vec<ResourceTemplate> {
        let templates = self.pipeline.catalogue().templates.iter();
        templates
            .filter(|template| self.pipeline.lists(principal, template.tool))
            .map(convert::template)
            .collect()
    }

    pub(super) fn visible_prompts(&self, principal: &Principal) -> Vec<Prompt> {
        let prompts = self.pipeline.catalogue().prompts.iter();
        prompts
            .filter(|prompt| self.pipeline.lists(principal, prompt.contract.name))
            .map(convert::prompt)
            .collect()
    }

    /// What is not declared is not there.
    pub(super) fn requires_resources<M: ConstString>(&self) -> Result<(), McpError> {
        require::<M>(!self.pipeline.catalogue().templates.is_empty())
    }

    pub(super) fn requires_prompts<M: ConstString>(&self) -> Result<(), McpError> {
        require::<M>(!self.pipeline.catalogue().prompts.is_empty())
    }

    pub(super) fn requires_subscriptions<M: ConstString>(&self) -> Result<(), McpError> {
        require::<M>(self.pipeline.catalogue().subscribes)
    }
}

fn require<M: ConstString>(declared: bool) -> Result<(), McpError> {
    if declared { Ok(()) } else { Err(McpError::method_not_found::<M>()) }
}
