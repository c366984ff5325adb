//! The fixture server with the product's own command line.

use std::process::ExitCode;

use suite::Launcher;
use tests::fixture::Fixture;

fn main() -> ExitCode {
    suite::main(const { &[Launcher::of::<Fixture>()] })
}
