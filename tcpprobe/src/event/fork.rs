//! The kernel's event of a task that begins another, a process or a thread: `sched:sched_process_fork`.
//!
//! It comes before whatever the new task does (`kernel_clone()`, `kernel/fork.c`), so whoever has all of them knows at each
//! event what its task descends from, however short it lives.

use crate::kernel::format::{Field, Format};

/// Its name, as lists of events have it.
pub const NAME: &str = "sched:sched_process_fork";

/// Whether `format` is its.
#[must_use]
pub fn is_it(format: &Format) -> bool {
    NAME.split_once(':') == Some((&*format.system, &*format.name))
}

/// A task began another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The thread that did it.
    pub parent: i32,
    /// The new one: a process, or a thread of the same.
    pub child: i32,
}

/// Reads such events.
#[derive(Debug, Clone)]
pub struct ForkReader {
    parent: Field,
    child: Field,
}

impl ForkReader {
    /// Of records of `format`; `None` where that is another event.
    #[must_use]
    pub fn new(format: &Format) -> Option<Self> {
        let field = |name| format.field(name).cloned();
        is_it(format).then_some(())?;
        Some(ForkReader { parent: field("parent_pid")?, child: field("child_pid")? })
    }

    /// What a record says; `None` where it is too short.
    #[must_use]
    pub fn read(&self, record: &[u8]) -> Option<Fork> {
        let number = |field: &Field| field.integer(record).and_then(|number| i32::try_from(number).ok());
        Some(Fork { parent: number(&self.parent)?, child: number(&self.child)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_and_child() {
        let format = Format::parse(
            "sched",
            "name: sched_process_fork\nID: 366\nformat:\n\
             \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
             \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
             \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
             \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
             \tfield:__data_loc char[] parent_comm;\toffset:8;\tsize:4;\tsigned:0;\n\
             \tfield:pid_t parent_pid;\toffset:12;\tsize:4;\tsigned:1;\n\
             \tfield:__data_loc char[] child_comm;\toffset:16;\tsize:4;\tsigned:0;\n\
             \tfield:pid_t child_pid;\toffset:20;\tsize:4;\tsigned:1;\n\n\
             print fmt: \"comm=%s pid=%d child_comm=%s child_pid=%d\", __get_str(parent_comm), REC->parent_pid, \
             __get_str(child_comm), REC->child_pid\n",
        )
        .unwrap();
        let reader = ForkReader::new(&format).unwrap();
        let mut record = vec![0; 24];
        record[12..16].copy_from_slice(&71_i32.to_le_bytes());
        record[20..24].copy_from_slice(&4_194_303_i32.to_le_bytes());
        assert_eq!(reader.read(&record), Some(Fork { parent: 71, child: 4_194_303 }));
        assert_eq!(reader.read(&record[..20]), None);
        let mut other = format;
        other.name = "sched_process_exit".into();
        assert!(ForkReader::new(&other).is_none());
    }
}
