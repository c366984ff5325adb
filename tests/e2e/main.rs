//! End-to-end tests: real processes, real clients, real files.

mod approvals;
mod cli;
mod configuration;
mod contracts;
mod crash;
mod demo;
mod fuzz;
mod guard;
mod http;
mod judges;
mod pipeline;
mod robustness;
mod stdio;
