//! From a plan to a capture that runs: the kernel instance, the run's files, the staging area, the thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tcpprobe::trace::Header;

use super::entry::{Entry, Running, lock};
use super::record::RunRecord;
use super::{JobError, Jobs, Plan, State};
use crate::capture::{Capture, STAGING_BYTES, Setup, Staging};
use crate::clock;
use crate::store::{RunMeta, RunWriter, Store, at, make_directory};
use crate::tracefs::{Instance, kernel_release};

impl Jobs {
    pub(super) fn instance_name(&self, job: &str) -> String {
        format!("{}{job}", self.prefix)
    }

    pub(super) fn staging_path(&self, job: &str) -> PathBuf {
        self.config.runtime.join(format!("{job}.staging"))
    }

    /// Makes the kernel instance and begins a run, or goes on with the last one.
    pub(super) fn begin(&self, entry: &Entry, plan: &Plan, no_clear: bool) -> Result<(), JobError> {
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
            let mut meta = at(&folder, RunMeta::load(&folder))?;
            at(&folder, meta.take_up(&folder, &key, self.store.catalog()))?;
            meta.baseline = meta.ledger.clone();
            meta.boot = boot_id();
            meta
        } else {
            at(&folder, make_directory(&folder))?;
            new_meta().map_err(|source| JobError::Io { doing: "random numbers", source })?
        };
        let header = self.header(entry, number, &meta);
        let run = RunWriter::create(folder.clone(), key, meta.clone(), header, schema.clone(), workshop);
        let (run, pages_end) = (at(&folder, run)?, meta.pages);
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
    pub(super) fn launch(&self, entry: &Entry, setup: Setup, mut record: RunRecord) -> Result<(), JobError> {
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

    pub(super) fn keep_running(&self, entry: &Entry, running: bool) -> Result<(), JobError> {
        let file = {
            let mut now = lock(&entry.now);
            now.file.running = running;
            now.file.clone()
        };
        let folder = self.store.job_folder(&entry.name);
        Ok(at(&folder, file.save(&folder))?)
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

pub(super) fn open_staging(path: &Path, next: u64) -> Result<Staging, JobError> {
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
pub(super) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
