//! The parts of tcpprobed, which its tests reach too.
//!
//! Control plane: [`config`], [`server`], [`admission`], [`access`], [`service`] → [`jobs`]. Data plane: [`tracefs`] → [`capture`] → [`store`],
//! one thread a job, with nothing of tokio on the way. [`reading`] gives what is stored back.

pub mod access;
pub mod admission;
pub mod capture;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod descriptors;
pub mod disk;
pub mod doctor;
pub mod guests;
pub mod handed_over;
pub mod jobs;
pub mod reading;
pub mod runtime;
pub mod server;
pub mod service;
pub mod socket;
pub mod store;
pub mod systemd;
pub mod tracefs;
pub mod vital;
