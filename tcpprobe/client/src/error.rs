//! What goes wrong between a program and the daemon.

use std::io;
use std::path::PathBuf;

use tonic::{Code, Status};

/// A call that was not answered, or not as asked.
///
/// Causes from below gRPC are told as text: they are those of a crate that may be replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody answers at the socket.
    #[error("tcpprobed does not answer on {}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The caller may not connect to the socket.
    #[error("you may not use {}", socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
    },
    /// Something else listens there.
    #[error("{} is not tcpprobed's socket: {why}", socket.display())]
    NotTheDaemon {
        /// The socket.
        socket: PathBuf,
        /// What became of the connection.
        why: String,
    },
    /// The connection broke.
    #[error("the daemon went away during the call: {why}")]
    WentAway {
        /// What became of the connection.
        why: String,
    },
    /// The daemon did not answer in time.
    #[error("the daemon does not answer")]
    TimedOut,
    /// The daemon refused, or failed.
    #[error("{message}")]
    Status {
        /// The kind of failure.
        code: Code,
        /// In the daemon's words: mostly "what is wrong; what to do".
        message: String,
    },
    /// A reply without what every such reply has.
    #[error("the daemon's reply lacks {what}")]
    Incomplete {
        /// What is missing.
        what: &'static str,
    },
    /// This side has no thread for its connection.
    #[error(transparent)]
    Runtime(io::Error),
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        // Only a status of this side's own making has a source: then the connection broke.
        if let Some(source) = std::error::Error::source(&status) {
            return Error::WentAway { why: root_cause(source) };
        }
        let message = match status.message() {
            "" => status.code().description(),
            message => message,
        };
        Error::Status { code: status.code(), message: message.to_owned() }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

/// The innermost cause, which says most.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_keeps_its_code_and_words() {
        let check = |status: Status, code: Code, words: &str| match Error::from(status) {
            Error::Status { code: found, message } => assert_eq!((found, message.as_str()), (code, words)),
            other => panic!("{other:?}"),
        };
        check(Status::not_found("no job web"), Code::NotFound, "no job web");
        check(Status::new(Code::Unavailable, ""), Code::Unavailable, Code::Unavailable.description());
    }

    #[test]
    fn a_status_of_a_broken_connection_is_told_from_the_daemons() {
        let status = Status::from_error(Box::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        let error = Error::from(status);
        assert_eq!(error.to_string(), "the daemon went away during the call: broken pipe");
        // It must not pass for a closed pipe of the program's own.
        assert!(std::error::Error::source(&error).is_none());
    }

    #[test]
    fn an_error_is_found_inside_an_io_error() {
        let error = io::Error::from(Error::TimedOut);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        assert!(matches!(inner, Some(Error::TimedOut)), "{error:?}");
    }
}
