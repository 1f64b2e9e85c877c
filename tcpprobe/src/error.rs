//! What goes wrong when a trace is read or written.

use std::io;

use crate::file::FORMAT_VERSION;
use crate::file::block::SchemaError;
use crate::filter::FilterError;
use crate::kernel::format::FormatError;

/// A trace that cannot be read or written on.
///
/// Damage inside a trace is no error: it is told as a value ([`crate::source::Item::Problem`]), and reading goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or stream that cannot be read.
    #[error("cannot read {name}")]
    Read {
        /// As it is called: a path, `job web`.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The output failed.
    #[error("cannot write")]
    Write(#[from] io::Error),
    /// Something that is no trace.
    #[error("{name} is not a trace")]
    NotATrace {
        /// As it is called.
        name: String,
    },
    /// Something that is no trace, and is known.
    #[error("{name} is no trace but {what}")]
    Foreign {
        /// As it is called.
        name: String,
        /// `a packet capture (pcap)`
        what: &'static str,
        /// What to do about it.
        hint: &'static str,
    },
    /// A trace of somebody else's that should be readable, and why it is not.
    #[error("{name} {what}")]
    Unreadable {
        /// As it is called.
        name: String,
        /// `is cut within its head`
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A folder where a file was meant.
    #[error("{name} is a directory")]
    IsADirectory {
        /// As it is called.
        name: String,
    },
    /// Something else where a folder was meant.
    #[error("{name} is not a directory")]
    NotADirectory {
        /// As it is called.
        name: String,
    },
    /// Written by something newer, or by a draft that was never released.
    #[error("{name}: the trace is of format version {version}, this program reads {FORMAT_VERSION}")]
    Version {
        /// As it is called.
        name: String,
        /// The version.
        version: u32,
    },
    /// A range of the wall clock was asked of a trace that does not know it.
    #[error("{name} does not tell the time of day")]
    NoWallClock {
        /// As it is called.
        name: String,
    },
    /// A filter that does not suit the events.
    #[error("filter, column {}: {}", error.column, error.message)]
    Filter {
        /// The filter.
        text: String,
        /// Where, and why.
        error: FilterError,
    },
    /// Formats that cannot be stored together.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A file of the kernel's that cannot be understood.
    #[error("{name}")]
    Format {
        /// The file.
        name: String,
        /// Why.
        source: FormatError,
    },
    /// A folder of saved pages that cannot be read as such.
    #[error("{what}")]
    RingDump {
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A column that first appears within a trace, in a format whose columns come first.
    #[error("the field {field} first appears within the trace, and a csv has one header")]
    LateColumn {
        /// The field.
        field: String,
    },
}

impl Error {
    pub(crate) fn read(name: &str) -> impl Fn(io::Error) -> Error {
        move |source| Error::Read { name: name.to_owned(), source }
    }
}
