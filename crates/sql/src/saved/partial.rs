//! A file that is being written: it has its name once it is whole, and is gone otherwise.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Address;

/// How the names of partial files end.
const ENDING: &str = "partial";
/// How much is handed to the system at a time.
const BUFFER: usize = 64 * 1024;

/// A file that is being written. Removed when it is dropped.
pub(super) struct Partial {
    file: Option<BufWriter<File>>,
    path: PathBuf,
    target: PathBuf,
    written: u64,
}

impl Partial {
    /// Begins a file in the folder of its owner, which is made where it is not there.
    pub(super) fn create(owner: &Path, address: &Address) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(owner)?;
        let target = owner.join(address.file());
        let path = target.with_extension(ENDING);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Where the file system knows no locks, age alone tells what is abandoned.
        let _ = file.try_lock();
        let file = Some(BufWriter::with_capacity(BUFFER, file));
        Ok(Self { file, path, target, written: 0 })
    }

    /// The bytes written so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Brings everything to the disk.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush()?;
        file.get_ref().sync_data()
    }

    /// Gives the file its name.
    pub(super) fn publish(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.file = None;
        Ok(())
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        file.write_all(bytes)?;
        self.written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // What is still in memory is not worth writing.
            let _ = file.into_parts();
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a file was never finished.
pub(super) fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ENDING)
}

/// Whether no process writes a partial file any more.
pub(super) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}
