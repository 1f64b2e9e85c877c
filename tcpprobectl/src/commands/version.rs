//! `version`: of this program, the daemon, the file format and the kernel.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use tcpprobe_client::Client;
use tcpprobe_proto::v1::VersionReply;

use super::{print, print_json};
use crate::cli::VersionArgs;
use crate::exit::Exit;

/// Of this program.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub fn run(socket: &Path, args: &VersionArgs) -> Result<Exit> {
    let daemon = Client::connect(socket).and_then(|client| client.version());
    if args.json {
        print_json(&VersionJson { client: OWN, daemon: daemon.as_ref().ok().map(DaemonJson::from) })?;
    } else {
        print(&words(daemon.as_ref().ok()))?;
    }
    daemon?;
    Ok(Exit::Ok)
}

fn words(daemon: Option<&VersionReply>) -> String {
    let own = format!("tcpprobectl  {OWN}\n");
    let Some(daemon) = daemon else { return own };
    format!(
        "{own}tcpprobed    {}\nfile format  {}\nkernel       {}, {} CPUs, tracefs at {}\n",
        daemon.version, daemon.file_format, daemon.kernel, daemon.cpus, daemon.tracefs
    )
}

/// What `version --json` prints; `daemon` is null where none answers.
#[derive(Debug, Serialize)]
struct VersionJson<'a> {
    client: &'a str,
    daemon: Option<DaemonJson<'a>>,
}

#[derive(Debug, Serialize)]
struct DaemonJson<'a> {
    version: &'a str,
    file_format: u32,
    kernel: &'a str,
    tracefs: &'a str,
    cpus: u32,
}

impl<'a> From<&'a VersionReply> for DaemonJson<'a> {
    fn from(reply: &'a VersionReply) -> Self {
        DaemonJson {
            version: &reply.version,
            file_format: reply.file_format,
            kernel: &reply.kernel,
            tracefs: &reply.tracefs,
            cpus: reply.cpus,
        }
    }
}
