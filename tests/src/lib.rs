//! What the end-to-end tests, the benchmarks and the fuzz targets share. Never shipped.
//!
//! [`fixture`] is a server on the very same runtime as the product's, with tools that no product
//! should have: slow ones, panicking ones, leaking ones, and those the conformance suite asks
//! for. [`harness`] starts real processes and speaks to them. [`bench`] measures them against a
//! bare rmcp server. [`fuzz`] feeds the parts that read what strangers write. [`corpus`] is a log
//! of a month, as large as is wanted.

pub mod bench;
pub mod corpus;
pub mod fixture;
pub mod fuzz;
pub mod harness;
