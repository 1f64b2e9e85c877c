//! `stop`: stops jobs.

use anyhow::Result;
use tcpprobe_client::Client;

use crate::cli::StopArgs;
use crate::exit::{self, Exit};
use crate::value::count;
use crate::{job, say};

pub fn run(client: &Client, args: &StopArgs) -> Result<Exit> {
    let mut exit = Exit::Ok;
    for name in &args.names {
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

/// The exit code of two jobs: a failure outweighs a loss, and the first failure a later one.
fn worse(first: Exit, second: Exit) -> Exit {
    match (first, second) {
        (Exit::Ok | Exit::Lossy, Exit::Ok) => first,
        (Exit::Ok | Exit::Lossy, second) => second,
        _ => first,
    }
}
