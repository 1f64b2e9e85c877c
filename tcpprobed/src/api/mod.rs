//! The API: a connection, who is at its other end and how much that user may take, and what is asked over it.
//!
//! In the order of a request: [`socket`] → [`server`] → [`connection`] and [`peer`] → [`admission`] by [`quota`] → [`service`],
//! which authorizes by [`access`], translates by `convert` and asks [`crate::jobs`].

pub mod access;
pub mod admission;
pub mod connection;
mod convert;
pub mod groups;
pub mod peer;
pub mod quota;
pub mod server;
pub mod service;
pub mod socket;
