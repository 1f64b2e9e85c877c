//! `trace`: records now, and prints what is recorded until Ctrl-C.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::ops::ControlFlow;
use std::rc::Rc;

use anyhow::Result;
use tcpprobe::export::TextExporter;
use tcpprobe::source::{Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_proto::v1::{JobSpec, ReadRequest, StartJobRequest};

use super::start_job;
use crate::cli::TraceArgs;
use crate::exit::{self, Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::report::Report;
use crate::value::count;
use crate::{filter, lines, say};

/// What is kept of all traces of a job together: people type this often and clean up seldom.
const KEPT_BYTES_MAX: u64 = 1 << 30;

pub fn run(client: &Client, args: TraceArgs) -> Result<Exit> {
    filter::parse(&args.filter)?;
    let name = args.name.clone().unwrap_or_else(|| format!("trace-{}", rustix::process::getuid().as_raw()));
    let interrupt = Interrupt::install()?;
    let reply = start_job(client, request(&name, args))?;
    let recording = Recording { client, name: &name, stopped: Cell::new(false) };
    reply.warnings.iter().for_each(|warning| say(warning));
    say(&format!("recording as job {name}; Ctrl-C ends it"));

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
    lines::each(&mut trace, &mut TextExporter::default(), &mut report, |line, _| out.borrow_mut().write_all(line))?;
    out.borrow_mut().flush()?;
    let exit = report.sums(trace.losses());
    say(&format!(
        "{} events, kept in job {name}: `tcpprobectl plot {name}` draws them",
        count::human(trace.selected())
    ));
    Ok(exit)
}

fn request(name: &str, args: TraceArgs) -> StartJobRequest {
    let spec = JobSpec {
        name: name.to_owned(),
        filter: args.filter,
        events: args.events,
        buffer_kb: args.buffer.unwrap_or(0),
        max_size_bytes: KEPT_BYTES_MAX,
        ..JobSpec::default()
    };
    StartJobRequest { spec: Some(spec), no_clear: args.no_clear, ..StartJobRequest::default() }
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
