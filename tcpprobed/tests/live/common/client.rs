//! The client's binary, run as people run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Daemon, skip};

/// The client, talking to one daemon.
pub struct Client {
    binary: PathBuf,
    socket: PathBuf,
}

/// What came of a command.
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Client {
    /// `None`, with the reason printed, where the client was not built: `cargo test --workspace` does.
    pub fn of(daemon: &Daemon) -> Option<Self> {
        let binary = Path::new(env!("CARGO_BIN_EXE_tcpprobed")).with_file_name("tcpprobectl");
        if !binary.is_file() {
            return skip(&format!("there is no {}: cargo build -p tcpprobectl", binary.display()));
        }
        Some(Client { binary, socket: daemon.socket() })
    }

    /// The same for another socket.
    pub fn at(&self, socket: &Path) -> Self {
        Client { binary: self.binary.clone(), socket: socket.to_owned() }
    }

    /// The same, another file: one that everybody may run.
    pub fn copied_to(&self, binary: &Path) -> Self {
        Client { binary: super::copied(&self.binary, binary), socket: self.socket.clone() }
    }

    /// A command to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--socket").arg(&self.socket).args(arguments);
        command.env("NO_COLOR", "1").env("TZ", "UTC").stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&mut self.command(arguments))
    }
}

impl Answer {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks the exit code; what was printed.
    #[track_caller]
    pub fn expect(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}", self.err);
        self.out
    }

    /// Checks that the command failed with this code, and said why in one line that has all of `words` in it.
    #[track_caller]
    pub fn refused(self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        assert_eq!(self.out, "");
        assert_eq!(self.err.trim_end().lines().count(), 1, "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "without {word:?}: {}", self.err);
        }
    }
}
