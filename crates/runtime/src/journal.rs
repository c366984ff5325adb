//! The way into the log: no record gets there but without secrets.

use contract::record::Record;
use state::{Log, StateError};

use crate::Redactor;

/// Writes a record without the secrets that `redactor` knows; `durable` waits for the disk.
pub fn append(
    log: &Log,
    redactor: &Redactor,
    mut record: Record<'_>,
    durable: bool,
) -> Result<(), StateError> {
    let written = match (redactor.record(&record), durable) {
        (Some(mut clean), true) => log.append_durable(&mut clean),
        (Some(mut clean), false) => log.append(&mut clean),
        (None, true) => log.append_durable(&mut record),
        (None, false) => log.append(&mut record),
    };
    written.map(drop)
}
