//! `suite schemas`: what is committed under `schemas/`, so that a changed contract is a changed
//! file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::assemble::{self, Source};
use crate::{Launcher, check, settings};

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    folder: &Path,
) -> anyhow::Result<ExitCode> {
    let mut file = settings::file_schema(launchers);
    file["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    write(&folder.join("servers.schema.json"), &file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(tools(source, launchers, folder));
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

/// One file per configured server: its tools on the wire, and their digests.
async fn tools(source: &Source, launchers: &[Launcher], folder: &Path) -> anyhow::Result<()> {
    let checked = assemble::check(source, launchers, None)?;
    for launcher in check::configured(&checked, launchers) {
        let catalogue = assemble::rehearse(&checked.config, launcher).await?.catalogue;
        let digests: Map<String, Value> = catalogue
            .tools()
            .map(|entry| (entry.contract.name.to_owned(), json!(entry.digest)))
            .collect();
        let golden = json!({ "tools": runtime::mcp::definitions(&catalogue), "digests": digests });
        write(&folder.join(format!("tools/{}.json", launcher.name)), &golden)?;
    }
    Ok(())
}

fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
    }
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
