//! `list`: the jobs, one a line.

use anyhow::Result;
use tcpprobe_client::Client;

use super::{print, print_json};
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::job::{self, JobJson};
use crate::paint::Paint;
use crate::say;

pub fn run(client: &Client, args: &ListArgs) -> Result<Exit> {
    let jobs = client.list()?;
    if args.json {
        print_json(&jobs.iter().map(JobJson::from).collect::<Vec<_>>())?;
    } else if jobs.is_empty() {
        say("no jobs; `tcpprobectl start NAME` makes one");
    } else {
        print(&job::table(&jobs, Paint::stdout()))?;
    }
    Ok(Exit::Ok)
}
