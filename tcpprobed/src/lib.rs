//! The parts of the daemon that its tests reach.

pub mod tracefs;
