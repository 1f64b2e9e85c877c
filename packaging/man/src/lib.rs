//! Manual pages of the programs, from the definitions that also feed their help.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use roff::{Roff, roman};

/// A page of text that is laid out already.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Its name: `tcpprobed.toml`.
    pub name: &'a str,
    /// Its section: `5`.
    pub section: &'a str,
    /// What it is about, in a few words.
    pub about: &'a str,
    /// Its lines.
    pub text: &'a str,
}

/// Writes the page of a program into `folder`, and one for each of its verbs: `tcpprobectl.1`, `tcpprobectl-start.1`.
///
/// # Errors
/// Those of the file system.
pub fn write_program(program: Command, section: &str, folder: &Path) -> io::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_command(&program, section, folder)
}

fn write_command(command: &Command, section: &str, folder: &Path) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_command(verb, section, folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let source = format!("tcpprobe {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).section(section).source(source).manual("tcpprobe");
    let mut out = create(name, section, folder)?;
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    if let Some(notes) = command.get_after_long_help().or_else(|| command.get_after_help()) {
        laid_out("NOTES", &notes.to_string()).to_writer(&mut out)?;
    }
    out.flush()
}

/// Writes a page of text into `folder`.
///
/// # Errors
/// Those of the file system.
pub fn write_text(page: Text<'_>, folder: &Path) -> io::Result<()> {
    let Text { name, section, about, text } = page;
    let mut out = create(name, section, folder)?;
    let mut roff = Roff::new();
    roff.control("TH", [name, section, "", concat!("tcpprobe ", env!("CARGO_PKG_VERSION")), "tcpprobe"]);
    roff.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
    roff.to_writer(&mut out)?;
    laid_out("DESCRIPTION", text).to_writer(&mut out)?;
    out.flush()
}

fn create(name: &str, section: &str, folder: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(folder.join(format!("{name}.{section}")))?))
}

/// Lines that are not filled.
fn laid_out(title: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in text.trim().lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_verbs() {
        let folder = tempfile::tempdir().unwrap();
        let verb = Command::new("start").about("Start it").after_help("Examples:\n  p start\n  .x");
        let hidden = Command::new("man").hide(true);
        let program = Command::new("p").about("Does it").subcommands([verb, hidden]);
        write_program(program, "8", folder.path()).unwrap();
        let mut names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["p-start.8", "p.8"]);
        let verb = std::fs::read_to_string(folder.path().join("p-start.8")).unwrap();
        assert!(verb.contains(".TH p-start 8") && verb.contains(".nf\nExamples:\n  p start\n"), "{verb}");
        assert!(!verb.contains("\n  .x\n.x") && !verb.contains("\n.x"), "no line of text is a request: {verb}");
    }

    #[test]
    fn text() {
        let folder = tempfile::tempdir().unwrap();
        let page = Text { name: "p.toml", section: "5", about: "its file", text: "a = 1\n'b'\n" };
        write_text(page, folder.path()).unwrap();
        let page = std::fs::read_to_string(folder.path().join("p.toml.5")).unwrap();
        assert!(page.contains("\na = 1\n") && !page.contains("\n'b'"), "{page}");
    }
}
