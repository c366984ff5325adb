//! The tools: one file each, from its contract to its answer.
