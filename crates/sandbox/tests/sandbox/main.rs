//! Runs of real programs in both tiers, as root and as an ordinary user; what they do is looked at
//! from outside.

mod stage;

mod escape;
mod limits;
mod network;
mod reports;
mod runners;
