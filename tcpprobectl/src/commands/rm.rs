//! `rm`: removes jobs and what they recorded.

use anyhow::Result;
use tcpprobe_client::Client;

use super::stop::worse;
use crate::cli::RmArgs;
use crate::exit::{self, Exit};
use crate::say;
use crate::value::size;

pub fn run(client: &Client, args: &RmArgs) -> Result<Exit> {
    let mut exit = Exit::Ok;
    for name in &args.names {
        match client.remove(name, args.force) {
            Ok(removed) => say(&format!("removed {name} with {}", size::human(removed.removed_bytes))),
            Err(error) => {
                let error = error.into();
                say(&exit::line(&error));
                exit = worse(exit, exit::code(&error));
            }
        }
    }
    Ok(exit)
}
