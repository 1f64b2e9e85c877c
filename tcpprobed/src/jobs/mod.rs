//! The control plane: which jobs there are, who owns them, and what state they are in.
//!
//! Everything here may block (tracefs, disk, a thread that drains) and is called from threads that may. Each job has
//! one lock for what changes it, and one for looking at it that is only ever held for a moment.

mod error;
mod plan;
mod spec;
mod trial;
mod view;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tcpprobe::trace::{Header, Totals};
use tokio::sync::watch;

pub use error::JobError;
pub use plan::{EventPlan, Plan};
pub use spec::{JobFile, Spec};
pub use trial::Sample;
pub use view::{JobView, RunView, State};

use crate::capture::{Capture, Ending, Follower, STAGING_BYTES, Setup, Shared, Staging};
use crate::clock;
use crate::config::Config;
use crate::store::{Capacity, Keep, Progress, RunMeta, RunWriter, Store, StoreError, from_toml};
use crate::tracefs::{Instance, Tracefs, kernel_release};

/// How often jobs are looked after: durations, retention, captures that ended.
const CARE_INTERVAL: Duration = Duration::from_secs(1);
/// Retention looks at the store this often.
const RETENTION_INTERVAL: Duration = Duration::from_secs(5);

/// All jobs of a daemon.
pub struct Jobs {
    config: Config,
    tracefs: Tracefs,
    store: Store,
    /// Beginning of the names of this daemon's kernel instances.
    prefix: String,
    entries: Mutex<BTreeMap<String, Arc<Entry>>>,
    /// Counts changes, for watchers.
    changes: watch::Sender<u64>,
    stopping: AtomicBool,
    /// Held by whoever uses the instance for trials.
    trying: Mutex<()>,
}

/// One job.
struct Entry {
    name: String,
    /// Held by whoever starts, stops or removes it.
    change: Mutex<()>,
    now: Mutex<Now>,
}

/// What is so at the moment.
struct Now {
    file: JobFile,
    runs: Vec<RunRecord>,
    state: State,
    capture: Option<Running>,
    message: String,
}

/// A run that is not going on; of the one that is, what was before this daemon took it up.
struct RunRecord {
    number: u32,
    meta: RunMeta,
    bytes: u64,
    segments: u32,
    walls: Option<(i64, i64)>,
}

struct Running {
    capture: Capture,
    instance: Instance,
    kernel_buffer_kb: u64,
    /// Events stored and when that was looked at, twice: for the rate.
    rate: [(Instant, u64); 2],
    deadline: Option<Instant>,
}

/// Where a run can be read.
pub struct Source {
    /// The run's folder.
    pub folder: std::path::PathBuf,
    /// The run's name in the catalog.
    pub key: String,
    /// How far it is written, while it goes on.
    pub progress: Option<watch::Receiver<Progress>>,
    /// Keeps blocks coming sooner, for somebody who follows.
    pub follower: Option<Follower>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Entry {
    fn new(name: &str, file: JobFile, runs: Vec<RunRecord>) -> Arc<Self> {
        let now = Now { file, runs, state: State::Stopped, capture: None, message: String::new() };
        Arc::new(Entry { name: name.to_owned(), change: Mutex::new(()), now: Mutex::new(now) })
    }
}

impl Entry {
    fn check_idle(&self) -> Result<(), JobError> {
        match lock(&self.now).capture {
            Some(_) => Err(JobError::Running(self.name.clone())),
            None => Ok(()),
        }
    }
}

impl Now {
    fn last_run(&self) -> u32 {
        self.runs.last().map_or(0, |run| run.number)
    }

    fn view(&self, name: &str, all_runs: bool) -> JobView {
        let skip = if all_runs { 0 } else { self.runs.len().saturating_sub(1) };
        let mut runs: Vec<RunView> = self.runs[skip..].iter().map(RunRecord::view).collect();
        if let (Some(running), Some(last)) = (&self.capture, runs.last_mut()) {
            let shared = running.capture.shared();
            last.ledger = shared.totals();
            last.bytes += shared.bytes();
            last.walls = join(last.walls, shared.walls());
            last.segments = running.capture.progress().borrow().segment;
        }
        let running = self.capture.as_ref();
        let trouble = running.and_then(|running| running.capture.shared().trouble.borrow().clone());
        JobView {
            name: name.to_owned(),
            spec: self.file.spec.clone(),
            state: self.state,
            owner_uid: self.file.owner_uid,
            created_ns: self.file.created_ns,
            runs,
            events_per_s: running.map_or(0.0, Running::rate),
            kernel_buffer_kb: running.map_or(0, |running| running.kernel_buffer_kb),
            message: trouble.unwrap_or_else(|| self.message.clone()),
        }
    }

    fn stored_bytes(&self) -> u64 {
        let live = self.capture.as_ref().map_or(0, |running| running.capture.shared().bytes());
        live + self.runs.iter().map(|run| run.bytes).sum::<u64>()
    }
}

fn join(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

impl RunRecord {
    fn load(store: &Store, job: &str, number: u32) -> Result<Self, StoreError> {
        let folder = store.run_folder(job, number);
        let meta = crate::store::at(&folder, RunMeta::load(&folder))?;
        let mut record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        record.measure(store, job)?;
        Ok(record)
    }

    /// Looks at what is on disk.
    fn measure(&mut self, store: &Store, job: &str) -> Result<(), StoreError> {
        (self.bytes, self.segments, self.walls) = (0, 0, None);
        for (_, info) in store.closed_segments(job, self.number, None)? {
            self.bytes += info.bytes;
            self.segments += 1;
            self.walls = join(self.walls, info.walls);
        }
        Ok(())
    }

    fn view(&self) -> RunView {
        let mut ledger = Totals::default();
        for totals in from_toml(&self.meta.ledger).values() {
            ledger += *totals;
        }
        RunView {
            number: self.number,
            started_ns: self.meta.started_ns,
            ended_ns: self.meta.ended_ns,
            ended_why: self.meta.ended_why.clone(),
            ledger,
            bytes: self.bytes,
            segments: self.segments,
            walls: self.walls,
        }
    }
}

impl Running {
    fn rate(&self) -> f64 {
        let [(before, count), _] = self.rate;
        let seconds = before.elapsed().as_secs_f64();
        let new = self.capture.shared().totals().stored.saturating_sub(count);
        if seconds < 0.1 { 0.0 } else { new as f64 / seconds }
    }

    fn note_rate(&mut self) {
        if self.rate[1].0.elapsed() >= Duration::from_secs(2) {
            self.rate = [self.rate[1], (Instant::now(), self.capture.shared().totals().stored)];
        }
    }
}

/// Who asks: for the log, and for the rules about owners.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// User id.
    pub uid: u32,
    /// Process id, 0 where it is not known.
    pub pid: i32,
    /// Whether other people's jobs may be changed.
    pub is_admin: bool,
}

/// Kernel memory of all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What their buffers hold.
    pub used_kb: u64,
    /// What more they may have now.
    pub fits_kb: u64,
}

/// A job that was started.
pub struct Started {
    /// As it is now; none in a dry run.
    pub job: Option<JobView>,
    /// What it does.
    pub plan: Plan,
    /// Its run.
    pub run: u32,
}

impl Jobs {
    /// Takes up the jobs of a store, and starts again those that were running.
    ///
    /// # Errors
    /// When the store cannot be listed. A job that cannot be taken up is there as failed.
    pub fn open(config: Config, tracefs: Tracefs, store: Store, prefix: String) -> Result<Arc<Self>, StoreError> {
        let (changes, stopping) = (watch::Sender::new(0), AtomicBool::new(false));
        let (entries, trying) = (Mutex::default(), Mutex::default());
        let jobs = Jobs { config, tracefs, store, prefix, entries, changes, stopping, trying };
        for name in jobs.store.jobs()? {
            if let Err(error) = jobs.load(&name) {
                tracing::error!(job = name, %error, "a job cannot be read; it is left alone");
            }
        }
        jobs.remove_leftovers();
        for entry in jobs.all() {
            let wanted = lock(&entry.now).file.running;
            if wanted && let Err(error) = jobs.resume(&entry) {
                tracing::error!(job = entry.name, %error, "the job cannot go on");
                let mut now = lock(&entry.now);
                (now.state, now.message) = (State::Failed, error.to_string());
            }
        }
        Ok(Arc::new(jobs))
    }

    fn load(&self, name: &str) -> Result<(), JobError> {
        spec::check_name(name)?;
        let folder = self.store.job_folder(name);
        let file = crate::store::at(&folder, JobFile::load(&folder))?;
        let wanted = file.running;
        let entry = Entry::new(name, file, self.load_runs(name)?);
        if !wanted {
            self.close_open_runs(&entry);
        }
        lock(&self.entries).insert(name.to_owned(), entry);
        Ok(())
    }

    fn load_runs(&self, name: &str) -> Result<Vec<RunRecord>, JobError> {
        let mut runs = Vec::new();
        for number in self.store.runs(name)? {
            match RunRecord::load(&self.store, name, number) {
                Ok(run) => runs.push(run),
                Err(error) => tracing::error!(job = name, run = number, %error, "a run cannot be read; left alone"),
            }
        }
        Ok(runs)
    }

    /// Ends, on disk, the runs of a job that nobody ended.
    fn close_open_runs(&self, entry: &Entry) {
        let numbers: Vec<u32> = lock(&entry.now).runs.iter().map(|run| run.number).collect();
        for number in numbers {
            self.close_interrupted(entry, number, "tcpprobed was interrupted");
        }
    }

    /// Kernel instances of ours that no running job has.
    fn remove_leftovers(&self) {
        let wanted = |name: &str| self.entry(name).is_ok_and(|entry| lock(&entry.now).file.running);
        for instance in self.tracefs.instances(&self.prefix).unwrap_or_default() {
            let job = &instance[self.prefix.len()..];
            if !wanted(job) {
                tracing::warn!(instance, "a kernel instance of a job that does not run is removed");
                if let Err(error) = Instance::adopt(&self.tracefs, &instance).and_then(Instance::remove) {
                    tracing::error!(instance, %error, "it cannot be removed");
                }
            }
        }
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).values().cloned().collect()
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, JobError> {
        lock(&self.entries).get(name).cloned().ok_or_else(|| JobError::NotFound(name.to_owned()))
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Counts changes of any job.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// tracefs.
    #[must_use]
    pub fn tracefs(&self) -> &Tracefs {
        &self.tracefs
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Beginning of the names of this daemon's kernel instances.
    #[must_use]
    pub fn instance_prefix(&self) -> &str {
        &self.prefix
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All jobs, by name, each with its newest run.
    #[must_use]
    pub fn list(&self) -> Vec<JobView> {
        self.all().iter().map(|entry| lock(&entry.now).view(&entry.name, false)).collect()
    }

    /// One job with all its runs, and its bytes on disk.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub fn get(&self, name: &str) -> Result<JobView, JobError> {
        let entry = self.entry(name)?;
        let now = lock(&entry.now);
        Ok(now.view(name, true))
    }

    /// Bytes on disk of a job.
    #[must_use]
    pub fn stored_bytes(&self, name: &str) -> u64 {
        self.entry(name).map_or(0, |entry| lock(&entry.now).stored_bytes())
    }

    /// Where a run can be read; run 0 is the newest.
    ///
    /// # Errors
    /// [`JobError::NotFound`], [`JobError::NoRun`].
    pub fn source(&self, name: &str, run: u32, follow: bool) -> Result<Source, JobError> {
        let entry = self.entry(name)?;
        let now = lock(&entry.now);
        let number = if run == 0 { now.last_run() } else { run };
        if number == 0 || !now.runs.iter().any(|known| known.number == number) {
            return Err(JobError::NoRun { job: name.to_owned(), run: number });
        }
        let live = now.capture.as_ref().filter(|_| number == now.last_run());
        Ok(Source {
            folder: self.store.run_folder(name, number),
            key: Store::run_key(name, number),
            progress: live.map(|running| running.capture.progress()),
            follower: live.filter(|_| follow).map(|running| running.capture.follow()),
        })
    }

    /// Starts a job, or says what starting it would do.
    ///
    /// # Errors
    /// When the spec is not possible, the job runs, or the caller may not.
    pub fn start(
        &self,
        name: &str,
        spec: Spec,
        no_clear: bool,
        dry_run: bool,
        caller: Caller,
    ) -> Result<Started, JobError> {
        spec::check_name(name)?;
        if self.stopping.load(Ordering::Relaxed) {
            return Err(JobError::Stopping);
        }
        let known = self.entry(name).ok();
        if let Some(entry) = &known {
            self.check_owner(entry, caller)?;
            entry.check_idle()?;
        }
        let spec = match &known {
            // "start NAME" alone means: as it was.
            Some(entry) if spec == Spec::default() => lock(&entry.now).file.spec.clone(),
            _ => spec,
        };
        let plan = Plan::new(&spec, &self.config, &self.tracefs)?;
        self.check_memory(&plan)?;
        if dry_run {
            let run = known.map_or(1, |entry| lock(&entry.now).last_run() + 1);
            return Ok(Started { job: None, plan, run });
        }
        let entry = match known {
            Some(entry) => entry,
            None => self.make(name, &spec, caller)?,
        };
        let _change = self.hold(&entry)?;
        self.check_owner(&entry, caller)?;
        entry.check_idle()?;
        let old = std::mem::replace(&mut lock(&entry.now).file.spec, spec);
        let began = self.begin(&entry, &plan, no_clear);
        if let Err(error) = began {
            tracing::warn!(job = name, uid = caller.uid, pid = caller.pid, %error, "start failed");
            self.take_back(&entry, old);
            return Err(error);
        }
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, filter = plan_filter(&entry), "started");
        self.changed();
        let now = lock(&entry.now);
        Ok(Started { job: Some(now.view(name, true)), run: now.last_run(), plan })
    }

    fn check_owner(&self, entry: &Entry, caller: Caller) -> Result<(), JobError> {
        let owner = lock(&entry.now).file.owner_uid;
        if caller.is_admin || caller.uid == owner {
            return Ok(());
        }
        Err(JobError::NotOwner { job: entry.name.clone(), owner })
    }

    /// Refuses buffers that would take too much of the machine's memory.
    fn check_memory(&self, plan: &Plan) -> Result<(), JobError> {
        let Memory { fits_kb, .. } = self.memory()?;
        // Whole sub-buffers on every CPU, so that the figure can be asked for as it is.
        let step_kb = u64::from(plan.cpus) * plan.subbuf_kb.unwrap_or(4).max(self.config.job.subbuf_kb);
        let (asked_kb, fits_kb) = (plan.buffer_kb_total(), fits_kb / step_kb * step_kb);
        if asked_kb <= fits_kb { Ok(()) } else { Err(JobError::Memory { asked_kb, fits_kb }) }
    }

    /// The kernel memory of jobs.
    ///
    /// # Errors
    /// When `/proc/meminfo` cannot be read.
    pub fn memory(&self) -> Result<Memory, JobError> {
        let used_kb: u64 =
            self.all().iter().map(|e| lock(&e.now).capture.as_ref().map_or(0, |r| r.kernel_buffer_kb)).sum();
        let (total_kb, available_kb) = memory_kb().map_err(|source| JobError::Io { doing: "/proc/meminfo", source })?;
        let share_kb = (total_kb / 100 * self.config.limits.kernel_memory_percent).saturating_sub(used_kb);
        Ok(Memory { used_kb, fits_kb: share_kb.min(available_kb / 10 * 9) })
    }

    /// A job that was not there before.
    fn make(&self, name: &str, spec: &Spec, caller: Caller) -> Result<Arc<Entry>, JobError> {
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(name) {
            return Ok(Arc::clone(entry));
        }
        if entries.len() >= self.config.limits.jobs {
            return Err(JobError::TooMany(entries.len()));
        }
        let file = JobFile { owner_uid: caller.uid, created_ns: clock::wall_ns(), running: false, spec: spec.clone() };
        let folder = self.store.job_folder(name);
        crate::store::at(&folder, crate::store::make_directory(&folder))?;
        crate::store::at(&folder, file.save(&folder))?;
        // Whatever is there of a job that was made or removed by halves is kept.
        let entry = Entry::new(name, file, self.load_runs(name)?);
        self.close_open_runs(&entry);
        entries.insert(name.to_owned(), Arc::clone(&entry));
        Ok(entry)
    }

    /// Holds a job against changes by others, if it still is there.
    fn hold<'e>(&self, entry: &'e Arc<Entry>) -> Result<MutexGuard<'e, ()>, JobError> {
        let change = lock(&entry.change);
        match self.entry(&entry.name) {
            Ok(now) if Arc::ptr_eq(&now, entry) => Ok(change),
            _ => Err(JobError::NotFound(entry.name.clone())),
        }
    }

    /// Leaves a job as it was before a start that failed; one that never ran is none.
    fn take_back(&self, entry: &Entry, spec: Spec) {
        let has_runs = {
            let mut now = lock(&entry.now);
            (now.file.spec, now.state) = (spec, State::Stopped);
            !now.runs.is_empty()
        };
        let left = if has_runs {
            self.keep_running(entry, false)
        } else {
            lock(&self.entries).remove(&entry.name);
            self.store.remove_job(&entry.name).map_err(JobError::from)
        };
        if let Err(error) = left {
            tracing::error!(job = entry.name, %error, "what a failed start left behind stays there");
        }
    }

    fn instance_name(&self, job: &str) -> String {
        format!("{}{job}", self.prefix)
    }

    fn staging_path(&self, job: &str) -> std::path::PathBuf {
        self.config.runtime.join(format!("{job}.staging"))
    }

    /// Makes the kernel instance and begins a run, or goes on with the last one.
    fn begin(&self, entry: &Entry, plan: &Plan, no_clear: bool) -> Result<(), JobError> {
        let name = self.instance_name(&entry.name);
        if Instance::exists(&self.tracefs, &name) {
            Instance::adopt(&self.tracefs, &name)?.remove()?;
        }
        let instance = Instance::create(&self.tracefs, &name)?;
        let last = self.store.runs(&entry.name)?.last().copied();
        let begun = self.begin_in(entry, plan, no_clear, &instance);
        if begun.is_err() {
            let _ = instance.remove();
            // A run that never began leaves nothing.
            for run in self.store.runs(&entry.name)?.into_iter().filter(|&run| Some(run) > last) {
                let _ = std::fs::remove_dir_all(self.store.run_folder(&entry.name, run));
            }
        }
        begun
    }

    fn begin_in(&self, entry: &Entry, plan: &Plan, no_clear: bool, instance: &Instance) -> Result<(), JobError> {
        instance.configure(&plan.settings())?;
        let staging_path = self.staging_path(&entry.name);
        // Pages of a run that ended are in its blocks.
        let _ = std::fs::remove_file(&staging_path);
        let last = lock(&entry.now).last_run();
        let go_on = no_clear && last > 0;
        // A run that could not be read has its number all the same.
        let next = self.store.runs(&entry.name)?.last().map_or(1, |newest| newest + 1);
        let number = if go_on { last } else { next };
        let folder = self.store.run_folder(&entry.name, number);
        let key = Store::run_key(&entry.name, number);
        let (workshop, schema) = (self.store.workshop(), plan.schema()?);
        let meta = if go_on {
            let mut meta = crate::store::at(&folder, RunMeta::load(&folder))?;
            crate::store::at(&folder, meta.take_up(&folder, &key, self.store.catalog()))?;
            meta.baseline = meta.ledger.clone();
            meta.boot = boot_id();
            meta
        } else {
            crate::store::at(&folder, crate::store::make_directory(&folder))?;
            new_meta().map_err(|source| JobError::Io { doing: "random numbers", source })?
        };
        let header = self.header(entry, number, &meta);
        let run = RunWriter::create(folder.clone(), key, meta.clone(), header, schema.clone(), workshop);
        let (run, pages_end) = (crate::store::at(&folder, run)?, meta.pages);
        let staging = open_staging(&staging_path, pages_end)?;
        let setup = Setup {
            instance: instance.clone(),
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: plan.residuals(),
            pointer_key: meta.pointer_key(),
            since: clock::boot_ns(),
            booked: BTreeMap::new(),
            schema,
            run,
            staging,
            pages_end,
        };
        self.keep_running(entry, true)?;
        instance.set_tracing(true)?;
        let record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        self.launch(entry, setup, record)
    }

    /// Starts the capture's thread and notes that it runs.
    fn launch(&self, entry: &Entry, setup: Setup, mut record: RunRecord) -> Result<(), JobError> {
        let instance = setup.instance.clone();
        let kernel_buffer_kb = instance.kernel_memory_kb()?;
        record.measure(&self.store, &entry.name)?;
        // What this daemon writes is counted by the capture.
        record.bytes = record.bytes.saturating_sub(setup.run.written());
        let duration = lock(&entry.now).file.spec.duration_s;
        let elapsed = clock::wall_ns().saturating_sub(record.meta.started_ns).max(0).cast_unsigned() / 1_000_000_000;
        let deadline = (duration > 0).then(|| Instant::now() + Duration::from_secs(duration.saturating_sub(elapsed)));
        let capture =
            Capture::start(&entry.name, setup).map_err(|source| JobError::Io { doing: "a thread", source })?;
        let rate = [(Instant::now(), capture.shared().totals().stored); 2];
        let mut now = lock(&entry.now);
        now.runs.retain(|run| run.number != record.number);
        now.runs.push(record);
        now.capture = Some(Running { capture, instance, kernel_buffer_kb, rate, deadline });
        (now.state, now.message) = (State::Running, String::new());
        Ok(())
    }

    fn keep_running(&self, entry: &Entry, running: bool) -> Result<(), JobError> {
        let file = {
            let mut now = lock(&entry.now);
            now.file.running = running;
            now.file.clone()
        };
        let folder = self.store.job_folder(&entry.name);
        Ok(crate::store::at(&folder, file.save(&folder))?)
    }

    fn header(&self, entry: &Entry, run: u32, meta: &RunMeta) -> Header {
        let now = lock(&entry.now);
        Header::new(&meta.trace)
            .with("clock", "boot")
            .with("kernel", kernel_release())
            .with("host", rustix::system::uname().nodename().to_string_lossy())
            .with("boot", &meta.boot)
            .with("job", &entry.name)
            .with("run", run)
            .with("filter", &now.file.spec.filter)
            .with("writer", concat!("tcpprobed ", env!("CARGO_PKG_VERSION")))
    }

    /// Takes up a job that was running when an earlier daemon ended.
    fn resume(&self, entry: &Arc<Entry>) -> Result<(), JobError> {
        let _change = lock(&entry.change);
        let plan = Plan::new(&lock(&entry.now).file.spec.clone(), &self.config, &self.tracefs)?;
        let name = self.instance_name(&entry.name);
        let number = lock(&entry.now).last_run();
        let folder = self.store.run_folder(&entry.name, number);
        let meta = if number == 0 { None } else { RunMeta::load(&folder).ok() };
        let same_boot = meta.as_ref().is_some_and(|meta| meta.boot == boot_id());
        let (Some(mut meta), true, true) = (meta, same_boot, Instance::exists(&self.tracefs, &name)) else {
            self.close_interrupted(entry, number, "the machine was restarted, or the kernel instance removed");
            tracing::info!(job = entry.name, "its kernel instance is gone: a new run begins");
            return self.begin(entry, &plan, false);
        };
        let instance = Instance::adopt(&self.tracefs, &name)?;
        let (workshop, schema) = (self.store.workshop(), plan.schema()?);
        let key = Store::run_key(&entry.name, number);
        let resumed = crate::store::at(&folder, meta.take_up(&folder, &key, self.store.catalog()))?;
        let header = self.header(entry, number, &meta);
        let run = RunWriter::create(folder.clone(), key, meta.clone(), header, schema.clone(), workshop);
        let run = crate::store::at(&folder, run)?;
        if resumed.torn > 0 {
            tracing::warn!(job = entry.name, bytes = resumed.torn, "the torn tail of the last segment was cut");
        }
        resumed.damage.iter().for_each(|line| tracing::warn!(job = entry.name, "damaged: {line}"));
        let setup = Setup {
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: plan.residuals(),
            pointer_key: meta.pointer_key(),
            since: meta.accounted,
            booked: difference(run.ledger(), &from_toml(&meta.baseline)),
            staging: open_staging(&self.staging_path(&entry.name), meta.pages)?,
            pages_end: meta.pages,
            instance: instance.clone(),
            schema,
            run,
        };
        instance.set_tracing(true)?;
        tracing::info!(job = entry.name, run = number, "adopted: the kernel went on recording");
        let record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        self.launch(entry, setup, record)
    }

    /// Ends, on disk, a run that nobody ended.
    fn close_interrupted(&self, entry: &Entry, number: u32, why: &str) {
        let folder = self.store.run_folder(&entry.name, number);
        let Ok(mut meta) = RunMeta::load(&folder) else { return };
        if meta.ended_ns != 0 {
            return;
        }
        let key = Store::run_key(&entry.name, number);
        let closed = meta.take_up(&folder, &key, self.store.catalog()).and_then(|found| {
            meta.ended_ns = found.last_wall.unwrap_or(meta.started_ns);
            meta.ended_why = why.to_owned();
            meta.save(&folder)
        });
        if let Err(error) = closed {
            tracing::error!(job = entry.name, run = number, %error, "the interrupted run cannot be closed");
        }
        if let Some(run) = lock(&entry.now).runs.iter_mut().find(|run| run.number == number) {
            run.meta = meta;
        }
    }

    /// Ends the run of a job.
    ///
    /// # Errors
    /// When it does not run, or the caller may not.
    pub fn stop(&self, name: &str, caller: Caller) -> Result<JobView, JobError> {
        let entry = self.entry(name)?;
        self.check_owner(&entry, caller)?;
        self.end(&entry, &format!("stopped by uid {}", caller.uid))?;
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, "stopped");
        self.get(name)
    }

    fn end(&self, entry: &Entry, why: &str) -> Result<(), JobError> {
        let _change = lock(&entry.change);
        let running = {
            let mut now = lock(&entry.now);
            let Some(running) = now.capture.take() else {
                if now.state == State::Failed {
                    (now.state, now.file.running) = (State::Stopped, false);
                    drop(now);
                    return self.keep_running(entry, false);
                }
                return Err(JobError::NotRunning(entry.name.clone()));
            };
            now.state = State::Stopping;
            running
        };
        self.changed();
        // From here on the run ends, whatever fails on the way.
        let quiet = running.instance.set_tracing(false);
        let totals = Arc::clone(running.capture.shared());
        let ending = running.capture.stop();
        let finished = self.finish(entry, ending, &totals, why);
        let removed = running.instance.remove();
        let _ = std::fs::remove_file(self.staging_path(&entry.name));
        let kept = self.keep_running(entry, false);
        let mut now = lock(&entry.now);
        now.state = State::Stopped;
        now.message = finished.err().map(|error| error.to_string()).unwrap_or_default();
        drop(now);
        self.changed();
        quiet?;
        removed?;
        kept
    }

    /// Closes the run's files and notes what it came to.
    fn finish(&self, entry: &Entry, ending: Option<Ending>, shared: &Shared, why: &str) -> Result<(), JobError> {
        let number = lock(&entry.now).last_run();
        let folder = self.store.run_folder(&entry.name, number);
        let ended_ns = clock::wall_ns();
        let meta = match ending {
            Some(ending) => {
                let why = ending.error.map_or_else(|| why.to_owned(), |error| error.to_string());
                crate::store::at(&folder, ending.run.finish(ended_ns, &why))?
            }
            None => {
                self.close_interrupted(entry, number, "the capture's thread panicked");
                crate::store::at(&folder, RunMeta::load(&folder))?
            }
        };
        let mut record = RunRecord { number, meta, bytes: 0, segments: 0, walls: None };
        record.measure(&self.store, &entry.name)?;
        let mut now = lock(&entry.now);
        now.runs.retain(|run| run.number != number);
        now.runs.push(record);
        let totals = shared.totals();
        let (stored, lost) = (totals.stored, totals.missing());
        tracing::info!(job = entry.name, run = number, stored, lost, "run closed");
        Ok(())
    }

    /// Removes a job and what it recorded; says how many bytes that were.
    ///
    /// # Errors
    /// When it runs and is not to be stopped by `force`, or the caller may not.
    pub fn remove(&self, name: &str, force: bool, caller: Caller) -> Result<u64, JobError> {
        let entry = self.entry(name)?;
        self.check_owner(&entry, caller)?;
        if force {
            match self.end(&entry, &format!("removed by uid {}", caller.uid)) {
                Err(JobError::NotRunning(_)) => {}
                ended => ended?,
            }
        }
        let _change = self.hold(&entry)?;
        entry.check_idle()?;
        let bytes = lock(&entry.now).stored_bytes();
        self.store.remove_job(name)?;
        lock(&self.entries).remove(name);
        self.changed();
        tracing::info!(job = name, uid = caller.uid, pid = caller.pid, bytes, "removed");
        Ok(bytes)
    }

    /// Looks after the jobs until the daemon stops: durations, retention, captures that ended by themselves.
    pub fn care(self: &Arc<Self>) {
        let mut retained = Instant::now();
        while !self.stopping.load(Ordering::Relaxed) {
            std::thread::sleep(CARE_INTERVAL);
            for entry in self.all() {
                self.care_for(&entry);
            }
            if retained.elapsed() >= RETENTION_INTERVAL {
                retained = Instant::now();
                self.retain();
            }
        }
    }

    fn care_for(&self, entry: &Entry) {
        let (ended, due) = {
            let mut now = lock(&entry.now);
            let Some(running) = &mut now.capture else { return };
            running.note_rate();
            (running.capture.is_finished(), running.deadline.is_some_and(|deadline| deadline <= Instant::now()))
        };
        if !ended && !due {
            return;
        }
        let why = if ended { "the capture failed" } else { "its duration is over" };
        if let Err(error) = self.end(entry, why) {
            tracing::error!(job = entry.name, %error, "the run ended badly");
        }
        if ended {
            let mut now = lock(&entry.now);
            now.state = State::Failed;
            now.message = now.runs.last().map(|run| run.meta.ended_why.clone()).unwrap_or_default();
        }
    }

    fn retain(&self) {
        let mut keeps = BTreeMap::new();
        for entry in self.all() {
            let now = lock(&entry.now);
            let spec = &now.file.spec;
            let bytes_max = if spec.max_size_bytes > 0 { spec.max_size_bytes } else { self.config.job.max_size };
            let age_max_ns = i64::try_from(spec.max_age_s.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX);
            let progress = now.capture.as_ref().map(|running| *running.capture.progress().borrow());
            let live = progress.map(|progress| (now.last_run(), progress.segment));
            let live_bytes = progress.map_or(0, |progress| progress.bytes);
            keeps.insert(entry.name.clone(), Keep { bytes_max, age_max_ns, live, live_bytes });
        }
        let (bytes_max, free_min) = (self.config.store.max_size, self.config.store.free_min);
        let capacity = Capacity { bytes_max, free_min, interval: RETENTION_INTERVAL };
        match crate::store::enforce(&self.store, &keeps, capacity) {
            Ok(0) => {}
            Ok(_) => self.measure_all(),
            Err(error) => tracing::error!(%error, "retention failed"),
        }
    }

    /// Looks at the disk again after segments went.
    fn measure_all(&self) {
        for entry in self.all() {
            let mut now = lock(&entry.now);
            let written = now.capture.as_ref().map_or(0, |running| running.capture.shared().bytes());
            let live = now.capture.is_some().then(|| now.last_run());
            for run in &mut now.runs {
                if let Err(error) = run.measure(&self.store, &entry.name) {
                    tracing::error!(job = entry.name, %error, "its size is not known");
                }
                if Some(run.number) == live {
                    run.bytes = run.bytes.saturating_sub(written);
                }
            }
        }
    }

    /// Lets go of everything: what was read is stored, the kernel goes on recording, and the next daemon takes it up.
    pub fn suspend(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for entry in self.all() {
            let _change = lock(&entry.change);
            let Some(running) = lock(&entry.now).capture.take() else { continue };
            if let Some(ending) = running.capture.stop() {
                ending.run.suspend();
            }
        }
        self.store.catalog().flush();
        self.changed();
    }
}

fn plan_filter(entry: &Entry) -> String {
    lock(&entry.now).file.spec.filter.clone()
}

fn open_staging(path: &std::path::Path, next: u64) -> Result<Staging, JobError> {
    Staging::open(path, STAGING_BYTES, next).map_err(|source| JobError::Io { doing: "the staging area", source })
}

/// A new run, from now on.
fn new_meta() -> std::io::Result<RunMeta> {
    let mut random = [0u8; 24];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(RunMeta {
        started_ns: clock::wall_ns(),
        trace: hex(&random[..8]),
        pointer_secret: hex(&random[8..]),
        boot: boot_id(),
        segment: 1,
        ..RunMeta::default()
    })
}

/// Names this boot of the machine.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// What was booked since the instance was made.
fn difference(ledger: &crate::store::LedgerByCpu, baseline: &crate::store::LedgerByCpu) -> crate::store::LedgerByCpu {
    let minus = |(cpu, totals): (&u32, &Totals)| {
        let before = baseline.get(cpu).copied().unwrap_or_default();
        let since = Totals {
            stored: totals.stored - before.stored.min(totals.stored),
            filtered: totals.filtered - before.filtered.min(totals.filtered),
            lost: totals.lost - before.lost.min(totals.lost),
            dropped: totals.dropped - before.dropped.min(totals.dropped),
        };
        (*cpu, since)
    };
    ledger.iter().map(minus).collect()
}

/// Total and available memory of the machine, in KB.
fn memory_kb() -> std::io::Result<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    };
    value("MemTotal:").zip(value("MemAvailable:")).ok_or_else(|| std::io::Error::other("without MemTotal"))
}
