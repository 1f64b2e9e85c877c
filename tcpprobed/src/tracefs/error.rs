//! What can go wrong with tracefs, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tcpprobe::kernel::format::FormatError;

use super::mount;

/// A failure of tracefs; the message is one line that says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum TracefsError {
    /// The process may not read or write a file.
    #[error(
        "{path}: permission denied; run as root, or give the process CAP_DAC_OVERRIDE (AmbientCapabilities= in its unit)"
    )]
    Permission {
        /// The file.
        path: PathBuf,
    },
    /// Something other than file permissions refused (EPERM), and it is not known to be lockdown.
    #[error("{path}: the kernel refused ({doing}: EPERM); kernel lockdown, a security module or a sandbox forbids it")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
    },
    /// tracefs is not mounted, and the process may not mount it.
    #[error(
        "tracefs is not mounted and may not be mounted by this process; run as root, or `mount -t tracefs tracefs {path}` first"
    )]
    MountDenied {
        /// Where it belongs.
        path: PathBuf,
    },
    /// The kernel is locked down: tracefs is empty or its files cannot be opened.
    #[error(
        "kernel lockdown forbids tracing ({path}: {sign}); boot with lockdown=integrity or none (Secure Boot may set confidentiality)"
    )]
    Lockdown {
        /// What was looked at.
        path: PathBuf,
        /// How it shows.
        sign: &'static str,
    },
    /// The kernel has no tracefs.
    #[error(
        "this kernel has no tracefs; it needs one built with CONFIG_FTRACE=y and CONFIG_ENABLE_DEFAULT_TRACERS=y or any tracer"
    )]
    NoTracefs,
    /// The root that was given is something else.
    #[error("{root} is not a tracefs: {reason}; it is usually /sys/kernel/tracing")]
    NotTracefs {
        /// The root.
        root: PathBuf,
        /// Why not.
        reason: String,
    },
    /// There are no tcp events.
    #[error(
        "{root}/events/tcp is missing: the kernel is older than 4.15, or built without networking (CONFIG_INET) or event tracing"
    )]
    NoTcpEvents {
        /// The root.
        root: PathBuf,
    },
    /// There are tcp events, but not the main one.
    #[error("{root}/events/tcp/tcp_probe is missing: the kernel is older than 4.16; a newer one is needed")]
    NoTcpProbe {
        /// The root.
        root: PathBuf,
    },
    /// tracefs is mounted read-only.
    #[error(
        "{path} is mounted read-only; under systemd drop ProtectKernelTunables=yes or add ReadWritePaths=/sys/kernel/tracing/instances"
    )]
    ReadOnly {
        /// What could not be written.
        path: PathBuf,
    },
    /// No event matches a pattern.
    #[error("no event matches `{pattern}`{}; events are tcp:* and sock:inet_sock_set_state", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownEvent {
        /// The pattern.
        pattern: String,
        /// The available event of the most similar name, where one is similar.
        nearest: Option<String>,
    },
    /// The name cannot be a directory under `instances`.
    #[error("`{name}` cannot name a tracing instance: 1 to 255 bytes without `/`, not `.` or `..`")]
    Name {
        /// The name.
        name: String,
    },
    /// There is such an instance already.
    #[error("tracing instance {name} exists already; open it, or `rmdir` it")]
    Exists {
        /// Its name.
        name: String,
    },
    /// There is no such instance.
    #[error("no tracing instance {name}")]
    NoInstance {
        /// Its name.
        name: String,
    },
    /// Files of the instance are open, so it cannot be removed or resized.
    #[error("tracing instance {name} is in use{}", held_by(.holders))]
    Busy {
        /// Its name.
        name: String,
        /// Some of the processes that hold files of it open, as `pid (comm)`, this one included.
        holders: Vec<String>,
    },
    /// The kernel has too little free memory for a buffer.
    #[error("{name}: no memory for a buffer of {asked_kb} KB on each of {cpus} CPUs; {fits_kb} KB a CPU would fit")]
    OutOfMemory {
        /// The instance.
        name: String,
        /// What was asked for, KB a CPU.
        asked_kb: u64,
        /// CPUs that get a buffer.
        cpus: usize,
        /// What the machine could give now, KB a CPU.
        fits_kb: u64,
    },
    /// A value that the kernel does not take.
    #[error("{path}: the kernel does not take `{value}`")]
    Value {
        /// The file.
        path: PathBuf,
        /// What was written.
        value: String,
    },
    /// The kernel does not take a filter.
    #[error("filter of {event}: {reason}: `{filter}`{}", column.map(|c| format!(", column {c}")).unwrap_or_default())]
    Filter {
        /// The event, `system:name`.
        event: String,
        /// The filter.
        filter: String,
        /// The kernel's reason, from the instance's `error_log`.
        reason: String,
        /// Where in the filter, counted from 1.
        column: Option<usize>,
    },
    /// A file does not say what it should.
    #[error("{path}, line {line}: {reason}: `{text}`")]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
        /// The line's text, shortened.
        text: String,
    },
    /// A format file cannot be understood.
    #[error("{path}: {source}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FormatError,
    },
    /// Anything else.
    #[error("{path}: cannot {doing}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read`, `write "1"`.
        doing: &'static str,
        /// The error.
        source: io::Error,
    },
}

fn held_by(holders: &[String]) -> String {
    match holders {
        [] => "; a mapping or a trigger holds it, or a process that this one may not look at".to_owned(),
        list => format!(" by {}", list.join(", ")),
    }
}

impl TracefsError {
    /// Whether the request was wrong, not the system.
    #[must_use]
    pub fn is_bad_request(&self) -> bool {
        matches!(self, TracefsError::UnknownEvent { .. } | TracefsError::Filter { .. } | TracefsError::Name { .. })
    }

    /// The error for a failed system call on `path`; the errno decides which.
    pub(super) fn io(path: &Path, doing: &'static str, errno: Errno) -> Self {
        let path = path.to_owned();
        match errno {
            Errno::ACCESS => TracefsError::Permission { path },
            Errno::ROFS => TracefsError::ReadOnly { path },
            // An open file is refused under lockdown too when it was switched on after the files were made.
            Errno::PERM if mount::confidentiality() => TracefsError::Lockdown { path, sign: "EPERM" },
            Errno::PERM => TracefsError::Refused { path, doing },
            _ => TracefsError::Io { path, doing, source: errno.into() },
        }
    }

    /// The error for a line of `path` that is not understood.
    pub(super) fn content(path: &Path, line: usize, reason: &'static str, text: &str) -> Self {
        TracefsError::Content { path: path.to_owned(), line, reason, text: text.chars().take(80).collect() }
    }

    /// The errno behind it, where it is one that no other variant stands for.
    pub(super) fn errno(&self) -> Option<Errno> {
        match self {
            TracefsError::Io { source, .. } => Errno::from_io_error(source),
            _ => None,
        }
    }
}
