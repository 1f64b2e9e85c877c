//! A job's folder.

use super::{StoreCheck, kind_name};
use crate::disk::{EntryKind, Folder, is_temporary};
use crate::jobs::{JobFile, check_name};
use crate::store::{JOB_FILE, StoreError, at, run_number};

impl StoreCheck {
    pub(super) fn job(&mut self, jobs: &Folder, name: &str, kind: EntryKind) -> Result<(), StoreError> {
        if kind != EntryKind::Folder {
            return self.found_misplaced(jobs, name, format!("is {}, where jobs have folders", kind_name(kind)));
        }
        if check_name(name).is_err() {
            return self.found_misplaced(jobs, name, "has a name that no job can have");
        }
        let folder = at(jobs.path_of(name), jobs.folder(name))?;
        if folder.holds_nothing() {
            // Of an interrupted start; the daemon removes it.
            return Ok(());
        }
        self.summary.jobs += 1;
        let entries = at(folder.path(), folder.entries())?;
        self.job_file(&folder, entries.iter().any(|(name, _)| name == JOB_FILE))?;
        for (entry, kind) in entries {
            match (run_number(&entry), kind) {
                (Some(number), EntryKind::Folder) => self.run(&folder, name, number)?,
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
            let what = "is missing: the daemon does not know the job; starting a job of this name resumes its runs";
            self.found(&folder.path_of(JOB_FILE), None, what, None);
        } else if let Err(error) = JobFile::load(folder) {
            self.found_misplaced(folder, JOB_FILE, format!("cannot be read: {error}"))?;
        }
        Ok(())
    }
}
