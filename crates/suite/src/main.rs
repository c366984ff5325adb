//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    suite::main(suite::SERVERS)
}
