//! How a command ends: the exit codes, and the one line on stderr that says why.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use tcpprobe::kernel::text::is_unprintable;
use tcpprobe_client::{Code, DEFAULT_SOCKET};

use crate::doctor::{group, systemd};
use crate::filter;

/// The exit codes, as `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// It could not be done.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No daemon answers.
    Unreachable = 3,
    /// The caller may not do this.
    Denied = 4,
    /// No such job or run, or nothing was recorded.
    NoData = 5,
    /// Done, but events were lost.
    Lossy = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// What went wrong, with its exit code and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Failure {
    /// The code to end with.
    pub exit: Exit,
    what: String,
    hint: Option<String>,
    /// Lines that show the place of the mistake, for a terminal.
    snippet: Option<String>,
}

impl Failure {
    /// A failure that knows what to do next.
    pub fn new(exit: Exit, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure { exit, what: what.into(), hint: Some(hint.into()), snippet: None }
    }

    /// The same, with lines to show below the message on a terminal.
    #[must_use]
    pub fn with_snippet(mut self, snippet: impl Into<String>) -> Self {
        self.snippet = Some(snippet.into());
        self
    }

    /// What the daemon refused, or failed to do.
    pub fn of_status(code: Code, message: &str) -> Self {
        let hint = hint_of(code, message).map(str::to_owned);
        Failure { exit: exit_of(code), what: message.to_owned(), hint, snippet: None }
    }

    /// A failure whose text has its hint in it.
    pub fn told(exit: Exit, what: impl Into<String>) -> Self {
        Failure { exit, what: what.into(), hint: None, snippet: None }
    }
}

/// The exit code of a call that failed, and what to do about it.
fn ending_of_call(error: &tcpprobe_client::Error) -> (Exit, Option<Cow<'_, str>>) {
    use tcpprobe_client::Error;
    match error {
        Error::Denied { socket } => (Exit::Denied, Some(group::join(socket).into())),
        Error::Unreachable { socket, .. } => (Exit::Unreachable, Some(how_to_start(socket))),
        Error::NotTheDaemon { .. } => (Exit::Unreachable, Some("give the right one with --socket".into())),
        Error::WentAway { .. } | Error::TimedOut => (Exit::Unreachable, Some(SEE_DAEMON.into())),
        Error::Status { code, message } => (exit_of(*code), hint_of(*code, message).map(Cow::from)),
        _ => (Exit::Failed, None),
    }
}

fn how_to_start(socket: &Path) -> Cow<'static, str> {
    if socket != Path::new(DEFAULT_SOCKET) {
        return format!("start it: tcpprobed --socket {}", socket.display()).into();
    }
    if systemd::is_booted() { "start it: sudo systemctl start tcpprobed" } else { "start it: sudo tcpprobed" }.into()
}

/// The daemon's messages are "what is wrong; what to do"; only where the second half is missing, this has one.
fn hint_of(code: Code, message: &str) -> Option<&'static str> {
    let hint = if message.starts_with("filter, column") { Some(FILTER_HELP) } else { hint_for(code) };
    hint.filter(|_| !message.contains("; "))
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Ok,
        Code::InvalidArgument => Exit::Usage,
        Code::NotFound => Exit::NoData,
        Code::PermissionDenied | Code::Unauthenticated => Exit::Denied,
        Code::Unavailable | Code::DeadlineExceeded => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

fn hint_for(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::InvalidArgument => "see `tcpprobectl --help`",
        Code::NotFound => "`tcpprobectl list` shows the jobs",
        Code::PermissionDenied | Code::Unauthenticated => JOIN_GROUP,
        Code::FailedPrecondition => "`tcpprobectl status` shows the state of every job",
        Code::Unavailable | Code::DeadlineExceeded => SEE_DAEMON,
        Code::Unimplemented => "the daemon is older than this program: compare with `tcpprobectl version`",
        _ => return None,
    })
}

/// Where a daemon that does not answer is explained.
const SEE_DAEMON: &str = "see `systemctl status tcpprobed`";

/// Where filters are explained.
pub const FILTER_HELP: &str = "see `tcpprobectl help filter`";

/// What lets a stranger in.
pub const JOIN_GROUP: &str = "add yourself to group tcpprobe: sudo usermod -aG tcpprobe $USER, then log in again";

/// The exit code of an error of the library's, and what to do about it.
fn ending(error: &tcpprobe::Error) -> (Exit, Option<&str>) {
    use tcpprobe::Error;
    match error {
        Error::NotATrace { .. } => {
            (Exit::Failed, Some("it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz"))
        }
        Error::Foreign { hint, .. } | Error::Unreadable { hint, .. } => (Exit::Failed, Some(hint)),
        Error::IsADirectory { .. } => (Exit::Usage, Some("for the pages in it, give --formats EVENTS_DIR")),
        Error::NotADirectory { .. } => (Exit::Usage, Some("--formats goes with a folder of cpuN.raw")),
        Error::Version { .. } => (Exit::Failed, Some("use the one that wrote it")),
        Error::NoWallClock { .. } => (Exit::Usage, Some("leave out --since, --until and --last")),
        Error::Filter { error, .. } => (Exit::Usage, error.hint.as_deref().or(Some(FILTER_HELP))),
        Error::LateColumn { .. } => (Exit::Failed, Some("use json")),
        Error::RingDump { hint, .. } => (Exit::Failed, Some(hint)),
        _ => (Exit::Failed, None),
    }
}

/// The exit code of `error`, [`Exit::Ok`] where it only says that nobody reads the output any more.
#[must_use]
pub fn code(error: &anyhow::Error) -> Exit {
    if error.chain().any(is_closed_pipe) {
        return Exit::Ok;
    }
    if let Some(failure) = failure(error) {
        return failure.exit;
    }
    if let Some(error) = call(error) {
        return ending_of_call(error).0;
    }
    library(error).map_or(Exit::Failed, |error| ending(error).0)
}

/// What to do about `error`.
fn hint(error: &anyhow::Error) -> Option<Cow<'_, str>> {
    if let Some(failure) = failure(error) {
        return failure.hint.as_deref().map(Cow::from);
    }
    if let Some(error) = call(error) {
        return ending_of_call(error).1;
    }
    library(error).and_then(|error| ending(error).1).map(Cow::from)
}

/// The failed call in `error`.
fn call(error: &anyhow::Error) -> Option<&tcpprobe_client::Error> {
    find(error)
}

/// The error of the library's in `error`.
fn library(error: &anyhow::Error) -> Option<&tcpprobe::Error> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// The line that explains `error`: what is wrong, from the outside in, then what to do.
#[must_use]
pub fn line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().filter(|cause| !only_wraps(*cause)).map(ToString::to_string) {
        // Errors that quote their source already said this.
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    if let Some(hint) = hint(error) {
        text.push_str("; ");
        text.push_str(&hint);
    }
    one_line(&text)
}

/// Whether this is the library's word for an input that fails, and the input says by itself what happened.
fn only_wraps(cause: &(dyn Error + 'static)) -> bool {
    match cause.downcast_ref() {
        Some(tcpprobe::Error::Read { source, .. }) => {
            source.get_ref().is_some_and(|inner| inner.is::<Failure>() || inner.is::<tcpprobe_client::Error>())
        }
        _ => false,
    }
}

/// Lines that show the place of the mistake, where a terminal has room for them.
#[must_use]
pub fn snippet(error: &anyhow::Error) -> Option<String> {
    match (failure(error), library(error)) {
        (Some(failure), _) => failure.snippet.clone(),
        (None, Some(tcpprobe::Error::Filter { text, error })) => Some(filter::snippet(error, text)),
        _ => None,
    }
}

/// `text` with every run of white space and control characters made one blank.
#[must_use]
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_unprintable(c)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn failure(error: &anyhow::Error) -> Option<&Failure> {
    find(error)
}

/// The first error of type `T` among the causes of `error`.
fn find<T: Error + 'static>(error: &anyhow::Error) -> Option<&T> {
    error.chain().find_map(|cause| {
        // It may come through `std::io::Read`, and then sits inside an I/O error.
        let inner = || cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.downcast_ref().or_else(|| inner().and_then(|inner| inner.downcast_ref()))
    })
}

fn is_closed_pipe(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    fn check(error: anyhow::Error, exit: Exit, text: &str) {
        assert_eq!((code(&error), line(&error).as_str()), (exit, text));
    }

    fn status(code: Code, message: &str) -> anyhow::Error {
        tcpprobe_client::Error::Status { code, message: message.to_owned() }.into()
    }

    #[test]
    fn status_codes_become_exit_codes() {
        for (code, exit) in [
            (Code::InvalidArgument, Exit::Usage),
            (Code::NotFound, Exit::NoData),
            (Code::FailedPrecondition, Exit::Failed),
            (Code::PermissionDenied, Exit::Denied),
            (Code::Unauthenticated, Exit::Denied),
            (Code::ResourceExhausted, Exit::Failed),
            (Code::Unavailable, Exit::Unreachable),
            (Code::DeadlineExceeded, Exit::Unreachable),
            (Code::Internal, Exit::Failed),
            (Code::Unimplemented, Exit::Failed),
        ] {
            assert_eq!(super::code(&status(code, "x")), exit, "{code:?}");
        }
    }

    #[test]
    fn the_daemons_hint_is_not_doubled() {
        let own = status(Code::NotFound, "no job web; did you mean web1?");
        check(own, Exit::NoData, "no job web; did you mean web1?");
        let none = status(Code::NotFound, "no job web");
        check(none, Exit::NoData, "no job web; `tcpprobectl list` shows the jobs");
    }

    #[test]
    fn a_failure_is_found_inside_an_io_error() {
        let inside = io::Error::other(Failure::new(Exit::Denied, "no", "ask"));
        let error = Err::<(), _>(inside).context("job web").unwrap_err();
        check(error, Exit::Denied, "job web: no; ask");
    }

    #[test]
    fn a_closed_pipe_is_success() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("stdout");
        assert_eq!(code(&error), Exit::Ok);
    }

    #[test]
    fn a_message_of_many_lines_is_made_one() {
        check(anyhow::anyhow!("one\n  two\x1b[31m"), Exit::Failed, "one two [31m");
    }
}
