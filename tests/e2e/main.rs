//! End-to-end tests: real processes, real clients, real files.

mod approvals;
mod audit;
mod audit_reading;
mod canary;
mod cli;
mod configuration;
mod confine;
mod confirm;
mod contracts;
mod crash;
mod demo;
mod foreign;
mod fuzz;
mod guard;
mod http;
mod identity;
mod judges;
mod limits;
mod once;
mod page;
mod pipeline;
mod robustness;
mod roles;
mod sql;
mod stdio;
mod telemetry;
