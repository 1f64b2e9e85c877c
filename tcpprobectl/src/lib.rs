//! `tcpprobectl`: starts and stops capture jobs of tcpprobed, and shows what they recorded.
//!
//! The command line is the interface; it is a library only for its own program and for what builds the packages.

mod brief;
mod child;
mod cli;
mod commands;
mod diagnosed;
mod doctor;
mod escape;
mod exit;
mod export;
mod filter;
mod format;
mod input;
mod interrupt;
mod job;
mod lines;
mod output;
mod owned;
mod paint;
mod perfetto;
mod private_daemon;
mod progress;
mod range;
mod recording;
mod report;
mod sample;
mod table;
mod tables;
mod top;
mod users;
mod value;
mod wrap;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::{ContextKind, ContextValue, Error as ClapError, ErrorKind};

use crate::cli::Cli;
use crate::exit::Exit;

/// Does what the command line says; every error is one line on stderr.
#[must_use]
pub fn run() -> ExitCode {
    let parsed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            let exit = exit::code(&error);
            if exit != Exit::Ok {
                say(&exit::line(&error));
                show(exit::snippet(&error).as_deref());
            }
            exit.into()
        }
    }
}

/// Words for the user, on stderr.
pub(crate) fn say(words: &str) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "tcpprobectl: {words}");
}

/// More than the one line, where a person reads along.
fn show(snippet: Option<&str>) {
    let mut stderr = std::io::stderr();
    if let Some(snippet) = snippet.filter(|_| stderr.is_terminal()) {
        let _ = writeln!(stderr, "{snippet}");
    }
}

/// Help and version as asked for; a wrong command line as one line.
fn usage(error: &ClapError) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            Exit::Ok
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => {
            say(&usage_line(error));
            Exit::Usage
        }
    }
}

fn usage_line(error: &ClapError) -> String {
    let rendered = error.render().to_string();
    let what = rendered.split("\n\n").next().unwrap_or_default();
    let what = exit::one_line(what.trim_start_matches("error: "));
    if let Some(meant) = meant(error) {
        return format!("{what}; did you mean {meant}?");
    }
    if error.kind() == ErrorKind::InvalidSubcommand {
        return format!("{what}; see `{}`", help_command());
    }
    let tips = error.context().filter_map(|(kind, value)| match (kind, value) {
        (
            ContextKind::SuggestedArg | ContextKind::SuggestedSubcommand | ContextKind::SuggestedValue,
            ContextValue::String(tip),
        ) => Some(tip.clone()),
        (ContextKind::SuggestedSubcommand | ContextKind::SuggestedValue, ContextValue::Strings(tips)) => {
            tips.last().cloned()
        }
        _ => None,
    });
    match tips.into_iter().next() {
        Some(tip) => format!("{what}; did you mean `{tip}`?"),
        None => format!("{what}; see `{}`", help_command()),
    }
}

/// What was meant by a verb that is none, or by a filter without its option.
fn meant(error: &ClapError) -> Option<String> {
    let typed = |kind| match error.get(kind) {
        Some(ContextValue::String(typed)) => Some(typed.as_str()),
        _ => None,
    };
    if error.kind() == ErrorKind::UnknownArgument {
        let typed = typed(ContextKind::InvalidArg)?;
        let is_filter = ["==", "!=", "<", ">", "&&", "||"].iter().any(|sign| typed.contains(sign));
        return (is_filter && !typed.starts_with('-')).then(|| format!("`--filter '{typed}'`"));
    }
    let typed = typed(ContextKind::InvalidSubcommand)?;
    let command = cli::command();
    let verbs: Vec<&str> =
        command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(|verb| verb.get_name()).collect();
    let begun: Vec<&str> = verbs.iter().copied().filter(|verb| verb.starts_with(typed)).collect();
    match begun.as_slice() {
        [] => verbs.into_iter().find(|verb| is_near(typed, verb)).map(|verb| format!("`{verb}`")),
        [one] => Some(format!("`{one}`")),
        [others @ .., last] => Some(format!("{} or {last}", others.join(", "))),
    }
}

/// Whether two words differ by one letter, or by two that changed places.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    match (one, other) {
        ([a, b, rest @ ..], [c, d, tail @ ..]) if a == d && b == c => rest == tail,
        _ => {
            let (skip_one, skip_other) = (one.get(1..).unwrap_or(&[]), other.get(1..).unwrap_or(&[]));
            skip_one == skip_other || skip_one == other || one == skip_other
        }
    }
}

/// `tcpprobectl start --help`, where the verb at least was right.
fn help_command() -> String {
    let command = cli::command();
    let verb = std::env::args().skip(1).find(|word| command.find_subcommand(word).is_some());
    verb.map_or_else(|| "tcpprobectl --help".to_owned(), |verb| format!("tcpprobectl {verb} --help"))
}
