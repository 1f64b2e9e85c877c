//! Manual pages of the programs, from the definitions that also feed their help.

use std::path::Path;
use std::{fs, io};

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

/// Sections of a program's page that its definition does not have: title and text.
pub type Sections<'a> = &'a [(&'a str, &'a str)];

/// Columns of text that is laid out: a page has 80, of which it indents seven.
const COLUMNS: usize = 72;

/// Writes the page of a program into `folder`, with these sections at its end, and one for each of its verbs: `tcpprobectl.1`,
/// `tcpprobectl-start.1`.
///
/// # Errors
/// Those of the file system.
pub fn write_program(program: Command, section: &str, sections: Sections<'_>, folder: &Path) -> io::Result<()> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_command(&program, section, sections, folder)
}

fn write_command(command: &Command, section: &str, sections: Sections<'_>, folder: &Path) -> io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_command(verb, section, &[], folder)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let source = format!("tcpprobe {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).section(section).source(source).manual("tcpprobe");
    let mut out = Vec::new();
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
    for (title, text) in sections {
        laid_out(title, text).to_writer(&mut out)?;
    }
    save(&out, name, section, folder)
}

/// Writes a page of text into `folder`.
///
/// # Errors
/// Those of the file system.
pub fn write_text(page: Text<'_>, folder: &Path) -> io::Result<()> {
    let Text { name, section, about, text } = page;
    let mut out = Vec::new();
    let mut roff = Roff::new();
    roff.control("TH", [name, section, "", concat!("tcpprobe ", env!("CARGO_PKG_VERSION")), "tcpprobe"]);
    roff.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
    roff.to_writer(&mut out)?;
    laid_out("DESCRIPTION", text).to_writer(&mut out)?;
    save(&out, name, section, folder)
}

/// Saves a page in ASCII: where the locale has no more, other characters would vanish.
fn save(page: &[u8], name: &str, section: &str, folder: &Path) -> io::Result<()> {
    let ascii = [
        ("…", "..."),
        ("–", "-"),
        ("—", "-"),
        ("→", "->"),
        ("≤", "<="),
        ("≥", ">="),
        ("×", "x"),
        ("·", "x"),
        ("÷", "/"),
        ("√", "sqrt"),
        ("²", "^2"),
        ("−", "-"),
        ("≠", "!="),
    ];
    let page = String::from_utf8_lossy(page).into_owned();
    let page = ascii.iter().fold(page, |page, (known, instead)| page.replace(known, instead));
    fs::write(folder.join(format!("{name}.{section}")), page)
}

/// Lines that are not filled.
fn laid_out(title: &str, text: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]).control("nf", []);
    for line in text.trim().lines().flat_map(narrow) {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}

/// A line as lines of no more than [`COLUMNS`]. Those behind the first are indented as its last column is, and begin with a `#` where it does.
fn narrow(line: &str) -> Vec<String> {
    let begins_like = if line.starts_with("# ") { "# " } else { "" };
    let blanks = line.len() - line.trim_start().len();
    let column = line[blanks..]
        .find("  ")
        .map(|gap| blanks + gap + line[blanks + gap..].len() - line[blanks + gap..].trim_start().len());
    let indent = " ".repeat(column.filter(|column| *column < COLUMNS / 2).unwrap_or(blanks));
    let mut lines = vec![line.to_owned()];
    loop {
        let last = lines.last_mut().filter(|line| line.chars().count() > COLUMNS);
        let Some(last) = last else { return lines };
        let end = last.char_indices().nth(COLUMNS + 1).map_or(last.len(), |(end, _)| end);
        // What has no blank behind its indentation is left whole.
        let Some(cut) = last[..end].rfind(' ').filter(|cut| *cut > indent.len() + begins_like.len()) else {
            return lines;
        };
        let rest = format!("{begins_like}{indent}{}", last[cut..].trim_start());
        last.truncate(last[..cut].trim_end().len());
        lines.push(rest);
    }
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
        write_program(program, "8", &[("FILES", "/etc/p  its file … and more")], folder.path()).unwrap();
        let mut names: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["p-start.8", "p.8"]);
        let page = fs::read_to_string(folder.path().join("p.8")).unwrap();
        assert!(page.contains(".SH FILES\n.nf\n/etc/p  its file ... and more\n"), "{page}");
        let verb = fs::read_to_string(folder.path().join("p-start.8")).unwrap();
        assert!(!verb.contains("FILES"), "{verb}");
        assert!(verb.contains(".TH p-start 8") && verb.contains(".nf\nExamples:\n  p start\n"), "{verb}");
        assert!(!verb.contains("\n  .x\n.x") && !verb.contains("\n.x"), "no line of text is a request: {verb}");
    }

    #[test]
    fn no_line_is_wider_than_a_page() {
        let check = |line: &str, expected: &[&str]| assert_eq!(narrow(line), expected, "{line}");
        let words = "word ".repeat(14);
        let words = words.trim_end();
        check("", &[""]);
        check(words, &[words]);
        check(&format!("{words} and more"), &[words, "and more"]);
        check(&format!("# {words} more"), &[&format!("# {words}"), "# more"]);
        check(
            &format!("  name     {words} more"),
            &[&format!("  name     {}", &words[..59]), "           word word more"],
        );
        let long = "x".repeat(100);
        check(&long, &[&long]);
        check(&format!("  {long} y"), &[&format!("  {long} y")]);
    }

    #[test]
    fn text() {
        let folder = tempfile::tempdir().unwrap();
        let page = Text { name: "p.toml", section: "5", about: "its file", text: "a = 1\n'b'\n" };
        write_text(page, folder.path()).unwrap();
        let page = fs::read_to_string(folder.path().join("p.toml.5")).unwrap();
        assert!(page.contains("\na = 1\n") && !page.contains("\n'b'"), "{page}");
    }
}
