//! `man`: the manual pages, for whoever installs this.

use anyhow::{Context, Result};
use tcpprobe_man::Text;

use super::explain;
use crate::cli::{Cli, ManArgs};
use crate::exit::Exit;

const FILTER: Text<'static> = Text {
    name: "tcpprobe-filter",
    section: "7",
    about: "the language of filters of tcpprobectl and tcpprobed",
    text: tcpprobe::filter::HELP,
};
const CONFIGURATION: Text<'static> = Text {
    name: "tcpprobed.toml",
    section: "5",
    about: "configuration of tcpprobed",
    text: include_str!("../../../packaging/tcpprobed.toml"),
};

/// What the manual says beside the options.
const SECTIONS: [(&str, &str); 4] = [
    (
        "EXIT STATUS",
        "\
0  done
1  failed
2  wrong usage
3  the daemon does not answer
4  denied
5  no such job, or no data
6  done, but events were lost",
    ),
    (
        "ENVIRONMENT",
        "\
TCPPROBED_SOCKET  the daemon's socket, where --socket names none",
    ),
    (
        "FILES",
        "\
/run/tcpprobed/tcpprobed.sock  the daemon's socket
/etc/tcpprobed/tcpprobed.toml  the daemon's configuration, see tcpprobed.toml(5)",
    ),
    (
        "SIGNALS",
        "\
SIGINT, SIGTERM  end what goes on: trace, tail -f and status --watch as done, others as failed; no file is left half-written, and
                 the job of trace is stopped",
    ),
];

pub fn run(args: &ManArgs) -> Result<Exit> {
    let folder = args.folder.as_path();
    let explained = Text {
        name: "tcpprobe-diagnose",
        section: "7",
        about: "what tcpprobectl diagnose says of a connection, and how it is decided",
        text: &explain::manual(),
    };
    let written = tcpprobe_man::write_program(<Cli as clap::CommandFactory>::command(), "1", &SECTIONS, folder)
        .and_then(|()| tcpprobe_man::write_text(FILTER, folder))
        .and_then(|()| tcpprobe_man::write_text(explained, folder))
        .and_then(|()| tcpprobe_man::write_text(CONFIGURATION, folder));
    written.with_context(|| folder.display().to_string())?;
    Ok(Exit::Ok)
}
