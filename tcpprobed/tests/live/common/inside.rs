//! A daemon within the test's process: its jobs and its store, without the API.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use tcpprobe_proto::v1::EventPlan;
use tcpprobed::config::Config;
use tcpprobed::disk::OptionalHook;
use tcpprobed::jobs::{Caller, Jobs, Plan};
use tcpprobed::read_stream::{Next, RunReader, Wanted};
use tcpprobed::runtime_folder::RuntimeFolder;
use tcpprobed::store::{Store, Upkeep};
use tcpprobed::tracefs::{Instance, Tracefs};
use tcpprobed::user::User;
use tempfile::TempDir;

/// Who may do everything.
pub const ROOT: &Caller = &Caller { user: User::root(), pid: 0, is_admin: true };

/// The folders of a daemon. Dropped, it ends its jobs and leaves nothing behind.
pub struct Inside {
    folder: TempDir,
    tracefs: Tracefs,
    prefix: String,
    jobs: Mutex<Weak<Jobs>>,
}

impl Inside {
    pub fn new(tracefs: Tracefs, what: &str) -> Self {
        // Where an fsync costs nothing.
        let builder = || tempfile::Builder::new().prefix("tcpprobed-test-").to_owned();
        let folder = builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).unwrap();
        let prefix = format!("tcpprobe-test-{what}-{}.", std::process::id());
        Inside { folder, tracefs, prefix, jobs: Mutex::default() }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Loads and resumes the jobs of the store; one daemon after the other.
    pub fn open(&self, config: Config, hook: OptionalHook) -> Arc<Jobs> {
        let config = Config { state: self.state(), ..config };
        let upkeep = Upkeep { hook, ..config.upkeep() };
        let store = super::unlocked(|| Store::open(&self.state(), upkeep.clone()));
        let runtime = super::wait_for("the runtime folder is not locked", || {
            RuntimeFolder::open(&self.folder.path().join("run")).ok()
        });
        let jobs = Jobs::open(config, self.tracefs.clone(), store, runtime, self.prefix.clone(), Err("no test".into()))
            .unwrap();
        *self.jobs.lock().unwrap() = Arc::downgrade(&jobs);
        jobs
    }
}

/// What a reader is given of a run.
pub fn read_run(jobs: &Jobs, job: &str, run: u32) -> Vec<u8> {
    let source = jobs.readable_run(job, run, false).unwrap();
    let mut reader = RunReader::open(jobs, job, run, source, Wanted::default(), false).unwrap();
    let mut bytes = Vec::new();
    loop {
        match reader.next_frames().unwrap() {
            Next::Frames(frames) => bytes.extend(frames),
            Next::More => {}
            Next::Later | Next::End => return bytes,
        }
    }
}

/// A plan as the API tells it.
pub fn told_plan(plan: &Plan) -> Vec<EventPlan> {
    let event = |plan: &tcpprobed::jobs::EventPlan| EventPlan {
        event: format!("{}:{}", plan.event.system, plan.event.name),
        kernel_filter: plan.kernel.clone().unwrap_or_default(),
        ..EventPlan::default()
    };
    plan.events.iter().map(event).collect()
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(jobs) = self.jobs.lock().unwrap().upgrade() {
            jobs.suspend();
        }
        for name in self.tracefs.instances(&self.prefix).unwrap_or_default() {
            if let Err(error) = Instance::open(&self.tracefs, &name).and_then(Instance::remove) {
                eprintln!("left behind: {error}");
            }
        }
    }
}
