//! `man`: the manual pages, for whoever installs this.

use anyhow::{Context, Result};
use tcpprobe_man::Text;

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

pub fn run(args: &ManArgs) -> Result<Exit> {
    let folder = args.folder.as_path();
    let written = tcpprobe_man::write_program(<Cli as clap::CommandFactory>::command(), "1", folder)
        .and_then(|()| tcpprobe_man::write_text(FILTER, folder))
        .and_then(|()| tcpprobe_man::write_text(CONFIGURATION, folder));
    written.with_context(|| folder.display().to_string())?;
    Ok(Exit::Ok)
}
