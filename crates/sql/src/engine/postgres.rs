//! PostgreSQL.

mod catalogue;
mod gate;

use std::time::Instant;

use contract::ctx::BoxFuture;
use contract::{StartError, ToolError};

use super::{Engine, Plan, Run, Setup, Sink, Vetted};
use crate::schema::Schema;

/// A database of PostgreSQL.
pub(crate) struct Postgres {
    setup: Setup,
}

impl Postgres {
    pub(crate) fn new(setup: Setup) -> Result<Self, StartError> {
        Ok(Self { setup })
    }

    fn not_yet<T: Send + 'static>(&self) -> BoxFuture<'_, Result<T, ToolError>> {
        let error = ToolError::internal(format!("{}: not built", self.setup.id));
        Box::pin(std::future::ready(Err(error)))
    }
}

impl Engine for Postgres {
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>> {
        self.not_yet()
    }

    fn run<'a>(
        &'a self,
        _: &'a Run<'a>,
        _: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        self.not_yet()
    }

    fn explain<'a>(&'a self, _: &'a Run<'a>, _: bool) -> BoxFuture<'a, Result<Plan, ToolError>> {
        self.not_yet()
    }

    fn schema(&self, _: Instant) -> BoxFuture<'_, Result<Schema, ToolError>> {
        self.not_yet()
    }
}
