//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::{Config, SnapshotConfig};

/// Records the kernel's tcp tracepoints: runs capture jobs, stores what they find, and serves tcpprobectl.
///
/// Needs root, or a user with CAP_DAC_OVERRIDE, and a kernel with tracefs and tcp events (4.16 or later).
/// Several can run side by side, each with its own --state and --runtime.
#[derive(Debug, Parser)]
#[command(
    name = "tcpprobed",
    version,
    after_help = "Started by systemd it takes everything from /etc/tcpprobed/tcpprobed.toml.\n\
                  SIGHUP reads that again; captures go on. RUST_LOG=debug says more.\n\n\
                  SIGTERM, as of `systemctl stop`, ends the daemon and no job: the kernel goes on recording into its\n\
                  buffers, and the next daemon goes on with the jobs. To end them first: tcpprobectl stop --all"
)]
pub struct Flags {
    /// What to do; none is being the daemon.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Configuration [default: /etc/tcpprobed/tcpprobed.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Where traces are stored [default: /var/lib/tcpprobed]
    #[arg(long, value_name = "DIR", global = true)]
    pub state: Option<PathBuf>,
    /// For the socket and what is not stored yet; on a tmpfs [default: /run/tcpprobed]
    #[arg(long, value_name = "DIR")]
    pub runtime: Option<PathBuf>,
    /// The API's socket [default: tcpprobed.sock in the runtime folder]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Be the daemon of one program: all is in this folder, which is removed with every job when stdin ends
    #[arg(long, value_name = "DIR", hide = true, conflicts_with_all = ["config", "state", "runtime", "socket"])]
    pub private: Option<PathBuf>,
    /// tracefs [default: found, or mounted at /sys/kernel/tracing]
    #[arg(long, value_name = "DIR")]
    pub tracefs: Option<PathBuf>,
}

/// What else the program does than being the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify the whole store while no daemon has it: one line for each thing that is wrong
    ///
    /// Every small file, every frame's checksum, every block down to its last event, and every account is looked at, and
    /// whether they agree. Exits with 0 where all is well, with 1 where something is not.
    Check {
        /// Put what is damaged aside, into `<state>/quarantine`; what is whole of it stays. Build the catalog anew
        #[arg(long)]
        repair: bool,
        /// Print all of it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the manual pages into a folder
    #[command(hide = true)]
    Man {
        /// The folder
        folder: PathBuf,
    },
}

impl Flags {
    /// The configuration as the file is now, overruled by the flags.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn configuration(&self) -> Result<Config> {
        if let Some(folder) = &self.private {
            let (state, runtime) = (folder.join("state"), folder.join("run"));
            // It shows what the kernel records, as it comes.
            let snapshots = SnapshotConfig { interval_seconds: 0, ..SnapshotConfig::default() };
            return Ok(Config { state, runtime, tracefs: self.tracefs.clone(), snapshots, ..Config::default() });
        }
        let file = Config::load(self.config.as_deref())?;
        Ok(Config {
            state: self.state.clone().unwrap_or(file.state),
            runtime: self.runtime.clone().unwrap_or(file.runtime),
            socket: self.socket.clone().or(file.socket),
            tracefs: self.tracefs.clone().or(file.tracefs),
            ..file
        })
    }
}
