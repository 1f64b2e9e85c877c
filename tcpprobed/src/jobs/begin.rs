//! From a plan to a capture that runs: the kernel instance, the run's files, the staging area, the thread.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tcpprobe::event::EventKind;
use tcpprobe::file::Header;
use tcpprobe::filter::Filter;

use super::job::Job;
use super::kept_instance::KeptInstance;
use super::record::RunRecord;
use super::running::Running;
use super::{JobError, Jobs, Plan};
use crate::capture::{Capture, OwnEvents, STAGING_BYTES, Setup, Staging};
use crate::clock;
use crate::store::{RunMeta, RunTarget, RunWriter, Store, at};
use crate::tracefs::{Condition, Instance, kernel_release};

impl Jobs {
    pub(super) fn instance_name(&self, job: &str) -> String {
        format!("{}{job}", self.prefix)
    }

    pub(super) fn open_staging(&self, job: &str, next: u64) -> Result<Staging, JobError> {
        let opened = self.runtime.staging(job).and_then(|file| Staging::open(file, STAGING_BYTES, next));
        opened.map_err(|source| JobError::Staging { path: self.runtime.staging_path(job), source })
    }

    /// Makes the kernel instance and begins a run, or continues the last one.
    pub(super) fn begin(&self, job: &Job, plan: &Plan, no_clear: bool) -> Result<(), JobError> {
        self.begin_since(job, plan, no_clear, None)
    }

    /// The same, in a run of which nobody knows what happened in it since then.
    pub(super) fn begin_since(
        &self,
        job: &Job,
        plan: &Plan,
        no_clear: bool,
        unknown_since: Option<u64>,
    ) -> Result<(), JobError> {
        self.close_rest(job)?;
        let name = self.instance_name(&job.name);
        if Instance::exists(&self.tracefs, &name) {
            Instance::open(&self.tracefs, &name)?.remove()?;
        }
        let instance = Instance::create(&self.tracefs, &name)?;
        let last = self.store.runs(&job.name)?.last().copied();
        let begun = self.begin_in(job, plan, no_clear, unknown_since, &instance);
        if begun.is_err() {
            let _ = self.remove_instance(job, instance);
            // A run that never began leaves nothing.
            for run in self.store.runs(&job.name)?.into_iter().filter(|&run| Some(run) > last) {
                let _ = self.store.remove_run(&job.name, run);
            }
        }
        begun
    }

    fn begin_in(
        &self,
        job: &Job,
        plan: &Plan,
        no_clear: bool,
        unknown_since: Option<u64>,
        instance: &Instance,
    ) -> Result<(), JobError> {
        instance.configure(&plan.settings())?;
        // Pages of a run that ended are in its blocks.
        self.runtime.remove_staging(&job.name);
        let last = job.now().last_run();
        let continues = no_clear && last > 0;
        // A run that could not be read has its number all the same.
        let next = self.store.runs(&job.name)?.last().map_or(1, |newest| newest + 1);
        let number = if continues { last } else { next };
        let folder = self.store.make_run_folder(&job.name, number)?;
        let key = Store::run_key(&job.name, number);
        let mut meta = if continues {
            let mut meta = at(folder.path(), RunMeta::load(&folder))?;
            at(folder.path(), meta.resume(&folder, &key, self.store.catalog()))?;
            meta.baseline = meta.ledger.clone();
            meta.boot = clock::boot_id();
            meta
        } else {
            RunMeta::new().map_err(|source| JobError::Io { doing: "random numbers", source })?
        };
        let spec = job.now().file.spec.clone();
        let plan = if continues { self.plan_on(plan, &meta, &spec)? } else { plan.clone() };
        meta.tcp_info_bytes = plan.snapshots.map_or(meta.tcp_info_bytes, |snapshots| snapshots.info_bytes);
        let (header, schema, path) = (self.header(job, number, &meta), plan.schema()?, folder.path().to_owned());
        let target = RunTarget { folder, key, meta: meta.clone(), header, schema: schema.clone() };
        let run = at(path, RunWriter::create(target, self.store.handles()))?;
        let own_events = OwnEvents::default();
        let setup = Setup {
            instance: instance.clone(),
            tracefs: self.tracefs.clone(),
            layout: self.tracefs.page_layout()?,
            residuals: plan.residuals(),
            lookout: self.lookout(&plan, &own_events),
            own_events,
            pointer_key: meta.pointer_key(),
            since: clock::boot_ns(),
            unknown_since,
            sure_until: clock::boot_ns(),
            booked: BTreeMap::new(),
            staging: self.open_staging(&job.name, meta.pages)?,
            pages_end: meta.pages,
            schema,
            run,
        };
        self.keep_running(job, true)?;
        instance.set_tracing(true)?;
        let condition = instance.condition(plan.events.iter().map(|plan| &plan.event))?;
        KeptInstance { since: setup.since, unknown_since: None, condition: condition.clone() }
            .save(&self.runtime, &job.name)?;
        self.launch(job, setup, condition, RunRecord { number, meta })
    }

    /// Starts the capture's thread and notes that it runs.
    pub(super) fn launch(
        &self,
        job: &Job,
        setup: Setup,
        condition: Condition,
        record: RunRecord,
    ) -> Result<(), JobError> {
        let instance = setup.instance.clone();
        let kernel_buffer_kb = instance.kernel_memory_kb()?;
        let duration = job.now().file.spec.duration_s;
        let elapsed = clock::wall_ns().saturating_sub(record.meta.started_ns).max(0).cast_unsigned() / 1_000_000_000;
        let deadline = (duration > 0).then(|| Instant::now() + Duration::from_secs(duration.saturating_sub(elapsed)));
        let (meta_file, sure_until) = (setup.run.meta_file(), setup.sure_until);
        let tells_owners = setup.schema.layouts().iter().any(|layout| layout.kind == EventKind::Owner);
        let capture = Capture::start(&job.name, setup).map_err(|source| JobError::Io { doing: "a thread", source })?;
        let mut now = job.now();
        if tells_owners && let Ok(filter) = Filter::parse(&now.file.spec.filter) {
            self.owners.watch(&job.name, capture.own_events().clone(), &filter);
        }
        now.note_run(record);
        now.state.launched(Running::new(
            capture,
            instance,
            (condition, sure_until),
            meta_file,
            kernel_buffer_kb,
            deadline,
        ));
        Ok(())
    }

    /// Notes in `job.toml` whether the job is to run.
    pub(super) fn keep_running(&self, job: &Job, running: bool) -> Result<(), JobError> {
        job.now().file.running = running;
        self.save(job)
    }

    /// Writes `job.toml`. Where that fails, it is tried again later.
    pub(super) fn save(&self, job: &Job) -> Result<(), JobError> {
        let file = job.now().file.clone();
        let saved = self.store.job_folder(&job.name).and_then(|folder| at(folder.path(), file.save(&folder)));
        job.now().is_unsaved = saved.is_err();
        Ok(saved?)
    }

    pub(super) fn header(&self, job: &Job, run: u32, meta: &RunMeta) -> Header {
        let now = job.now();
        Header::new(&meta.trace)
            .with("clock", "boot")
            .with("kernel", kernel_release())
            .with("host", rustix::system::uname().nodename().to_string_lossy())
            .with("boot", &meta.boot)
            .with("job", &job.name)
            .with("run", run)
            .with("filter", &now.file.spec.filter)
            .with("writer", concat!("tcpprobed ", env!("CARGO_PKG_VERSION")))
    }
}
