//! `suite <server>`: serving one server over stdio or HTTP.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use runtime::mcp::Adapter;
use runtime::{Stop, http, stdio};

use crate::assemble::{Ready, Source, ready};
use crate::{Launcher, person};

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    launcher: &Launcher,
    address: Option<SocketAddr>,
) -> anyhow::Result<ExitCode> {
    // One client on a pair of pipes needs one thread; many clients want them all.
    let mut builder = match address {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().context("the async runtime did not start")?;
    let code = runtime.block_on(async {
        let ready = ready(source, launchers, launcher).await?;
        let stop = Stop::on_signals().context("signals cannot be caught")?;
        match address {
            None => stdio(&ready, stop).await?,
            Some(address) => http(&ready, address, stop).await?,
        }
        ready.pipeline.stop().await.context("the last record was not written")?;
        anyhow::Ok(ExitCode::SUCCESS)
    });
    // A blocking read that never returns must not keep the process alive.
    runtime.shutdown_background();
    code
}

async fn stdio(ready: &Ready, stop: Stop) -> anyhow::Result<()> {
    let adapter = Adapter::new(ready.pipeline.clone(), person::os_user(), "stdio");
    stdio::serve(adapter, stop).await.context("stdio")
}

async fn http(ready: &Ready, address: SocketAddr, stop: Stop) -> anyhow::Result<()> {
    let listener = http::listen(address).await?;
    let bound = listener.local_addr()?;
    let adapter = Adapter::new(ready.pipeline.clone(), person::loopback(), "http");
    anstream::eprintln!("serving http://{bound}{} (health: /healthz)", http::PATH);
    http::serve(adapter, listener, ready.http.clone(), stop).await.context("http")
}
