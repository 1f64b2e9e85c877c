//! `stop`: stops jobs.

use anyhow::Result;
use tcpprobe_client::Client;
use tcpprobe_proto::v1::JobState;

use crate::cli::StopArgs;
use crate::exit::{self, Exit};
use crate::value::count;
use crate::{job, say};

pub fn run(client: &Client, args: &StopArgs) -> Result<Exit> {
    let mut exit = Exit::Ok;
    let names = if args.all { running(client)? } else { args.names.clone() };
    for name in &names {
        // One that cannot be stopped does not keep the others running.
        match client.stop(name) {
            Ok(stopped) => exit = worse(exit, report(name, &stopped)),
            Err(error) => {
                let error = error.into();
                say(&exit::line(&error));
                exit = worse(exit, exit::code(&error));
            }
        }
    }
    Ok(exit)
}

/// The jobs that run and are the caller's, or all that run where the caller is root.
fn running(client: &Client) -> Result<Vec<String>> {
    let uid = rustix::process::getuid().as_raw();
    let jobs = client.list()?.into_iter().filter(|job| {
        matches!(job.state(), JobState::Running | JobState::Failed) && (uid == 0 || job.owner_uid == uid)
    });
    let names: Vec<String> = jobs.map(|job| job::name(&job).to_owned()).collect();
    if names.is_empty() {
        say("no job runs that is yours to stop");
    }
    Ok(names)
}

fn report(name: &str, stopped: &tcpprobe_proto::v1::Job) -> Exit {
    let run = stopped.runs.last().and_then(|run| run.ledger).unwrap_or_default();
    let missing = job::missing(&run);
    let stored = count::human(run.stored);
    if missing > 0 {
        say(&format!("stopped {name}: {stored} events stored, {} LOST", count::human(missing)));
        return Exit::Lossy;
    }
    say(&format!("stopped {name}: {stored} events stored, none lost"));
    Exit::Ok
}

/// The exit code for two jobs: a failure outweighs a loss, and the first failure a later one.
pub fn worse(first: Exit, second: Exit) -> Exit {
    match (first, second) {
        (Exit::Ok | Exit::Lossy, Exit::Ok) => first,
        (Exit::Ok | Exit::Lossy, second) => second,
        _ => first,
    }
}
