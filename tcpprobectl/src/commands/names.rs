//! `names`, hidden: what a shell completes, one a line.

use std::path::Path;

use anyhow::Result;
use tcpprobe::event::EventSet;
use tcpprobe::event::table::EVENTS;
use tcpprobe_client::Client;

use super::print;
use crate::cli::NamesArgs;
use crate::exit::Exit;
use crate::job;

pub fn run(socket: &Path, args: &NamesArgs) -> Result<Exit> {
    let names: Vec<String> = if args.events {
        let sets = [EventSet::Default, EventSet::Minimal, EventSet::All].map(EventSet::name);
        sets.into_iter().chain(EVENTS.iter().map(|known| known.name)).map(str::to_owned).collect()
    } else if let Some(name) = &args.runs_of {
        Client::connect(socket)?.get(name)?.runs.iter().map(|run| run.number.to_string()).collect()
    } else {
        Client::connect(socket)?.list()?.iter().map(|listed| job::name(listed).to_owned()).collect()
    };
    print(&names.into_iter().map(|name| name + "\n").collect::<String>())?;
    Ok(Exit::Ok)
}
