//! Where answers go: standard output, or a file that appears whole or not at all.

use std::cell::Cell;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::scan::Tally;
use crate::terminal::DIM;

/// An open output.
pub(super) enum Output {
    /// Styles are dropped where there is no terminal; bytes never are.
    Screen { out: BufWriter<StdoutLock<'static>>, styles: bool },
    /// A file beside its place until it is whole.
    File(BufWriter<NamedTempFile>, PathBuf),
}

impl Output {
    /// Standard output.
    pub(super) fn screen() -> Self {
        let out = io::stdout().lock();
        let styles = AutoStream::choice(&out) != ColorChoice::Never;
        Self::Screen { out: BufWriter::new(out), styles }
    }

    /// The file, or standard output without one.
    pub(super) fn open(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = file else { return Ok(Self::screen()) };
        let path = &place(path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".audit-").tempfile_in(folder);
        let made = made.with_context(|| format!("{}", folder.display()))?;
        Ok(Self::File(BufWriter::new(made), path.to_owned()))
    }

    /// Writes bytes as they are; breaks when nobody reads any more, as in `… | head`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<ControlFlow<()>> {
        let written = match self {
            Self::Screen { out, .. } => out.write_all(bytes),
            Self::File(file, _) => file.write_all(bytes),
        };
        flow(written)
    }

    /// Writes a line for people, with styles where they are seen.
    pub(super) fn line(&mut self, line: &str) -> anyhow::Result<ControlFlow<()>> {
        let text = match self {
            Self::Screen { styles: true, .. } => format!("{line}\n"),
            _ => format!("{}\n", anstream::adapter::strip_str(line)),
        };
        self.write(text.as_bytes())
    }

    /// What was written so far is seen.
    pub(super) fn flush(&mut self) -> anyhow::Result<ControlFlow<()>> {
        match self {
            Self::Screen { out, .. } => flow(out.flush()),
            Self::File(..) => Ok(ControlFlow::Continue(())),
        }
    }

    /// The end: the file is on the disk, in its place, readable by its owner only.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Screen { mut out, .. } => {
                let _ = flow(out.flush())?;
            }
            Self::File(file, path) => {
                let at = || path.display().to_string();
                let file = file.into_inner().map_err(io::IntoInnerError::into_error);
                let file = file.with_context(at)?;
                file.as_file().sync_all().with_context(at)?;
                file.persist(&path).with_context(at)?;
            }
        }
        Ok(())
    }
}

/// Where a file is written: what a link points to is replaced, never the link; and only a file is,
/// never a device, a pipe or a folder.
fn place(path: &Path) -> anyhow::Result<PathBuf> {
    let at = || path.display().to_string();
    let kind = match path.symlink_metadata() {
        Ok(found) => found.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        Err(error) => return Err(error).with_context(at),
    };
    let real = if kind.is_symlink() {
        path.canonicalize().with_context(|| format!("{}: a link that leads nowhere", at()))?
    } else {
        path.to_owned()
    };
    anyhow::ensure!(
        real.metadata().with_context(at)?.is_file(),
        "{} is no file: leave -o out and redirect standard output to write there",
        at()
    );
    Ok(real)
}

fn flow(written: io::Result<()>) -> anyhow::Result<ControlFlow<()>> {
    match written {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error).context("the output"),
    }
}

/// Says on a terminal how far a long reading is.
pub(super) struct Progress {
    began: Instant,
    said: Cell<Option<Instant>>,
    is_terminal: bool,
}

impl Progress {
    pub(super) fn start() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { began: Instant::now(), said: Cell::new(None), is_terminal }
    }

    /// So many bytes of so many are read.
    pub(super) fn at(&self, done: u64, total: u64) {
        let now = Instant::now();
        let last = self.said.get().unwrap_or(self.began + Duration::from_millis(700));
        if !self.is_terminal || now < last + Duration::from_millis(100) {
            return;
        }
        self.said.set(Some(now));
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        anstream::eprint!("\r{DIM}{percent:>3} % of {} MB{DIM:#} ", total / 1_000_000);
    }

    /// Takes the progress away, and says what the reader must know of the whole.
    pub(super) fn end(&self, tally: &Tally) {
        if self.said.get().is_some() {
            anstream::eprint!("\r\x1b[K");
        }
        if tally.unreadable > 0 {
            let (lines, are) = match tally.unreadable {
                1 => ("line", "is no record"),
                _ => ("lines", "are no records"),
            };
            anstream::eprintln!(
                "{DIM}{} {lines} {are}: torn by a crash, or changed; `suite audit verify` says \
                 which.{DIM:#}",
                tally.unreadable
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(path: &Path) -> anyhow::Result<()> {
        let mut output = Output::open(Some(path))?;
        let _ = output.write(b"new")?;
        output.finish()
    }

    #[test]
    fn only_a_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").expect("written");
        for (link, to) in [("link", "file"), ("lost", "nothing"), ("null", "/dev/null")] {
            symlink(to, at(link)).expect("a link");
        }
        fs::create_dir(at("folder")).expect("a folder");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        for name in ["new", "file", "link"] {
            write(&at(name)).expect(name);
        }
        assert_eq!(fs::read_to_string(at("file")).expect("read"), "new");
        for name in ["link", "lost", "null"] {
            if name != "link" {
                write(&at(name)).expect_err(name);
            }
            assert!(at(name).is_symlink(), "{name} was replaced");
        }
        for name in ["folder", "socket"] {
            let kind = at(name).metadata().expect("there").file_type();
            write(&at(name)).expect_err(name);
            assert_eq!(at(name).metadata().expect("there").file_type(), kind);
        }
        assert!(write(Path::new("/dev/null")).is_err());
    }
}
