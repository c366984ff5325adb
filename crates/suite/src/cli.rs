//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use config::Faults;

use crate::assemble::{AssembleError, Source};
use crate::terminal::BAD;
use crate::{
    Launcher, approvals, audit, call, check, demo, doctor, explain, keys, logging, schemas, serve,
    tools,
};

/// MCP servers an enterprise can put in front of its agents: one narrowly scoped server per
/// subcommand, each its own process.
#[derive(Parser)]
#[command(name = "suite", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Clone)]
struct Place {
    /// The configuration
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        default_value = "servers.toml",
        env = "SUITE_CONFIG"
    )]
    config: PathBuf,
    /// The folder for records and indexes, instead of `suite.state`
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Command {
    /// Validate the configuration, and explain who may call what
    Check,
    /// Explain what somebody may call and why, rule by rule
    ///
    /// Exit codes: 0 allowed, 1 not allowed, 2 wrong usage. Example: `suite explain ann docs_read
    /// collection=handbook path=leave.md`
    Explain(explain::ExplainArgs),
    /// List the tools a host would see: effect, limit, approval, token cost
    Tools {
        /// Only this server
        server: Option<String>,
    },
    /// Call one tool through the same pipeline, from the terminal
    ///
    /// Example: `suite call docs_search query="rate limits" limit=3`
    Call(call::CallArgs),
    /// Read and check the log, over all servers
    Audit(audit::AuditArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// List, show, approve or deny what waits for a person
    #[command(subcommand)]
    Approvals(approvals::Command),
    /// Show what the kernel enforces for each server, proved by trying
    Doctor(doctor::DoctorArgs),
    /// Show the main job on embedded defaults: no key, no network, nothing left behind
    Demo,
    /// Copy checkpoints to where `[audit]` says; started by a server, not by people
    #[command(hide = true)]
    CopyCheckpoints,
    /// Write the committed schemas: servers.schema.json and tools/<server>.json
    #[command(hide = true)]
    Schemas {
        /// The folder
        folder: PathBuf,
    },
}

/// How a server is served.
#[derive(Args, Clone)]
struct Serve {
    /// Serve streamable HTTP at this address instead of stdio, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

/// Runs the command line with these servers. Exit codes: 0 done, 1 the call failed, 2 wrong
/// usage or configuration.
pub fn main(launchers: &'static [Launcher]) -> ExitCode {
    logging::start();
    let matches = command(launchers).get_matches();
    let place = match Place::from_arg_matches(&matches) {
        Ok(place) => place,
        Err(error) => error.exit(),
    };
    let source = Source { path: place.config, state: place.state, fetcher: None };
    let (name, inner) =
        matches.subcommand().unwrap_or_else(|| unreachable!("a subcommand is required"));
    if let Some(launcher) = launchers.iter().find(|launcher| launcher.name == name) {
        let http = Serve::from_arg_matches(inner).ok().and_then(|serve| serve.http);
        return finish(name, serve::run(&source, launchers, launcher, http));
    }
    match Cli::from_arg_matches(&matches).map(|cli| cli.command) {
        Ok(Command::Check) => finish(name, check::run(&source, launchers)),
        Ok(Command::Explain(args)) => finish(name, explain::run(&source, launchers, &args)),
        Ok(Command::Tools { server }) => {
            finish(name, tools::run(&source, launchers, server.as_deref()))
        }
        Ok(Command::Call(args)) => finish(name, call::run(&source, launchers, &args)),
        Ok(Command::Audit(args)) => finish(name, audit::run(&source, launchers, args)),
        Ok(Command::Approvals(command)) => {
            finish(name, approvals::run(&source, launchers, command))
        }
        Ok(Command::Doctor(args)) => finish(name, doctor::run(&source, launchers, &args)),
        Ok(Command::Keys(command)) => finish(name, keys::run(&source, launchers, command)),
        Ok(Command::CopyCheckpoints) => finish(name, audit::copy::run()),
        Ok(Command::Demo) => finish(name, demo::run()),
        Ok(Command::Schemas { folder }) => finish(name, schemas::run(&source, launchers, &folder)),
        Err(error) => error.exit(),
    }
}

/// The fixed commands, and one per server.
fn command(launchers: &[Launcher]) -> clap::Command {
    launchers.iter().fold(Cli::command(), |command, launcher| {
        let about = format!("Serve `{}` to an MCP host: {}", launcher.name, launcher.title);
        let server = Serve::augment_args(clap::Command::new(launcher.name)).about(about).after_help(
            "Speaks MCP on standard input and output, or HTTP with --http. Reads [suite], [people], \
             [roles] and its own table of servers.toml only. Stops on SIGTERM, SIGINT or the end of \
             its input; calls in flight end first.",
        );
        command.subcommand(server)
    })
}

fn finish(command: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    let faults = match error.downcast_ref::<AssembleError>() {
        Some(AssembleError::Config(faults)) => Some(faults),
        _ => error.downcast_ref::<Faults>(),
    };
    match faults {
        Some(faults) => {
            let mistakes = if faults.len() == 1 { "mistake" } else { "mistakes" };
            anstream::eprintln!(
                "{BAD}error:{BAD:#} {} {mistakes} in the configuration",
                faults.len()
            );
            anstream::eprintln!("{faults}");
            // A file that cannot be read has nothing to look at.
            if command != "check" && faults.iter().any(|fault| fault.at.line > 0) {
                anstream::eprintln!("`suite check` looks at the whole file.");
            }
        }
        None => anstream::eprintln!("{BAD}error:{BAD:#} {error:#}"),
    }
    ExitCode::from(2)
}
