//! `rm`: removes a job and what it recorded.

use anyhow::Result;
use tcpprobe_client::Client;

use crate::cli::RmArgs;
use crate::exit::Exit;
use crate::say;
use crate::value::size;

pub fn run(client: &Client, args: &RmArgs) -> Result<Exit> {
    let removed = client.remove(&args.name, args.force)?;
    say(&format!("removed {} with {}", args.name, size::human(removed.removed_bytes)));
    Ok(Exit::Ok)
}
