//! `status`: everything about a job or all, once or whenever it changes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Result;
use tcpprobe_client::{Client, Code, Error, Next};
use tcpprobe_proto::v1::Job;

use super::{print, print_json, print_json_line};
use crate::cli::StatusArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::job::{self, JobJson};
use crate::paint::Paint;
use crate::say;
use crate::value::timestamp;

/// How soon Ctrl-C is noticed.
const PATIENCE: Duration = Duration::from_millis(100);
/// Cursor home, clear to the end of the screen.
const CLEAR: &str = "\x1b[H\x1b[J";

pub fn run(client: &Client, args: StatusArgs) -> Result<Exit> {
    if args.watch {
        return watch(client, args);
    }
    let Some(name) = &args.name else {
        return all(client, args.json);
    };
    let job = client.get(name)?;
    if args.json {
        print_json(&JobJson::from(&job))?;
    } else {
        print(&job::details(&job, timestamp::now(), Paint::stdout()))?;
    }
    Ok(Exit::Ok)
}

fn all(client: &Client, json: bool) -> Result<Exit> {
    let mut jobs = Vec::new();
    // The list has only the newest run of each.
    for listed in client.list()? {
        jobs.push(client.get(job::name(&listed))?);
    }
    if json {
        print_json(&jobs.iter().map(JobJson::from).collect::<Vec<_>>())?;
    } else if jobs.is_empty() {
        say("no jobs; `tcpprobectl start NAME` makes one");
    } else {
        let paint = Paint::stdout();
        let pages: Vec<String> = jobs.iter().map(|job| job::details(job, timestamp::now(), paint)).collect();
        print(&pages.join("\n"))?;
    }
    Ok(Exit::Ok)
}

fn watch(client: &Client, args: StatusArgs) -> Result<Exit> {
    if let Some(name) = &args.name {
        // A watch of a job that is not there would wait for ever.
        client.get(name)?;
    }
    let one = args.name.is_some();
    let interrupt = Interrupt::install()?;
    let mut stream = client.watch(args.name.into_iter().collect())?;
    let mut jobs = BTreeMap::new();
    while !interrupt.came() {
        match stream.next(PATIENCE)? {
            Next::Message(reply) => show(&mut jobs, with_runs(client, reply.jobs, one)?, args.json)?,
            Next::Waiting => {}
            Next::End => break,
        }
    }
    Ok(Exit::Ok)
}

/// What is told of a change has only the newest run; a job that is watched alone is shown with all.
fn with_runs(client: &Client, changed: Vec<Job>, one: bool) -> Result<Vec<Job>> {
    let all = |job: Job| match client.get(job::name(&job)) {
        Ok(job) => Ok(job),
        // It was just removed.
        Err(Error::Status { code: Code::NotFound, .. }) => Ok(job),
        Err(error) => Err(error.into()),
    };
    if one { changed.into_iter().map(all).collect() } else { Ok(changed) }
}

fn show(jobs: &mut BTreeMap<String, Job>, changed: Vec<Job>, json: bool) -> Result<()> {
    if json {
        return changed.iter().try_for_each(|job| print_json_line(&JobJson::from(job)));
    }
    if !io::stdout().is_terminal() {
        return changed.iter().try_for_each(|job| print(&(job::line(job) + "\n")));
    }
    jobs.extend(changed.into_iter().map(|job| (job::name(&job).to_owned(), job)));
    let all: Vec<Job> = jobs.values().cloned().collect();
    let page = match all.as_slice() {
        [job] => job::details(job, timestamp::now(), Paint::stdout()),
        all => job::table(all, Paint::stdout()),
    };
    print(&format!("{CLEAR}{page}"))
}
