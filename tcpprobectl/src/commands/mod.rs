//! The verbs, one file each: `run(arguments) -> exit code`.

mod completions;
mod convert;
mod diagnose;
mod doctor;
mod explain;
mod fetch;
mod keep;
mod list;
mod man;
mod names;
mod plot;
mod record;
mod rm;
mod start;
mod status;
mod stop;
mod summary;
mod tail;
mod top;
mod trace;
mod version;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};
use serde_json::Value;
use tcpprobe_client::Client;
use tcpprobe_proto::v1::{StartJobReply, StartJobRequest};

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::filter;

/// Does what `cli` says.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let socket = cli.socket.as_path();
    let exit = match cli.command {
        // It ends as the command does.
        Command::Record(args) => return record::run(socket, &args),
        Command::Start(args) => start::run(&Client::connect(socket)?, args),
        Command::Stop(args) => stop::run(&Client::connect(socket)?, &args),
        Command::Rm(args) => rm::run(&Client::connect(socket)?, &args),
        Command::List(args) => list::run(&Client::connect(socket)?, &args),
        Command::Status(args) => status::run(&Client::connect(socket)?, args),
        Command::Fetch(args) => fetch::run(&Client::connect(socket)?, &args),
        Command::Tail(args) => tail::run(&Client::connect(socket)?, &args),
        Command::Top(args) => top::run(socket, &args),
        Command::Trace(args) => trace::run(socket, args),
        Command::Plot(args) => plot::run(socket, &args),
        Command::Diagnose(args) => diagnose::run(socket, &args),
        Command::Summary(args) => summary::run(socket, &args),
        Command::Explain(args) => explain::run(&args),
        Command::Convert(args) => convert::run(&args),
        Command::Doctor(args) => doctor::run(socket, &args),
        Command::Version(args) => version::run(socket, &args),
        Command::Filter(_) => print(tcpprobe::filter::HELP).map(|()| Exit::Ok),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Names(args) => names::run(socket, &args),
    };
    exit.map(ExitCode::from)
}

/// Starts a job, or explains what that would do; shows where in the filter the daemon found a mistake.
fn start_job(client: &Client, request: StartJobRequest) -> Result<StartJobReply> {
    let text = request.spec.as_ref().map(|spec| spec.filter.clone()).unwrap_or_default();
    client.start(request).map_err(|error| filter::with_place(error, &text))
}

/// Prints `text` to stdout.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout")
}

/// Prints `value` to stdout as indented JSON.
fn print_json(value: &impl Serialize) -> Result<()> {
    write_json(|out| serde_json::to_writer_pretty(out, value))
}

/// Prints `value` to stdout as one line of JSON.
fn print_json_line(value: &impl Serialize) -> Result<()> {
    write_json(|out| serde_json::to_writer(out, value))
}

fn write_json(write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> serde_json::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).map_err(io::Error::from);
    written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).context("stdout")
}

/// A list in JSON, each of which is made when it is written: a hundred thousand connections take no room.
struct Each<'a, T, F>(&'a [T], F);

impl<T, F: Fn(&T) -> Value> Serialize for Each<'_, T, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}
