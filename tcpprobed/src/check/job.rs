//! A job's folder.

use super::{Check, kind_name};
use crate::disk::{Entry, Folder};
use crate::jobs::{JobFile, check_name};
use crate::store::{JOB_FILE, StoreError, at, holds_nothing, is_temporary, run_number};

impl Check {
    pub(super) fn job(&mut self, jobs: &Folder, name: &str, kind: Entry) -> Result<(), StoreError> {
        if kind != Entry::Folder {
            return self.found_misplaced(jobs, name, format!("is {}, where jobs have folders", kind_name(kind)));
        }
        if check_name(name).is_err() {
            return self.found_misplaced(jobs, name, "has a name that no job can have");
        }
        let folder = at(jobs.path_of(name), jobs.folder(name))?;
        if holds_nothing(&folder) {
            // Of an interrupted start; the daemon removes it.
            return Ok(());
        }
        self.summary.jobs += 1;
        let entries = at(folder.path(), folder.entries())?;
        self.job_file(&folder, entries.iter().any(|(name, _)| name == JOB_FILE))?;
        for (entry, kind) in entries {
            match (run_number(&entry), kind) {
                (Some(number), Entry::Folder) => self.run(&folder, name, number)?,
                _ if entry == JOB_FILE || is_temporary(&entry, kind) => {}
                _ => {
                    self.found_misplaced(&folder, &entry, format!("is {}, and nothing of a job's", kind_name(kind)))?
                }
            }
        }
        Ok(())
    }

    fn job_file(&mut self, folder: &Folder, is_there: bool) -> Result<(), StoreError> {
        if !is_there {
            let what = "is missing: the daemon does not know the job; starting a job of this name takes its runs up";
            self.found(&folder.path_of(JOB_FILE), None, what, None);
        } else if let Err(error) = JobFile::load(folder) {
            self.found_misplaced(folder, JOB_FILE, format!("cannot be read: {error}"))?;
        }
        Ok(())
    }
}
