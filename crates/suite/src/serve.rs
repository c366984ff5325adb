//! `suite <server>`: serving one server over stdio or HTTP.

use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use contract::Identity;
use runtime::mcp::Adapter;
use runtime::{Stop, http, stdio};

use crate::assemble::{Ready, Source, ready};
use crate::confinement::{self, Purpose};
use crate::network::Network;
use crate::reload::{Reload, Seen};
use crate::{Launcher, person, reload};

/// What a host asks at once, such as which tools there are, is answered first: vetting takes the
/// processor for as long as a whole start.
const FIRST: Duration = Duration::from_millis(50);

pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    launcher: &Launcher,
    address: Option<SocketAddr>,
) -> anyhow::Result<ExitCode> {
    let purpose = address.map_or(Purpose::Stdio, Purpose::Http);
    // Asked before: what says how much of the machine is ours is out of reach afterwards.
    let threads = match address {
        None => 1,
        Some(_) => std::thread::available_parallelism().map_or(1, NonZero::get),
    };
    let seen = Seen::now(&source.path);
    let confined = confinement::enter(source, launchers, launcher, purpose)?;
    let started = confined.started(if address.is_some() { "HTTP" } else { "stdio" });
    let config = &confined.checked.config;
    let reload = Reload::new(confined.source, launchers, launcher.name, seen, config);
    // One client on a pair of pipes needs one thread; many clients want them all.
    let mut builder = match address {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .enable_all()
        .worker_threads(threads)
        .build()
        .context("the async runtime did not start")?;
    let code = runtime.block_on(async {
        let hangup = reload::on_hangup().context("signals cannot be caught")?;
        let ready =
            ready(confined.checked, launcher, confined.beside, confined.copies, started).await?;
        let stop = Stop::on_signals().context("signals cannot be caught")?;
        ready.pipeline.tend();
        tokio::spawn(reload.watch(ready.pipeline.clone(), hangup));
        let vet = ready.vet();
        let mut vetting = tokio::spawn(async move {
            tokio::time::sleep(FIRST).await;
            let vetted = vet.await;
            #[cfg(target_os = "linux")]
            crate::pages::give_back();
            vetted
        });
        let serving = async {
            match confined.network {
                None => stdio(&ready, confined.user, stop).await,
                Some(network) => http(&ready, network, stop).await,
            }
        };
        let mut serving = std::pin::pin!(serving);
        // Both must be well, whichever ends first: a short session does not hide a wrong start.
        let vetted = tokio::select! {
            served = &mut serving => {
                served?;
                vetting.await?
            }
            vetted = &mut vetting => match vetted? {
                Ok(()) => {
                    serving.await?;
                    Ok(())
                }
                refused => refused,
            },
        };
        ready.pipeline.stop().await.context("the last record was not written")?;
        vetted?;
        anyhow::Ok(ExitCode::SUCCESS)
    });
    // A blocking read that never returns must not keep the process alive.
    runtime.shutdown_background();
    code
}

async fn stdio(ready: &Ready, user: Identity, stop: Stop) -> anyhow::Result<()> {
    let adapter = Adapter::new(ready.pipeline.clone(), user, "stdio");
    stdio::serve(adapter, stop).await.context("stdio")
}

async fn http(ready: &Ready, network: Network, stop: Stop) -> anyhow::Result<()> {
    let scheme = network.scheme();
    let listener = http::listen(network.listener)?;
    let bound = listener.local_addr()?;
    let adapter = Adapter::new(ready.pipeline.clone(), person::loopback(), "http");
    anstream::eprintln!("serving {scheme}://{bound}{} (health: /healthz)", http::PATH);
    http::serve(adapter, listener, network.options, stop).await.context("http")
}
