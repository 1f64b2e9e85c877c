//! What an earlier daemon left: jobs, runs that nobody ended, kernel instances.

use super::job::Job;
use super::record::RunRecord;
use super::{JobError, JobFile, Jobs, spec};
use crate::clock::boot_id;
use crate::lock::lock;
use crate::store::{RunMeta, Store, at};
use crate::tracefs::Instance;

impl Jobs {
    /// Reads a job, and ends those of its runs that nobody ended and nobody will resume.
    pub(super) fn load(&self, name: &str) -> Result<(), JobError> {
        spec::check_name(name)?;
        let folder = self.store.job_folder(name)?;
        let file = at(folder.path(), JobFile::load(&folder))?;
        let job = Job::new(name, file, self.load_runs(name)?);
        self.close_open_runs(&job, self.is_to_resume(&job));
        lock(&self.jobs).insert(name.to_owned(), job);
        Ok(())
    }

    /// Whether an earlier daemon left something to be resumed: the job, or the end of its run.
    pub(super) fn is_to_resume(&self, job: &Job) -> bool {
        let now = job.now();
        let is_open = now.runs.last().is_some_and(|run| run.meta.ended_ns == 0 && run.meta.boot == boot_id());
        now.file.running || is_open && Instance::exists(&self.tracefs, &self.instance_name(&job.name))
    }

    pub(super) fn load_runs(&self, name: &str) -> Result<Vec<RunRecord>, JobError> {
        let mut runs = Vec::new();
        for number in self.store.runs(name)? {
            match RunRecord::load(&self.store, name, number) {
                Ok(run) => runs.push(run),
                Err(_) if self.store.has_not_begun(name, number)? => self.store.remove_run(name, number)?,
                Err(error) => tracing::error!(job = name, run = number, %error, "a run cannot be read; left alone"),
            }
        }
        Ok(runs)
    }

    /// Ends, on disk, the runs of a job that nobody ended; not the newest, if that is to be resumed.
    pub(super) fn close_open_runs(&self, job: &Job, is_newest_resumed: bool) {
        let numbers: Vec<u32> = job.now().runs.iter().map(|run| run.number).collect();
        for &number in &numbers[..numbers.len() - usize::from(is_newest_resumed && !numbers.is_empty())] {
            self.close_interrupted(job, number, "tcpprobed was interrupted");
        }
    }

    /// Ends, on disk, a run that nobody ended.
    pub(super) fn close_interrupted(&self, job: &Job, number: u32, why: &str) {
        let Ok(folder) = self.store.run_folder(&job.name, number) else { return };
        let Ok(mut meta) = RunMeta::load(&folder) else { return };
        if meta.ended_ns != 0 {
            return;
        }
        let key = Store::run_key(&job.name, number);
        let closed = meta.resume(&folder, &key, self.store.catalog()).and_then(|_| {
            let walls = self.store.catalog().sum(&key).walls;
            meta.ended_ns = walls.map_or(meta.started_ns, |walls| walls.1);
            meta.ended_why = why.to_owned();
            meta.save(&folder)
        });
        if let Err(error) = closed {
            tracing::error!(job = job.name, run = number, %error, "the interrupted run cannot be closed");
        }
        if let Some(run) = job.now().runs.iter_mut().find(|run| run.number == number) {
            run.meta = meta;
        }
    }

    /// Removes kernel instances of ours that no running job has; but not those of jobs that cannot be read.
    pub(super) fn remove_leftovers(&self, unread: &[String]) {
        let is_to_resume = |name: &str| self.job(name).is_ok_and(|job| self.is_to_resume(&job));
        let wanted = |name: &str| is_to_resume(name) || unread.iter().any(|job| job == name);
        for instance in self.tracefs.instances(&self.prefix).unwrap_or_default() {
            let job = &instance[self.prefix.len()..];
            if !wanted(job) {
                tracing::warn!(instance, "a kernel instance of a job that does not run is removed");
                if let Err(error) = Instance::open(&self.tracefs, &instance).and_then(Instance::remove) {
                    tracing::error!(instance, %error, "it cannot be removed");
                }
            }
        }
    }
}
