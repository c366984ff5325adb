//! A server without its type: what the command line needs to check its settings and open it.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::ctx::BoxFuture;
use contract::{Beside, Needs, Place, Server, StartError};
use runtime::{Catalogue, CatalogueError, Overrides};
use serde_json::Value;

/// One server of the binary.
#[derive(Clone, Copy)]
pub struct Launcher {
    /// The subcommand, and the table in servers.toml.
    pub name: &'static str,
    /// What the names of its tools begin with, before `_`.
    pub prefix: &'static str,
    /// What people read.
    pub title: &'static str,
    /// The JSON Schema of its own keys.
    pub schema: fn() -> Value,
    /// What its process must reach once it is confined; `None` where its settings are wrong.
    pub needs: fn(Value, &Place) -> Option<Needs>,
    /// The work of its second process, if it has one; `None` where its settings are wrong.
    pub beside: fn(Value, &Place) -> Option<Beside>,
    /// Opens it.
    pub open: Open,
}

/// Opens a server with its settings, place and the tools' tables.
pub type Open = for<'a> fn(
    Value,
    &'a Place,
    &'a BTreeMap<String, Overrides>,
) -> BoxFuture<'a, Result<Catalogue, OpenError>>;

/// Why a server cannot be opened.
pub enum OpenError {
    /// The settings, or what they name.
    Start(StartError),
    /// The tools' tables.
    Catalogue(Vec<CatalogueError>),
}

impl Launcher {
    /// The launcher of a server.
    pub const fn of<S: Server>() -> Self {
        Self {
            name: S::NAME,
            prefix: S::PREFIX,
            title: S::TITLE,
            schema: contract::schema::of::<S::Settings>,
            needs: needs::<S>,
            beside: beside::<S>,
            open: open::<S>,
        }
    }
}

fn needs<S: Server>(settings: Value, place: &Place) -> Option<Needs> {
    let settings: S::Settings = serde_json::from_value(settings).ok()?;
    Some(S::needs(&settings, place))
}

fn beside<S: Server>(settings: Value, place: &Place) -> Option<Beside> {
    let settings: S::Settings = serde_json::from_value(settings).ok()?;
    S::beside(&settings, place)
}

fn open<'a, S: Server>(
    settings: Value,
    place: &'a Place,
    overrides: &'a BTreeMap<String, Overrides>,
) -> BoxFuture<'a, Result<Catalogue, OpenError>> {
    Box::pin(async move {
        let settings: S::Settings = serde_json::from_value(settings)
            .map_err(|error| OpenError::Start(StartError::new(error.to_string())))?;
        let server = S::open(settings, place).await.map_err(OpenError::Start)?;
        Catalogue::new(Arc::new(server), overrides).map_err(OpenError::Catalogue)
    })
}
