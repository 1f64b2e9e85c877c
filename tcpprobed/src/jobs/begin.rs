//! From a plan to a capture that runs: the kernel instance, the run's files, the staging area, the thread.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tcpprobe::file::Header;

use super::entry::{Entry, Running, lock};
use super::record::RunRecord;
use super::{JobError, Jobs, Plan, State};
use crate::capture::{Capture, STAGING_BYTES, Setup, Staging};
use crate::clock;
use crate::store::{RunMeta, RunPlace, RunWriter, Store, at};
use crate::tracefs::{Instance, kernel_release};

impl Jobs {
    pub(super) fn instance_name(&self, job: &str) -> String {
        format!("{}{job}", self.prefix)
    }

    pub(super) fn open_staging(&self, job: &str, next: u64) -> Result<Staging, JobError> {
        let opened = self.runtime.staging(job).and_then(|file| Staging::open(&file, STAGING_BYTES, next));
        opened.map_err(|source| JobError::Io { doing: "the staging area", source })
    }

    /// Makes the kernel instance and begins a run, or goes on with the last one.
    pub(super) fn begin(&self, entry: &Entry, plan: &Plan, no_clear: bool) -> Result<(), JobError> {
        self.close_rest(entry)?;
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
                let _ = self.store.remove_run(&entry.name, run);
            }
        }
        begun
    }

    fn begin_in(&self, entry: &Entry, plan: &Plan, no_clear: bool, instance: &Instance) -> Result<(), JobError> {
        instance.configure(&plan.settings())?;
        // Pages of a run that ended are in its blocks.
        self.runtime.remove_staging(&entry.name);
        let last = lock(&entry.now).last_run();
        let go_on = no_clear && last > 0;
        // A run that could not be read has its number all the same.
        let next = self.store.runs(&entry.name)?.last().map_or(1, |newest| newest + 1);
        let number = if go_on { last } else { next };
        let folder = self.store.make_run_folder(&entry.name, number)?;
        let key = Store::run_key(&entry.name, number);
        let meta = if go_on {
            let mut meta = at(folder.path(), RunMeta::load(&folder))?;
            at(folder.path(), meta.take_up(&folder, &key, self.store.catalog()))?;
            meta.baseline = meta.ledger.clone();
            meta.boot = boot_id();
            meta
        } else {
            new_meta().map_err(|source| JobError::Io { doing: "random numbers", source })?
        };
        let (header, schema, path) = (self.header(entry, number, &meta), plan.schema()?, folder.path().to_owned());
        let place = RunPlace { folder, key, meta: meta.clone(), header, schema: schema.clone() };
        let run = at(path, RunWriter::create(place, self.store.workshop()))?;
        let setup = Setup {
            instance: instance.clone(),
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: plan.residuals(),
            pointer_key: meta.pointer_key(),
            since: clock::boot_ns(),
            booked: BTreeMap::new(),
            staging: self.open_staging(&entry.name, meta.pages)?,
            pages_end: meta.pages,
            schema,
            run,
        };
        self.keep_running(entry, true)?;
        instance.set_tracing(true)?;
        self.launch(entry, setup, RunRecord { number, meta })
    }

    /// Starts the capture's thread and notes that it runs.
    pub(super) fn launch(&self, entry: &Entry, setup: Setup, record: RunRecord) -> Result<(), JobError> {
        let instance = setup.instance.clone();
        let kernel_buffer_kb = instance.kernel_memory_kb()?;
        let duration = lock(&entry.now).file.spec.duration_s;
        let elapsed = clock::wall_ns().saturating_sub(record.meta.started_ns).max(0).cast_unsigned() / 1_000_000_000;
        let deadline = (duration > 0).then(|| Instant::now() + Duration::from_secs(duration.saturating_sub(elapsed)));
        let meta_file = setup.run.meta_file();
        let capture =
            Capture::start(&entry.name, setup).map_err(|source| JobError::Io { doing: "a thread", source })?;
        let rate = [(Instant::now(), capture.shared().totals().stored); 2];
        let mut now = lock(&entry.now);
        now.runs.retain(|run| run.number != record.number);
        now.runs.push(record);
        now.capture = Some(Running { capture, instance, meta_file, kernel_buffer_kb, rate, deadline });
        (now.state, now.message) = (State::Running, String::new());
        Ok(())
    }

    /// Notes in `job.toml` whether the job is to run.
    pub(super) fn keep_running(&self, entry: &Entry, running: bool) -> Result<(), JobError> {
        lock(&entry.now).file.running = running;
        self.save(entry)
    }

    /// Writes `job.toml`. Where that fails, it is tried again later.
    pub(super) fn save(&self, entry: &Entry) -> Result<(), JobError> {
        let file = lock(&entry.now).file.clone();
        let saved = self.store.job_folder(&entry.name).and_then(|folder| at(folder.path(), file.save(&folder)));
        lock(&entry.now).is_unsaved = saved.is_err();
        Ok(saved?)
    }

    pub(super) fn header(&self, entry: &Entry, run: u32, meta: &RunMeta) -> Header {
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
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
