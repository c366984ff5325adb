//! A client that is not there.

use std::collections::BTreeMap;

use contract::ctx::BoxFuture;
use contract::{Channel, Question, ToolError};
use serde_json::Value;

/// Hears nothing and answers nothing.
pub struct Silent;

impl Channel for Silent {
    fn progress(&self, _: f64, _: Option<f64>, _: String) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn log(&self, _: &'static str, _: Value) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn ask(
        &self,
        _: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        let error = ToolError::unavailable("nobody is there", "the test asks nobody");
        Box::pin(std::future::ready(Err(error)))
    }
}
