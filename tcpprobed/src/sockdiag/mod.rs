//! Snapshots: what the kernel says of the sockets of running jobs, once a second while they are active.
//!
//! Captures say whom they saw ([`Lookout`]); one thread asks the kernel about those whose turn it is (`schedule.rs`), by their ends and
//! their cookie, so never about another socket, and hands what it says over as events of our own. It costs at most so many
//! look-ups a second and such a share of a CPU; what that leaves out is counted. It sees the network namespace in which its
//! netlink socket was made, and no other.
//!
//! Where it is configured, the kernel also tells of the sockets that close (`closings.rs`), each with its last tcp_info: those that captures saw
//! (`finals.rs`) have a final snapshot, of what the budget has left.

mod closings;
mod finals;
mod netlink;
mod schedule;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tcpprobe::event::{Socket, tcp_info};
use tcpprobe::kernel::inet_diag::{SocketId, TCP_INFO_BYTES_MIN, TcpInfo};

use crate::abort_on_panic;
use crate::capture::{Lookout, OwnEvent, Seen, Snapshots};
use crate::clock;
use crate::lock::lock;
pub use closings::Listening;
use closings::{Closed, Closings};
use finals::{Known, Unclaimed};
use netlink::{Answer, BATCH, Netlink};
use schedule::{Budget, Turns};

/// Rests no longer at a time, whatever a round took: the machine may have been asleep.
const REST_MAX: Duration = Duration::from_secs(5);

/// What snapshots may cost, of all jobs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Look-ups a second.
    pub per_second: u32,
    /// Share of a CPU, in thousandths.
    pub cpu_permille: u32,
    /// Whether the kernel is to tell of the sockets that close, which costs each close on the host some microseconds.
    pub has_finals: bool,
}

/// Asks the kernel about sockets.
#[derive(Debug)]
pub struct SockDiag {
    netlink: Mutex<Netlink>,
    lookout: Lookout,
    /// Bytes of tcp_info that this kernel gives; 0 while no socket told.
    info_bytes: AtomicUsize,
    cost: Mutex<Cost>,
    /// Where the kernel tells of sockets that close, or why it does not.
    closings: Result<Arc<Closings>, String>,
    /// Whether somebody reads there.
    is_reading: AtomicBool,
}

impl SockDiag {
    /// Over the netlink sockets that systemd gave, to ask by and to be told of closes, or over two of our own.
    ///
    /// # Errors
    /// When the kernel cannot be asked, or this process may not.
    pub fn open(given: Vec<OwnedFd>, cost: Cost) -> io::Result<Arc<Self>> {
        let mut given = given.into_iter();
        let (to_ask, to_be_told) = (given.next(), given.next());
        let closings = match (&to_ask, &to_be_told) {
            // One of our own would be of another network namespace, if it could be had.
            (Some(_), None) => {
                Err("tcpprobed-sockdiag.socket made one socket, and not two as it does since".to_owned())
            }
            _ => Closings::open(to_be_told).map_err(|error| error.to_string()),
        };
        let sock_diag = SockDiag {
            netlink: Mutex::new(Netlink::open(to_ask)?),
            lookout: Lookout::new()?,
            info_bytes: AtomicUsize::new(0),
            cost: Mutex::new(cost),
            closings,
            is_reading: AtomicBool::new(false),
        };
        sock_diag.probe()?;
        Ok(Arc::new(sock_diag))
    }

    /// Asks the kernel for what tells whether it answers. Gives the bytes of tcp_info that it gives, where a socket was there to tell.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn probe(&self) -> io::Result<Option<usize>> {
        let found = lock(&self.netlink).info_bytes()?;
        self.info_bytes.store(found.unwrap_or(0), Ordering::Relaxed);
        Ok(found)
    }

    /// Bytes of tcp_info that a new run is to have: those that this kernel gives. Where no socket is there to tell, those that every
    /// kernel gives.
    #[must_use]
    pub fn info_bytes(&self) -> usize {
        match self.info_bytes.load(Ordering::Relaxed) {
            0 => self.probe().ok().flatten().unwrap_or(TCP_INFO_BYTES_MIN),
            known => known,
        }
    }

    /// Where captures say whom they saw.
    #[must_use]
    pub fn lookout(&self) -> &Lookout {
        &self.lookout
    }

    /// Has snapshots cost as much as this from now on.
    pub fn set_cost(&self, cost: Cost) {
        *lock(&self.cost) = cost;
        // Whether closes are to be told may be another thing now.
        self.lookout.wake();
    }

    /// How it stands with closing sockets, or why they are not told; none where nobody wants them.
    #[must_use]
    pub fn listening(&self) -> Option<Result<Listening, &str>> {
        let closings = self.closings.as_ref().map(|closings| closings.standing()).map_err(String::as_str);
        lock(&self.cost).has_finals.then_some(closings)
    }

    /// The process is about to end: nothing is left that the kernel tells to nobody.
    pub fn end(&self) {
        if let Ok(closings) = &self.closings {
            closings.end();
        }
    }

    /// Has the kernel tell of closing sockets, or tell nothing. Where, if it does.
    fn listen(&self, is_wanted: bool) -> Option<&Closings> {
        let closings = self.closings.as_ref().ok()?;
        if is_wanted && !self.is_reading.swap(true, Ordering::Relaxed) {
            let lookout = self.lookout.clone();
            if let Err(error) = closings.start(move || lookout.wake()) {
                tracing::warn!(%error, "final snapshots: nobody can read of closing sockets");
                self.is_reading.store(false, Ordering::Relaxed);
                return None;
            }
        }
        closings.want(is_wanted);
        is_wanted.then_some(closings)
    }

    /// Takes snapshots for as long as the process lives, in a thread of its own.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        let own = Arc::clone(self);
        abort_on_panic::spawn("sockdiag", move || own.run())
    }

    fn run(&self) {
        let mut rounds = Rounds::default();
        loop {
            let seen = self.lookout.wait();
            let began = cpu_time();
            let cost = *lock(&self.cost);
            rounds.round(self, seen, cost);
            let used = cpu_time().saturating_sub(began);
            rounds.finals(self, cost);
            // So much rest that the share is not passed.
            std::thread::sleep((used * 1000 / cost.cpu_permille.max(1)).saturating_sub(used).min(REST_MAX));
        }
    }
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What is remembered from round to round.
#[derive(Default)]
struct Rounds {
    jobs: Vec<Job>,
    budget: Option<(u32, Budget)>,
    unclaimed: Unclaimed,
    /// Sockets that closed and whose they are, which are in no trace yet.
    last: Vec<(usize, Socket, Rc<Closed>)>,
}

/// One capture.
struct Job {
    of: Arc<Snapshots>,
    turns: Turns,
    /// Whom it saw since the round before.
    seen: Vec<(Socket, u32)>,
    /// Whom it saw and who has not closed.
    known: Known,
}

impl Rounds {
    /// Asks about those of whom it is the turn.
    fn round(&mut self, sock_diag: &SockDiag, seen: Vec<Seen>, cost: Cost) {
        let now = clock::boot_ns();
        // Of a capture that has ended nobody else knows.
        self.jobs.retain(|job| Arc::strong_count(&job.of) > 1);
        for Seen { of, sockets } in seen {
            match self.jobs.iter_mut().find(|job| Arc::ptr_eq(&job.of, &of)) {
                Some(job) => job.seen.extend(sockets),
                None => self.jobs.push(Job { of, turns: Turns::default(), seen: sockets, known: Known::default() }),
            }
        }
        let mut due: Vec<(usize, Socket, u64)> = Vec::new();
        for (at, job) in self.jobs.iter_mut().enumerate() {
            if cost.has_finals {
                let told = job.seen.iter().filter_map(|(socket, _)| self.unclaimed.tell(&mut job.known, *socket));
                self.last.extend(told.map(|(socket, closed)| (at, socket, closed)));
            }
            let turn = job.turns.due(job.seen.drain(..), job.of.interval, now);
            due.extend(turn.into_iter().map(|(socket, events)| (at, socket, events)));
        }
        // The busiest of all jobs.
        due.sort_by_key(|(.., events)| std::cmp::Reverse(*events));
        let left_out = due.split_off(self.afford(due.len(), cost, now));
        for (job, socket, _) in left_out {
            let Job { of, turns, .. } = &mut self.jobs[job];
            of.counts.left_out.fetch_add(u64::from(turns.is_left_out(socket.cookie, now)), Ordering::Relaxed);
        }
        let due: Vec<(usize, Socket)> = due.into_iter().map(|(job, socket, _)| (job, socket)).collect();
        for batch in due.chunks(BATCH) {
            self.ask(sock_diag, batch);
        }
    }

    /// How many snapshots there may be now.
    fn afford(&mut self, wanted: usize, cost: Cost, now: u64) -> usize {
        let budget = match &mut self.budget {
            Some((per_second, budget)) if *per_second == cost.per_second => budget,
            other => &mut other.insert((cost.per_second, Budget::new(cost.per_second, now))).1,
        };
        budget.take(wanted, now)
    }

    /// Takes the last snapshots of those that closed, as many as the others have left.
    fn finals(&mut self, sock_diag: &SockDiag, cost: Cost) {
        let Some(closings) = sock_diag.listen(cost.has_finals && !self.jobs.is_empty()) else {
            (self.unclaimed, self.last) = Default::default();
            self.jobs.iter_mut().for_each(|job| job.known = Known::default());
            return;
        };
        for closed in closings.take() {
            let captures = self.jobs.iter_mut().map(|job| &mut job.known);
            self.unclaimed.close(closed, captures, |job, socket, closed| self.last.push((job, socket, closed)));
        }
        let now = clock::boot_ns();
        closings.lose(self.unclaimed.pass(now));
        let mut last = std::mem::take(&mut self.last);
        last.retain(|(job, _, closed)| {
            let counts = &self.jobs[*job].of.counts;
            counts.emptied.fetch_add(u64::from(closed.info.is_none()), Ordering::Relaxed);
            closed.info.is_some()
        });
        for (job, ..) in last.split_off(self.afford(last.len(), cost, now)) {
            self.jobs[job].of.counts.left_out.fetch_add(1, Ordering::Relaxed);
        }
        last.sort_by_key(|(job, _, closed)| (*job, closed.time));
        for last in last.chunk_by(|a, b| a.0 == b.0) {
            let of = &self.jobs[last[0].0].of;
            let event = |(_, socket, closed): &(usize, Socket, Rc<Closed>)| {
                let info = TcpInfo(closed.info.as_deref()?);
                let record = tcp_info::final_record(socket, info, of.info_bytes, std::process::id())?;
                Some(OwnEvent { time: closed.time, record })
            };
            let events: Vec<OwnEvent> = last.iter().filter_map(event).collect();
            let (taken, failed) = (events.len() as u64, (last.len() - events.len()) as u64);
            of.counts.failed.fetch_add(failed, Ordering::Relaxed);
            if of.own.hand_over(events) {
                of.counts.finals.fetch_add(taken, Ordering::Relaxed);
            }
        }
    }

    fn ask(&mut self, sock_diag: &SockDiag, batch: &[(usize, Socket)]) {
        let id = |(_, socket): &(usize, Socket)| {
            let Socket { local, peer, cookie, .. } = *socket;
            SocketId { local, peer, cookie }
        };
        let ids: Vec<SocketId> = batch.iter().map(id).collect();
        let mut records: Vec<(usize, OwnEvent)> = Vec::new();
        let mut answered = 0;
        let time = clock::boot_ns();
        let asked = lock(&sock_diag.netlink).look_up(&ids, |place, answer| {
            answered += 1;
            let Some((job, socket)) = batch.get(place) else { return };
            let Job { of, turns, .. } = &mut self.jobs[*job];
            turns.had(socket.cookie, time);
            match answer {
                // In TIME_WAIT, that is, which leaves nothing to tell.
                Answer::Found(said) if said.info.is_none() => drop(of.counts.not_found.fetch_add(1, Ordering::Relaxed)),
                Answer::Found(said) => match tcp_info::record(socket, &said, of.info_bytes, std::process::id()) {
                    Some(record) => records.push((*job, OwnEvent { time, record })),
                    None => drop(of.counts.failed.fetch_add(1, Ordering::Relaxed)),
                },
                Answer::NotFound => drop(of.counts.not_found.fetch_add(1, Ordering::Relaxed)),
                Answer::Refused(_) => drop(of.counts.failed.fetch_add(1, Ordering::Relaxed)),
            }
        });
        if let Err(error) = asked {
            tracing::debug!(%error, "the kernel cannot be asked about sockets");
        }
        if answered < batch.len() {
            // All of one job, mostly; the sum is what counts.
            let of = &self.jobs[batch[0].0].of;
            of.counts.failed.fetch_add((batch.len() - answered) as u64, Ordering::Relaxed);
        }
        records.sort_by_key(|(job, _)| *job);
        for records in records.chunk_by(|a, b| a.0 == b.0) {
            let of = &self.jobs[records[0].0].of;
            if of.own.hand_over(records.iter().map(|(_, event)| event.clone())) {
                of.counts.taken.fetch_add(records.len() as u64, Ordering::Relaxed);
            }
        }
    }
}
