//! `tail`: a job's newest events, and those to come.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::rc::Rc;

use anyhow::Result;
use tcpprobe::source::{EventFilter, Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_proto::v1::{JobState, ReadRequest};

use crate::cli::TailArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::report::Report;
use crate::value::timestamp;
use crate::{filter, lines, owned, range, say};

/// How far back the newest events that match a filter are looked for.
const LOOK_BACK_EVENTS: u64 = 1_000_000;

pub fn run(client: &Client, args: &TailArgs) -> Result<Exit> {
    let filter = filter::parse(args.filter.as_deref().unwrap_or_default())?;
    owned::refuse(&filter)?;
    let filter = EventFilter::new(Vec::new(), Some(filter));
    let mut request = ReadRequest {
        name: args.name.clone(),
        last_events: if filter.is_all() { args.lines.max(1) } else { LOOK_BACK_EVENTS.max(args.lines) },
        follow: args.follow,
        ..ReadRequest::default()
    };
    let job = client.get(&args.name)?;
    if args.follow {
        if job.state() != JobState::Running {
            say(&format!(
                "job {} does not run: these are the last events of its newest run, and none will come",
                args.name
            ));
        }
    } else {
        request.run = range::newest_run(&job);
    }
    let interrupt = Interrupt::install()?;
    let began_ns = timestamp::now();
    let newest = Rc::new(RefCell::new(Newest::new(args.lines, Output::open(None)?)));
    let shown = Rc::clone(&newest);
    let stream = JobStream::open(client, request, move |progress| {
        if interrupt.came() {
            return Ok(ControlFlow::Break(()));
        }
        if progress.is_waiting {
            // All that was there has come.
            shown.borrow_mut().release()?;
            shown.borrow_mut().out.flush()?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let name = format!("job {}", args.name);
    let mut trace = Trace::tcpp(&name, stream, Wanted { events: filter, ..Wanted::default() });
    let mut report = Report::new(&name);
    lines::each(&mut trace, &mut *lines::exporter(args.format), &mut report, |line, wall_ns| {
        let mut newest = newest.borrow_mut();
        // Without a pause in what comes, the first event that happened since tells.
        if wall_ns.is_some_and(|wall_ns| wall_ns > began_ns) {
            newest.release()?;
        }
        newest.line(line)
    })?;
    newest.borrow_mut().release()?;
    newest.borrow_mut().out.flush()?;
    if !args.follow {
        report.require_events(trace.selected(), trace.losses())?;
    }
    Ok(report.sums(trace.losses()))
}

/// Holds the newest lines back until it is known that they are the newest, and then lets every line through.
struct Newest {
    held: Option<VecDeque<Vec<u8>>>,
    lines: usize,
    out: Output,
}

impl Newest {
    fn new(lines: u64, out: Output) -> Self {
        Newest { held: Some(VecDeque::new()), lines: usize::try_from(lines).unwrap_or(usize::MAX), out }
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(held) = &mut self.held else { return self.out.write_all(line) };
        if held.len() >= self.lines
            && let Some(mut oldest) = held.pop_front()
            && self.lines > 0
        {
            // Its memory serves the line that takes its place.
            oldest.clear();
            oldest.extend_from_slice(line);
            held.push_back(oldest);
        } else if self.lines > 0 {
            held.push_back(line.to_vec());
        }
        Ok(())
    }

    fn release(&mut self) -> io::Result<()> {
        let held = self.held.take().into_iter().flatten();
        held.into_iter().try_for_each(|line| self.out.write_all(&line))
    }
}
