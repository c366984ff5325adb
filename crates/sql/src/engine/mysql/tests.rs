//! Tests on a real MariaDB.

mod attacks;
mod describing;
mod ending;
mod honest;
mod rules;
mod sample;
mod session;
mod types;
mod vetting;
mod world;
