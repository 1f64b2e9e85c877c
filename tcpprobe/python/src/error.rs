//! What goes wrong, and as which exception Python gets it.

use std::error::Error as _;
use std::io;

use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyUserWarning, PyValueError};
use tcpprobe::filter::FilterError;
use tcpprobe_plot::PlotError;

pyo3::create_exception!(
    tcpprobe,
    TraceError,
    PyValueError,
    "A file that is no trace, or a trace that does not have what is asked of it."
);
pyo3::create_exception!(
    tcpprobe,
    LossWarning,
    PyUserWarning,
    "Events are missing from what was read, or some of it could not be read."
);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The trace cannot be read.
    #[error("{}", in_a_line(.0))]
    Trace(#[from] tcpprobe::Error),
    /// The table cannot be made of it.
    #[error("{}", of_tables(.0))]
    Tables(#[from] tcpprobe_arrow::Error),
    /// A filter as typed that is none.
    #[error("{}", .error.render(.text))]
    Filter { text: String, error: FilterError },
    /// An argument that means nothing.
    #[error("{0}")]
    Argument(String),
    /// Its times are no times.
    #[error("{0}: its clock counts no nanoseconds, so nothing can be told over time; events() has its values")]
    NoTimes(String),
    /// Nothing to draw, or it cannot be drawn.
    #[error("{}", of_plot(.0))]
    Plot(#[from] PlotError),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// A defect of ours.
    #[error("a defect in tcpprobe, please report it: {0}")]
    Defect(String),
    /// Nobody wants the result any more.
    #[error("interrupted")]
    Stopped,
}

/// What is wrong, from the outside in, and what to do.
fn in_a_line(error: &tcpprobe::Error) -> String {
    use tcpprobe::Error;
    if let Error::Filter { text, error } = error {
        return error.render(text);
    }
    let hint = match error {
        Error::NotATrace { .. } => Some("tcpprobe reads .tcpp and ftrace text, both also gzipped"),
        Error::Foreign { hint, .. } | Error::RingDump { hint, .. } => Some(*hint),
        Error::IsADirectory { .. } => Some("open a file in it; saved pages are read by `tcpprobectl convert`"),
        Error::Version { .. } => Some("update tcpprobe"),
        _ => None,
    };
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    hint.iter().for_each(|hint| text = format!("{text}; {hint}"));
    text
}

fn of_tables(error: &tcpprobe_arrow::Error) -> String {
    match error {
        tcpprobe_arrow::Error::NoTimes(_) => format!("{error}; events() has its values"),
        other => other.to_string(),
    }
}

fn of_plot(error: &PlotError) -> String {
    match error {
        PlotError::OnlySsh(count) => {
            format!(
                "nothing to draw: port 22 (SSH) is left out, and all connections ({count}) are on it; ssh=True draws them"
            )
        }
        PlotError::NoEvents => format!("{error}; take a wider filter"),
        other => other.to_string(),
    }
}

/// The exception of the operating system's error, with its number and the file: Python makes `FileNotFoundError` of it, for one.
fn of_system(name: &str, error: &io::Error) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return PyOSError::new_err(format!("cannot read {name}: {error}"));
    };
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default().to_owned();
    PyOSError::new_err((number, words, name.to_owned()))
}

/// `EISDIR`.
const IS_A_DIRECTORY: i32 = 21;

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let text = failure.to_string();
        match failure {
            Failure::Trace(tcpprobe::Error::Read { name, source }) => of_system(&name, &source),
            Failure::Trace(tcpprobe::Error::IsADirectory { name }) => {
                PyOSError::new_err((IS_A_DIRECTORY, "Is a directory", name))
            }
            Failure::Trace(tcpprobe::Error::Filter { .. }) | Failure::Filter { .. } | Failure::Argument(_) => {
                PyValueError::new_err(text)
            }
            Failure::Trace(_) | Failure::Tables(_) | Failure::NoTimes(_) | Failure::Plot(_) => {
                TraceError::new_err(text)
            }
            Failure::Thread(_) | Failure::Defect(_) | Failure::Stopped => PyRuntimeError::new_err(text),
        }
    }
}
