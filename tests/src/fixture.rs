//! The fixture server.

use contract::ctx::Ctx;
use contract::{
    Approval, Contract, Effect, Limit, Part, Place, Registry, Secret, SecretRef, Server, Size,
    StartError, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// The fixture.
pub struct Fixture {
    secret: Option<Secret>,
}

/// Its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A secret that must never be seen.
    pub canary: Option<SecretRef>,
}

impl Server for Fixture {
    const NAME: &'static str = "test";
    const TITLE: &'static str = "Fixture";
    const INSTRUCTIONS: &'static str = "A server for tests.";
    type Settings = Settings;

    async fn open(settings: Settings, place: &Place) -> Result<Self, StartError> {
        let secret = settings.canary.map(|reference| place.secret(&reference)).transpose()?;
        Ok(Self { secret })
    }

    fn tools<R: Registry<Self>>(&self, registry: &mut R) {
        registry.add::<Echo>();
    }
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
    const CONTRACT: Contract = Contract {
        name: "test_echo",
        title: "Echo",
        purpose: "Says what it is told.",
        effect: Effect::Reads,
        approval: Approval::None,
        limit: Limit::per_second(1_000_000),
        timeout: Duration::from_secs(10),
        size: Size::tokens(2_000),
        verified_by: None,
    };

    fn target(_: &EchoArgs) -> Target {
        Target::one("nothing", "echo")
    }

    async fn call(server: &Fixture, _: &Ctx, args: EchoArgs) -> Result<Text, ToolError> {
        let text = args.text.unwrap_or_else(|| "ok".to_owned());
        let text = match &server.secret {
            Some(secret) if text == "leak" => format!("the canary is {}", secret.expose()),
            _ => text,
        };
        Ok(Text { parts: vec![Part::Text(text)], more: None })
    }
}
