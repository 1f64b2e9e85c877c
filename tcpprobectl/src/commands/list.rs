//! `list`: the jobs, one a line.

use anyhow::Result;
use tcpprobe_client::Client;

use super::{print, print_json};
use crate::cli::ListArgs;
use crate::exit::Exit;
use crate::job::{self, JobJson};
use crate::paint::Paint;
use crate::{escape, say};

pub fn run(client: &Client, args: &ListArgs) -> Result<Exit> {
    let jobs = client.list()?;
    if args.json {
        print_json(&jobs.iter().map(JobJson::from).collect::<Vec<_>>())?;
    } else if jobs.is_empty() {
        say("no jobs; `tcpprobectl start NAME` makes one");
    } else {
        print(&job::table(&jobs, Paint::stdout()))?;
        if let Some(job) = jobs.iter().find(|job| !job.store_warning.is_empty()) {
            say(&escape::text(&job.store_warning));
        }
    }
    Ok(Exit::Ok)
}
