//! The parts of tcpprobed, which its tests reach too.
//!
//! Control plane: [`api`] → [`jobs`]. Data plane: [`tracefs`] → [`capture`] → [`store`], one thread a job, with nothing of
//! tokio on the way. [`read_stream`] gives what is stored back. `tests/house.rs` lists the rooms from the lowest to the
//! highest, and fails where a lower one imports a higher one.

pub mod abort_on_panic;
pub mod api;
pub mod byte_size;
pub mod capture;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod descriptors;
pub mod disk;
pub mod doctor;
pub mod hash;
pub mod jobs;
pub mod listen_fds;
pub mod lock;
pub mod owners;
pub mod read_stream;
pub mod runtime_folder;
pub mod sockdiag;
pub mod store;
pub mod systemd;
pub mod tracefs;
pub mod user;
pub mod wording;
