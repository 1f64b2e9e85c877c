//! `trace`: records now, and prints what is recorded until Ctrl-C.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use tcpprobe::source::{Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_proto::v1::{JobSpec, ReadRequest, StartJobReply, StartJobRequest};

use super::start_job;
use crate::cli::TraceArgs;
use crate::exit::{self, Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::report::Report;
use crate::value::count;
use crate::{filter, lines, private_daemon, say};

/// What is kept of all traces of a job together: people type this often and clean up seldom.
const KEPT_BYTES_MAX: u64 = 1 << 30;

/// The same where it is kept in memory.
const PRIVATE_BYTES_MAX: u64 = 64 << 20;

pub fn run(socket: &Path, args: TraceArgs) -> Result<Exit> {
    filter::parse(&args.filter)?;
    // Goes last: by then its job is stopped and read.
    let (client, private) = private_daemon::connect(socket)?;
    let is_private = private.is_some();
    let client = &client;
    let interrupt = Interrupt::install()?;
    let format = args.format;
    let kept_bytes_max = if is_private { PRIVATE_BYTES_MAX } else { KEPT_BYTES_MAX };
    let (name, reply) = start(client, args, kept_bytes_max)?;
    let recording = Recording { client, name: &name, stopped: Cell::new(false) };
    reply.warnings.iter().for_each(|warning| say(warning));
    if is_private {
        say("no daemon answers, so this command has its own and keeps nothing; recording, Ctrl-C ends it");
    } else {
        say(&format!("recording as job {name}; Ctrl-C ends it"));
    }

    let out = Rc::new(RefCell::new(Output::open(None)?));
    let shown = Rc::clone(&out);
    let request = ReadRequest { name: name.clone(), run: reply.run, follow: true, ..ReadRequest::default() };
    let stream = JobStream::open(client, request, |progress| {
        if progress.is_waiting {
            shown.borrow_mut().flush()?;
        }
        if interrupt.came() {
            // The stream goes on until all that was recorded has come.
            recording.stop()?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let title = format!("job {name}");
    let mut trace = Trace::tcpp(&title, stream, Wanted::default());
    let mut report = Report::new(&title);
    lines::each(&mut trace, &mut *lines::exporter(format), &mut report, |line, _| out.borrow_mut().write_all(line))?;
    out.borrow_mut().flush()?;
    let exit = report.sums(trace.losses());
    let events = count::human(trace.selected());
    say(&match trace.selected() {
        0 => "no events; `tcpprobectl start NAME --dry-run --sample` tells what a filter would record".to_owned(),
        _ if is_private => format!("{events} events, not kept"),
        _ => format!("{events} events, kept in job {name}: `tcpprobectl plot {name}` draws them"),
    });
    Ok(exit)
}

/// Starts a job of the caller's own. Where somebody else has made one of the usual name, its name is a random one.
fn start(client: &Client, args: TraceArgs, kept_bytes_max: u64) -> Result<(String, StartJobReply)> {
    let usual = format!("trace-{}", rustix::process::getuid().as_raw());
    let name = args.name.clone().unwrap_or_else(|| usual.clone());
    match start_job(client, request(&name, &args, kept_bytes_max)) {
        Err(error) if args.name.is_none() && exit::code(&error) == Exit::Denied => {
            let mut random = [0; 4];
            getrandom::fill(&mut random).context("random numbers")?;
            let name = format!("{usual}-{:08x}", u32::from_ne_bytes(random));
            let reply = start_job(client, request(&name, &args, kept_bytes_max))?;
            Ok((name, reply))
        }
        started => Ok((name, started?)),
    }
}

fn request(name: &str, args: &TraceArgs, kept_bytes_max: u64) -> StartJobRequest {
    let spec = JobSpec {
        name: name.to_owned(),
        filter: args.filter.clone(),
        events: args.events.clone(),
        buffer_kb: args.buffer.unwrap_or(0),
        max_size_bytes: kept_bytes_max,
        // It shows what the kernel records.
        snapshots_s: Some(0),
        ..JobSpec::default()
    };
    StartJobRequest { spec: Some(spec), no_clear: args.no_clear, own: true, ..StartJobRequest::default() }
}

/// A job that does not outlive the command.
struct Recording<'a> {
    client: &'a Client,
    name: &'a str,
    stopped: Cell<bool>,
}

impl Recording<'_> {
    fn stop(&self) -> Result<(), Failure> {
        if self.stopped.replace(true) {
            return Ok(());
        }
        match self.client.stop(self.name) {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = error.into();
                let what = format!("job {} goes on: {}", self.name, exit::line(&error));
                Err(Failure::new(exit::code(&error), what, format!("stop it: tcpprobectl stop {}", self.name)))
            }
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.stop() {
            say(&exit::line(&failure.into()));
        }
    }
}
