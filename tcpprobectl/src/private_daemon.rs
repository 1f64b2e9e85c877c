//! A daemon of a command's own, for where none answers: it lasts as long as the command, and leaves nothing behind.
//!
//! It ends when its stdin does, so it also ends where this process is killed, and then removes its jobs and its folder.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tcpprobe_client::{Client, Error};

use crate::exit::{Exit, Failure};

/// It answers within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(10);
/// It is looked at this often meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Ends it when it goes.
pub struct PrivateDaemon {
    child: Child,
    folder: PathBuf,
}

/// The daemon at `socket`; where none answers and the caller is root, one of this command's own.
pub fn connect(socket: &Path) -> Result<(Client, Option<PrivateDaemon>)> {
    let error = match Client::connect(socket) {
        Ok(client) => return Ok((client, None)),
        Err(error) => error,
    };
    if !matches!(error, Error::Unreachable { .. }) || !rustix::process::geteuid().is_root() {
        return Err(error.into());
    }
    let Some(program) = program() else { return Err(error.into()) };
    let mut daemon = PrivateDaemon::start(&program)?;
    let client = daemon.client()?;
    Ok((client, Some(daemon)))
}

/// Beside this program, or in PATH.
fn program() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("tcpprobed"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("tcpprobed"));
    beside.into_iter().chain(in_path).find(|program| program.is_file())
}

impl PrivateDaemon {
    fn start(program: &Path) -> Result<Self> {
        let run = Path::new("/run");
        let parent = if run.is_dir() { run.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("tcpprobe-private-{}", std::process::id()));
        let named = || folder.display().to_string();
        DirBuilder::new().mode(0o700).create(&folder).with_context(named)?;
        let log = File::create(folder.join("log")).with_context(named)?;
        let mut command = Command::new(program);
        command.arg("--private").arg(&folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        // Ctrl-C is for this program, which ends that one when it has all.
        command.env_remove("JOURNAL_STREAM").env("NO_COLOR", "1").process_group(0);
        match command.spawn() {
            Ok(child) => Ok(PrivateDaemon { child, folder }),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error).with_context(|| format!("cannot run {}", program.display()))
            }
        }
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/tcpprobed.sock")
    }

    fn client(&mut self) -> Result<Client> {
        let (socket, began) = (self.socket(), Instant::now());
        loop {
            match Client::connect(&socket) {
                Ok(client) => return Ok(client),
                Err(_) if began.elapsed() < PATIENCE && self.child.try_wait()?.is_none() => thread::sleep(LOOK),
                Err(error) => {
                    let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                    let why = log.lines().last().map_or_else(|| error.to_string(), str::to_owned);
                    let what = format!("a daemon of this command's own does not start: {why}");
                    return Err(
                        Failure::new(Exit::Unreachable, what, "`tcpprobectl doctor` looks for the cause").into()
                    );
                }
            }
        }
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
