//! The operator's log: on standard error, level by `SUITE_LOG`, without secrets.

use std::io::{self, Write};
use std::sync::OnceLock;

use runtime::Redactor;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The secrets of this process, once they are known.
static REDACTOR: OnceLock<Redactor> = OnceLock::new();

/// From now on these secrets do not reach the log.
pub(crate) fn redact(redactor: &Redactor) {
    let _ = REDACTOR.set(redactor.clone());
}

/// Starts the log. `SUITE_LOG` holds a level or targets, such as `info` or `docs=debug`; the
/// default is `warn`.
pub(crate) fn start() {
    let wanted = std::env::var("SUITE_LOG").unwrap_or_else(|_| "warn".to_owned());
    let levels: Targets =
        wanted.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::WARN));
    // The protocol library logs whole parameters, and calls every client that goes away an error.
    let levels = levels.with_target("rmcp", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(Clean).with_ansi(false);
    let _ = tracing_subscriber::registry().with(lines).with(levels).try_init();
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

/// Writes lines to standard error, redacted. An event is one `write`.
#[derive(Clone, Copy)]
struct Clean;

impl Write for Clean {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // Until the secrets are known, those of known kinds are.
        let clean = REDACTOR
            .get()
            .map_or_else(|| Redactor::default().text(&text), |redactor| redactor.text(&text));
        io::stderr().write_all(clean.as_deref().unwrap_or(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for Clean {
    type Writer = Clean;

    fn make_writer(&self) -> Clean {
        Clean
    }
}
