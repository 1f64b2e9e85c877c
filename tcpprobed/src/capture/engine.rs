//! The loop of a capture: wait, read, seal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use tcpprobe::file::block::{BlockBuilder, Schema, Seal, Timed};
use tcpprobe::file::{Account, Anchor, Kind, OWN_CPU, Totals, put_frame};
use tcpprobe::kernel::format::PageLayout;
use tcpprobe::kernel::page::{Lost, Page};

use super::block_limits::{BLOCK_AGE, BLOCK_AGE_FOLLOWED, BLOCK_EVENTS};
use super::comms::Comms;
use super::ending::Ending;
use super::loss_accounting::LossAccounting;
use super::own_events::Intake;
use super::priority;
use super::residual::{Residuals, Verdict};
use super::setup::Setup;
use super::shared::Shared;
use super::up_to_now::Answers;
use crate::clock;
use crate::tracefs::{CpuReader, ReadOutcome, StatsFile, TracefsError};

/// Pages of one CPU read before the next CPU has its turn.
const TURN_BYTES: usize = 1 << 20;
/// The kernel's totals are read this often: should somebody reset them, they go backwards.
const TOTALS_INTERVAL: Duration = Duration::from_secs(1);
/// Waits at least this long for more when a wake-up found no full page: not every kernel's poll waits for one.
const SHORT_PAUSE: Duration = Duration::from_millis(20);
/// An event that another CPU was just writing when the kernel's recording ended is waited for so many times.
const LATE_READS_MAX: u32 = 16;
/// An event may be stamped this long before it can be read.
const COMMIT_SLACK: u64 = 1_000_000;
/// Accounts that wait for a disk that is full; beyond it, they are summed.
const PENDING_ACCOUNTS_MAX: usize = 4096;

/// Records handed to the block at a time: the columns are filled one after the other.
const BATCH_RECORDS: usize = 64;

/// One CPU's side of a capture.
struct CpuCapture {
    number: u32,
    reader: CpuReader,
    stats: StatsFile,
    accounting: LossAccounting,
    /// Every event of this CPU up to this time has been read.
    complete: u64,
    /// It has no buffer yet, and poll would not wait for it (`ring_buffer_poll_wait()`: `EPOLLERR`).
    offline: bool,
}

pub struct Engine {
    /// Its job, for the log.
    job: String,
    setup: Setup,
    shared: Arc<Shared>,
    cpus: Vec<CpuCapture>,
    builder: BlockBuilder,
    own: Intake,
    comms: Comms,
    /// When the first event of the block came.
    opened: Option<Instant>,
    /// When the block before was sealed, or would have been.
    sealed: Instant,
    answers: Answers,
    /// When the totals were read last.
    totals_read: Instant,
    full_pages: u64,
    accounts: Vec<Account>,
    /// How many of the accounts, from the first, are in the shared counters: those that wait for the disk.
    counted: usize,
    frame: Vec<u8>,
}

/// What a CPU's turn left to be read.
#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    /// Only a page that is still being filled.
    PartOfPage,
    More,
}

impl Engine {
    pub fn new(job: &str, setup: Setup, shared: Arc<Shared>) -> Self {
        Engine {
            job: job.to_owned(),
            builder: BlockBuilder::new(Arc::clone(&setup.schema)),
            own: Intake::new(setup.own_events.clone(), setup.since),
            comms: Comms::new(setup.tracefs.clone()),
            cpus: Vec::new(),
            setup,
            shared,
            opened: None,
            sealed: Instant::now(),
            answers: Answers::default(),
            totals_read: Instant::now(),
            full_pages: 0,
            accounts: Vec::new(),
            counted: 0,
            frame: Vec::new(),
        }
    }

    /// Captures until told to stop.
    pub fn run(mut self) -> Ending {
        priority::raise();
        let error = self.open().and_then(|()| self.capture()).err();
        self.shared.questions.end();
        let pages_end = self.setup.staging.numbers().end;
        Ending { run: self.setup.run, error, accounts: self.accounts, pages_end }
    }

    fn open(&mut self) -> Result<(), TracefsError> {
        for number in self.setup.instance.cpus()? {
            let booked = self.setup.booked.get(&number).copied().unwrap_or_default();
            self.cpus.push(CpuCapture {
                number,
                reader: CpuReader::open(&self.setup.instance, number)?,
                stats: StatsFile::open(&self.setup.instance, number)?,
                accounting: LossAccounting::new(number, booked, self.setup.since),
                complete: 0,
                offline: false,
            });
        }
        self.setup.run.ledger().values().for_each(|totals| count(&self.shared, totals));
        if let Some(from) = self.setup.unknown_since {
            let now = clock::boot_ns();
            self.accounts.extend(self.cpus.iter().map(|cpu| Account::unknown(cpu.number, from, now)));
        }
        self.resume();
        if !self.accounts.is_empty() {
            self.seal();
        }
        Ok(())
    }

    /// Stores the pages that an earlier process read and did not store.
    fn resume(&mut self) {
        let Engine { setup, cpus, builder, comms, .. } = self;
        let Setup { staging, layout, residuals, pages_end, .. } = setup;
        let resumed = staging.resume(*pages_end, |number, bytes| {
            if let Some(cpu) = cpus.iter_mut().find(|cpu| cpu.number == number) {
                walk(*layout, bytes, cpu, builder, residuals, comms);
            }
        });
        if resumed > 0 {
            tracing::info!(
                job = self.job,
                pages = resumed,
                events = builder.len(),
                "resumed with the staged pages of an earlier process"
            );
            self.opened = Some(Instant::now());
            self.seal();
        }
    }

    fn capture(&mut self) -> Result<(), TracefsError> {
        loop {
            let stopping = self.shared.stop.load(Ordering::Acquire);
            let due = self.wait(stopping);
            let asked = self.answers.take(&self.shared.questions);
            let due = due || asked.is_some();
            let full_pages = self.read_all(due || stopping)?;
            if !due && full_pages == 0 {
                std::thread::sleep(SHORT_PAUSE);
            }
            if stopping {
                return self.finish();
            }
            if asked.is_some() || self.totals_read.elapsed() >= TOTALS_INTERVAL {
                self.read_totals()?;
            }
            if due && self.own.is_waiting() {
                self.opened.get_or_insert_with(Instant::now);
            }
            if due && self.opened.is_some() {
                match asked.is_some() || self.block_left().is_zero() {
                    true => self.seal(),
                    // A block of little traffic is sealed every other time.
                    false => self.tell(),
                }
            }
            if let Some(number) = asked {
                self.answers.give(&self.shared.questions, number);
            }
            if due && self.opened.is_none() {
                self.sealed = Instant::now();
            }
            if due && let Err(error) = self.setup.run.rotate_if_due() {
                tracing::debug!(job = self.job, %error, "the segment of a quiet job cannot be closed");
            }
        }
    }

    /// The last totals and the last block. While the kernel still records, this is a pause: what was overwritten since
    /// the last page is told to whoever reads the next.
    fn finish(&mut self) -> Result<(), TracefsError> {
        let paused = self.setup.instance.tracing()?;
        let mut left = self.read_totals()?;
        for _ in 0..LATE_READS_MAX {
            if paused || left == 0 {
                break;
            }
            self.read_all(true)?;
            left = self.read_totals()?;
        }
        if !paused {
            let now = clock::boot_ns();
            self.cpus.iter_mut().for_each(|cpu| cpu.accounting.drained(now));
        }
        self.own.end();
        self.seal();
        Ok(())
    }

    /// How long until the block is due, or what is not read yet of one. A follower waits for its age and no more, so it
    /// counts from the block before.
    fn block_left(&self) -> Duration {
        match self.opened {
            _ if self.shared.followers.load(Ordering::Relaxed) > 0 => {
                BLOCK_AGE_FOLLOWED.saturating_sub(self.sealed.elapsed())
            }
            Some(opened) => BLOCK_AGE.saturating_sub(opened.elapsed()),
            None => BLOCK_AGE,
        }
    }

    /// Waits for a buffer to fill up, for the age of a block, or to be told something. Says whether something is due.
    fn wait(&self, stopping: bool) -> bool {
        loop {
            let block = self.block_left();
            let left = self.answers.due_in(&self.shared.questions).map_or(block, |asked| asked.min(block));
            if stopping || left.is_zero() || self.shared.stop.load(Ordering::Acquire) {
                return true;
            }
            if let Some(due) = self.poll(left) {
                return due;
            }
        }
    }

    /// Whether the time is over, or only a buffer filled up; none where the thread was told something.
    fn poll(&self, left: Duration) -> Option<bool> {
        let mut fds: Vec<PollFd<'_>> = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        let online = self.cpus.iter().filter(|cpu| !cpu.offline);
        fds.extend(online.map(|cpu| PollFd::new(&cpu.reader, PollFlags::IN)));
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: i64::from(left.subsec_nanos()) };
        let ready = poll(&mut fds, Some(&timeout)).unwrap_or(0);
        if fds[0].revents().contains(PollFlags::IN) {
            let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
            return None;
        }
        Some(ready == 0)
    }

    /// Reads what there is. With `to_the_end`, also pages that are still being filled: each such read costs the
    /// kernel a walk over its events, so otherwise they are left to fill up. Says how many were full.
    fn read_all(&mut self, to_the_end: bool) -> Result<u64, TracefsError> {
        let before = self.full_pages;
        let mut open: Vec<usize> = (0..self.cpus.len()).collect();
        while !open.is_empty() {
            let mut still = Vec::new();
            for index in open {
                match self.read_turn(index)? {
                    Left::Nothing => {}
                    Left::PartOfPage if !to_the_end => {}
                    Left::PartOfPage | Left::More => still.push(index),
                }
            }
            open = still;
        }
        self.release(self.complete().unwrap_or(0));
        Ok(self.full_pages - before)
    }

    fn read_turn(&mut self, index: usize) -> Result<Left, TracefsError> {
        self.check_staging()?;
        let subbuf = self.cpus[index].reader.subbuf_bytes();
        let before = clock::boot_ns().saturating_sub(COMMIT_SLACK);
        let mut left = TURN_BYTES.max(subbuf);
        while left >= subbuf {
            if !self.setup.staging.has_room(subbuf) || self.builder.len() >= BLOCK_EVENTS {
                self.seal();
            }
            if self.setup.residuals.is_full() {
                self.release(u64::MAX);
            }
            let Engine { setup, cpus, builder, comms, .. } = self;
            let cpu = &mut cpus[index];
            let slot = setup.staging.slot(cpu.number, subbuf);
            let outcome = cpu.reader.read(slot)?;
            cpu.offline = outcome == ReadOutcome::Offline;
            match outcome {
                ReadOutcome::Page(_) => {}
                ReadOutcome::Empty | ReadOutcome::Offline => {
                    cpu.complete = cpu.complete.max(before);
                    cpu.accounting.drained(before);
                    return Ok(Left::Nothing);
                }
                ReadOutcome::Again => return Ok(Left::Nothing),
            }
            let used = used_bytes(setup.layout, slot);
            let page = setup.staging.commit(used);
            walk(setup.layout, page, cpu, builder, &mut setup.residuals, comms);
            self.opened.get_or_insert_with(Instant::now);
            if used < subbuf / 2 {
                return Ok(Left::PartOfPage);
            }
            self.full_pages += 1;
            left -= subbuf;
        }
        Ok(Left::More)
    }

    /// Has the staging area be as long as it was made. What was in it is also in the block.
    fn check_staging(&mut self) -> Result<(), TracefsError> {
        if self.setup.staging.is_whole() {
            return Ok(());
        }
        tracing::warn!(job = self.job, "somebody cut its staging area short; it is made whole");
        self.seal();
        let made = self.setup.staging.make_whole();
        made.map_err(|source| TracefsError::Io {
            path: "the staging area".into(),
            doing: "take its room again",
            source,
        })
    }

    /// Gives the kernel's totals to the accounting. Says how many events wait to be read.
    fn read_totals(&mut self) -> Result<u64, TracefsError> {
        let now = clock::boot_ns();
        let (mut waiting, mut are_right) = (0, true);
        for cpu in &mut self.cpus {
            let stats = cpu.stats.read()?;
            waiting += stats.entries;
            are_right &= cpu.accounting.totals(stats, now);
        }
        if !are_right {
            self.shared.was_reset.store(true, Ordering::Relaxed);
        } else if self.shared.was_reset() {
            // Nothing is sure any more.
        } else if let Some(complete) = self.complete() {
            self.shared.sure_until.fetch_max(complete, Ordering::Relaxed);
        }
        self.totals_read = Instant::now();
        Ok(waiting)
    }

    /// Up to which time all CPUs were read; `None` where there are none.
    fn complete(&self) -> Option<u64> {
        self.cpus.iter().map(|cpu| cpu.complete).min()
    }

    /// Has it decided which of the events that name their sockets alone are stored, up to `until`. What a CPU recorded up to then
    /// and was not read yet cannot count.
    fn release(&mut self, until: u64) {
        let Engine { setup, cpus, builder, comms, .. } = self;
        setup.residuals.release(until, comms, |number, time, record| {
            if let Some(cpu) = cpus.iter_mut().find(|cpu| cpu.number == number) {
                cpu.accounting.kept();
                builder.push(number, &[(time, record)]);
            }
        });
    }

    /// Stores the block and closes the accounting's interval.
    fn seal(&mut self) {
        // What is read is in this block, or nowhere: its pages go.
        self.release(u64::MAX);
        (self.opened, self.sealed) = (None, Instant::now());
        let anchor = clock::anchor();
        self.cpus.iter_mut().for_each(|cpu| cpu.accounting.close(anchor.time, &mut self.accounts));
        self.tell();
        self.own.take(&mut self.builder, anchor.time, &mut self.accounts);
        if self.builder.is_empty() && self.accounts.is_empty() {
            self.setup.staging.clear();
            return;
        }
        let events = self.builder.len() as u64;
        let times = self.builder.times();
        self.frame.clear();
        if let Some(times) = times {
            self.comms.learn(self.builder.pids());
            let complete_until = self.complete().unwrap_or(times.1);
            let pages = self.setup.staging.numbers();
            self.own.promise(complete_until);
            let seal = Seal { sequence: self.setup.run.sequence(), complete_until, pages };
            let Engine { builder, setup, comms, frame, .. } = self;
            put_frame(Kind::Block, frame, |out| {
                builder.seal(&seal, Some(&setup.pointer_key), |pid| comms.get(pid), out);
            });
        }
        self.store(events, times.unwrap_or_default(), anchor);
        self.setup.staging.clear();
    }

    /// Says whose events are in the open block.
    fn tell(&self) {
        if let Some((lookout, snapshots)) = &self.setup.lookout {
            lookout.tell(snapshots, &self.builder);
        }
    }

    /// Appends what was sealed to the run. Where that fails, the events are dropped and booked so, and the accounts
    /// wait for the disk.
    fn store(&mut self, events: u64, times: (u64, u64), anchor: Anchor) {
        let pages_end = self.setup.staging.numbers().end;
        match self.setup.run.append(&self.frame, events, times, &self.accounts, pages_end, anchor) {
            Ok(walls) => {
                self.count_accounts();
                self.accounts.clear();
                self.counted = 0;
                if events > 0 {
                    self.shared.first_event.fetch_min(walls.0, Ordering::Relaxed);
                    self.shared.last_event.fetch_max(walls.1, Ordering::Relaxed);
                }
                self.shared.trouble.send_if_modified(|trouble| trouble.take().is_some());
            }
            Err(error) => {
                for account in self.accounts.iter_mut().filter(|account| account.stored > 0) {
                    if account.cpu == OWN_CPU {
                        account.dropped += std::mem::take(&mut account.stored);
                    } else if let Some(cpu) = self.cpus.iter_mut().find(|cpu| cpu.number == account.cpu) {
                        cpu.accounting.not_stored(account);
                    }
                }
                self.count_accounts();
                if self.accounts.len() > PENDING_ACCOUNTS_MAX {
                    merge(&mut self.accounts);
                    self.counted = self.accounts.len();
                }
                let line = format!("events are being dropped, writing fails: {error}");
                if self.shared.trouble.send_replace(Some(line.clone())).is_none() {
                    tracing::error!(job = self.job, "{line}");
                }
            }
        }
    }

    /// Has the shared counters know all accounts.
    fn count_accounts(&mut self) {
        let mut totals = Totals::default();
        self.accounts[self.counted..].iter().for_each(|account| totals.add(account));
        count(&self.shared, &totals);
        self.counted = self.accounts.len();
    }
}

/// Adds to the counters.
fn count(shared: &Shared, totals: &Totals) {
    shared.stored.fetch_add(totals.stored, Ordering::Relaxed);
    shared.filtered.fetch_add(totals.filtered, Ordering::Relaxed);
    shared.lost.fetch_add(totals.lost, Ordering::Relaxed);
    shared.dropped.fetch_add(totals.dropped, Ordering::Relaxed);
    shared.unknown.fetch_add(totals.unknown, Ordering::Relaxed);
}

/// One account a CPU out of many.
fn merge(accounts: &mut Vec<Account>) {
    let mut merged: Vec<Account> = Vec::new();
    for account in accounts.drain(..) {
        // What is unknown stays of a time of its own.
        let same = |known: &&mut Account| known.cpu == account.cpu && known.is_unknown() == account.is_unknown();
        match merged.iter_mut().find(same) {
            None => merged.push(account),
            Some(known) => {
                known.from = known.from.min(account.from);
                known.to = known.to.max(account.to);
                known.stored += account.stored;
                known.filtered += account.filtered;
                known.lost += account.lost;
                known.dropped += account.dropped;
            }
        }
    }
    *accounts = merged;
}

/// Bytes of a page up to the end of its data and the count of lost events behind it.
fn used_bytes(layout: PageLayout, page: &[u8]) -> usize {
    match Page::parse(layout, page) {
        Ok(parsed) => (layout.data + parsed.data_len() + 8).min(page.len()),
        Err(_) => page.len(),
    }
}

/// Takes the records of a page.
fn walk(
    layout: PageLayout,
    bytes: &[u8],
    cpu: &mut CpuCapture,
    builder: &mut BlockBuilder,
    residuals: &mut Residuals,
    comms: &mut Comms,
) {
    let page = match Page::parse(layout, bytes) {
        Ok(page) => page,
        Err(error) => {
            tracing::warn!(cpu = cpu.number, %error, "a page that cannot be read");
            return;
        }
    };
    cpu.accounting.page(page.lost);
    if page.lost != Lost::None {
        residuals.lose(page.time);
    }
    let mut records = page.records();
    let mut batch: [Timed<'_>; BATCH_RECORDS] = [(0, &[]); BATCH_RECORDS];
    let mut filled = 0;
    for (time, record) in records.by_ref() {
        if !builder.takes(record) {
            continue;
        }
        let wanted = verdict(residuals, comms, builder.schema(), cpu.number, (time, record)) == Verdict::Stored;
        cpu.accounting.record(time, wanted);
        cpu.complete = cpu.complete.max(time);
        if wanted {
            batch[filled] = (time, record);
            filled += 1;
            if filled == BATCH_RECORDS {
                builder.push(cpu.number, &batch);
                filled = 0;
            }
        }
    }
    builder.push(cpu.number, &batch[..filled]);
    if let Some(error) = records.error() {
        tracing::warn!(cpu = cpu.number, %error, "a page that cannot be read to its end");
    }
}

/// What the filter's rest says of a record.
#[inline]
fn verdict(
    residuals: &mut Residuals,
    comms: &mut Comms,
    schema: &Schema,
    cpu: u32,
    (time, record): (u64, &[u8]),
) -> Verdict {
    let [low, high, ..] = *record else { return Verdict::Stored };
    let index = schema.index_of(u16::from_le_bytes([low, high]));
    index.map_or(Verdict::Stored, |index| residuals.verdict(index, cpu, (time, record), comms))
}
