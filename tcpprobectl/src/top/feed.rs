//! A job's events as they come, read by a thread of their own into what the library keeps of connections.

use std::collections::HashSet;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Result, anyhow};
use tcpprobe::diagnose::{Diagnosis, Live, Stretch};
use tcpprobe::file::Select;
use tcpprobe::file::block::Projection;
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{EventFilter, Item, Losses, Problem, Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_proto::v1::ReadRequest;

use super::row::Row;
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::value::timestamp;

/// So many of the newest events are read before: whose connections are is told when they begin.
const LOOK_BACK_EVENTS: u64 = 1_000_000;
/// Problems that are kept to be told at the end.
const PROBLEMS_MAX: usize = 16;

/// A job that is read.
pub struct Feed {
    pub name: Arc<str>,
    shared: Arc<Mutex<Shared>>,
    is_over: Arc<AtomicBool>,
}

/// How far a feed has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Events of connections since it began.
    pub events: u64,
    pub losses: Losses,
    /// Connections that were too many to keep.
    pub untracked: u64,
    /// All that was there when it began was read.
    pub is_current: bool,
    /// Its run has ended.
    pub has_ended: bool,
}

#[derive(Default)]
struct Shared {
    live: Live,
    losses: Losses,
    is_current: bool,
    problems: Vec<Problem>,
    end: Option<Result<()>>,
}

impl Feed {
    /// Begins to read a job that runs.
    pub fn start(socket: &Path, name: &str) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let feed = Feed { name: name.into(), shared: Arc::clone(&shared), is_over: Arc::clone(&is_over) };
        let (socket, name) = (socket.to_owned(), name.to_owned());
        thread::spawn(move || {
            let _ending = Ending(&shared);
            let end = read(&socket, &name, &shared, &is_over);
            lock(&shared).end = Some(end);
        });
        feed
    }

    /// Ends a stretch of time, as [`Live::tick`].
    pub fn tick(&self, elapsed_ns: u64) {
        lock(&self.shared).live.tick(elapsed_ns);
    }

    /// Its connections at the last tick; `number` is the job's.
    pub fn rows(&self, number: usize, rows: &mut Vec<Row>) {
        let shared = lock(&self.shared);
        rows.extend(shared.live.glances().map(|seen| Row::new((number, &self.name), &seen)));
    }

    /// What held these connections back lately.
    pub fn diagnoses(&self, ids: &HashSet<u64>) -> Vec<Diagnosis> {
        lock(&self.shared).live.diagnoses(ids)
    }

    /// The last stretches of a connection; none where it is gone.
    pub fn history(&self, id: u64) -> Vec<Stretch> {
        let shared = lock(&self.shared);
        let found = shared.live.glances().find(|seen| seen.connection.id == id);
        found.map(|seen| seen.history().collect()).unwrap_or_default()
    }

    pub fn standing(&self) -> Standing {
        let shared = lock(&self.shared);
        Standing {
            events: shared.live.events(),
            losses: shared.losses,
            untracked: shared.live.untracked(),
            is_current: shared.is_current,
            has_ended: shared.end.is_some(),
        }
    }

    /// Whether an error ended it.
    pub fn has_failed(&self) -> bool {
        matches!(lock(&self.shared).end, Some(Err(_)))
    }

    /// The error that ended it.
    pub fn take_error(&self) -> Option<anyhow::Error> {
        let mut shared = lock(&self.shared);
        match shared.end.take() {
            Some(Err(error)) => Some(error),
            end => {
                shared.end = end;
                None
            }
        }
    }

    /// Tells what could not be read, and the sums of what was lost.
    pub fn sums(&self) -> Exit {
        let mut report = Report::new(&format!("job {}", self.name));
        let shared = lock(&self.shared);
        shared.problems.iter().for_each(|problem| report.tell(problem));
        report.sums(&shared.losses)
    }
}

impl Drop for Feed {
    /// Ends the reading, which notices within a part of a second; nobody waits for it.
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Says that it ended, also where it panicked.
struct Ending<'a>(&'a Mutex<Shared>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        lock(self.0).end.get_or_insert_with(|| Err(anyhow!("its reader failed; this is a bug")));
    }
}

/// What a thread left behind that panicked is still good to be looked at: the feed has ended.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(socket: &Path, name: &str, shared: &Mutex<Shared>, is_over: &AtomicBool) -> Result<()> {
    let began_ns = timestamp::now();
    let client = Client::connect(socket)?;
    let request =
        ReadRequest { name: name.to_owned(), last_events: LOOK_BACK_EVENTS, follow: true, ..ReadRequest::default() };
    let stream = JobStream::open(&client, request, |progress| {
        if is_over.load(Ordering::Relaxed) {
            return Ok(ControlFlow::Break(()));
        }
        if progress.is_waiting {
            lock(shared).is_current = true;
        }
        Ok::<_, io::Error>(ControlFlow::Continue(()))
    })?;
    let wanted = Projection::fields(Live::fields());
    let select = Select { wanted, ..Select::default() };
    let mut trace = Trace::tcpp(&format!("job {name}"), stream, Wanted { select, events: EventFilter::default() });
    while let Some(item) = trace.next() {
        let item = item?;
        if let Item::Begin(about) = &item
            && clock_ticks(&about.clock)
        {
            let what = format!("job {name}: its clock counts no nanoseconds, so nothing can be told over time");
            return Err(Failure::new(Exit::Failed, what, "start it again with another trace_clock").into());
        }
        let mut shared = lock(shared);
        shared.live.item(&item);
        if let Item::Events(batch) = &item {
            // On a busy job there may never be a pause; what happened since it began tells as well.
            shared.is_current |= batch.wall(shared.live.latest()).is_some_and(|wall_ns| wall_ns >= began_ns);
        }
        shared.losses = *trace.losses();
        if let Item::Problem(problem) = item
            && shared.problems.len() < PROBLEMS_MAX
        {
            shared.problems.push(problem);
        }
    }
    Ok(())
}
