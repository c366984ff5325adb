//! The fixture server: on the product's own runtime, tools that no product should have.
//!
//! What the conformance suite asks for is in [`answers`], [`notices`], [`questions`],
//! [`resources`] and [`prompts`]; its scenarios name the tools and say what they answer. What the
//! robustness tests need is in [`work`] (slow, blocking, panicking), [`dangers`] (hostile, huge,
//! leaking), [`shapes`] (records, tables) and [`acting`] (more than reading); [`canned`] are tools
//! declared in configuration.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Needs, Part, Place, Principal, Prompt, Registry,
    Resource, ResourceCall, Secret, SecretRef, Server, Size, StartError, Target, Template, Text,
    Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

mod acting;
mod answers;
mod canned;
mod dangers;
mod deeds;
mod hostile;
mod notices;
mod prompts;
mod questions;
mod resources;
mod shapes;
mod trivial;
mod work;

pub use canned::Canned;
pub use trivial::Trivial;

/// The fixture.
pub struct Fixture {
    canary: Option<Secret>,
    canned: Vec<Canned>,
    service: Option<u16>,
    state: PathBuf,
    work: Arc<work::Tally>,
}

/// Its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A secret that must never be seen.
    pub canary: Option<SecretRef>,
    /// The port of a loopback service that deeds are sent to.
    pub service: Option<u16>,
    /// Tools that always answer the same.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub canned: Vec<canned::Table>,
    /// Files and folders it says it reads.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(max = 4096)))]
    pub reads: Vec<PathBuf>,
    /// Ports it says it connects to, beside that of the service.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub connects: Vec<u16>,
}

impl Server for Fixture {
    const NAME: &'static str = "test";
    const TITLE: &'static str = "Fixture";
    const INSTRUCTIONS: &'static str = "A server for tests.";
    const LOGS: bool = true;
    const SUBSCRIBES: bool = true;
    type Settings = Settings;

    fn needs(settings: &Settings, place: &Place) -> Needs {
        Needs {
            read: settings.reads.iter().map(|path| place.path(path)).collect(),
            connect: settings.connects.iter().copied().chain(settings.service).collect(),
            ..Needs::default()
        }
    }

    async fn open(settings: Settings, place: &Place) -> Result<Self, StartError> {
        Ok(Self {
            canary: settings.canary.map(|reference| place.secret(&reference)).transpose()?,
            canned: settings.canned.into_iter().map(Canned::new).collect(),
            service: settings.service,
            state: place.state().to_owned(),
            work: Arc::default(),
        })
    }

    fn tools<R: Registry<Self>>(&self, registry: &mut R) {
        registry.add::<Echo>();
        answers::register(registry);
        notices::register(registry);
        questions::register(registry);
        registry.add::<resources::Read>();
        work::register(registry);
        dangers::register(registry);
        hostile::register(registry);
        shapes::register(registry);
        acting::register(registry);
        deeds::register(registry);
        for canned in &self.canned {
            registry.add_configured(canned.clone());
        }
    }

    async fn resources(&self, _: &Principal) -> Vec<Resource> {
        resources::list()
    }

    fn templates(&self) -> Vec<Template> {
        vec![resources::TEMPLATE]
    }

    fn resource(&self, uri: &str) -> Option<ResourceCall> {
        resources::call(uri)
    }

    fn prompts(&self) -> Vec<Prompt> {
        prompts::list()
    }

    async fn prompt(
        &self,
        ctx: &Ctx,
        name: &str,
        args: Map<String, Value>,
    ) -> Result<Vec<Part>, ToolError> {
        prompts::render(ctx, name, &args).await
    }

    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        let known: &[&str] = match (owner, argument) {
            ("test_prompt_with_arguments", "arg1") => &["paris", "park", "party"],
            (uri, "id") if uri == resources::TEMPLATE.uri => resources::IDS,
            _ => &[],
        };
        let fitting = known.iter().filter(|value| value.starts_with(prefix));
        fitting.map(|value| Target::one("completion", *value)).collect()
    }
}

/// The contract of a fixture tool that reads: harmless, fast, never limited.
const fn reads(name: &'static str, title: &'static str, purpose: &'static str) -> Contract {
    Contract {
        name,
        title,
        purpose,
        effect: Effect::Reads,
        approval: Approval::None,
        limit: Limit::per_second(1_000_000),
        timeout: Duration::from_secs(10),
        size: Size::tokens(2_000),
        verified_by: None,
    }
}

/// A text of one part.
fn text(text: impl Into<String>) -> Text {
    Text { parts: vec![Part::Text(text.into())], more: None }
}

/// Answers at once.
pub struct Echo;

/// What to say.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EchoArgs {
    /// What to say.
    #[schemars(length(max = 1000))]
    pub text: Option<String>,
}

impl Tool for Echo {
    type Server = Fixture;
    type Args = EchoArgs;
    type Out = Text;
    const CONTRACT: Contract = reads("test_echo", "Echo", "Says what it is told.");

    fn target(_: &Fixture, _: &EchoArgs) -> Target {
        Target::one("nothing", "echo")
    }

    async fn call(_: &Fixture, _: &Ctx, args: EchoArgs) -> Result<Text, ToolError> {
        Ok(text(args.text.unwrap_or_else(|| "ok".to_owned())))
    }
}
