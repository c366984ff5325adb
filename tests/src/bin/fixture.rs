//! The fixture server with the product's own command line.

use std::process::ExitCode;

use suite::Launcher;
use tests::fixture::{Fixture, Trivial};

fn main() -> ExitCode {
    suite::main(const { &[Launcher::of::<Fixture>(), Launcher::of::<Trivial>()] })
}
