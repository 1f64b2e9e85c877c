//! `completions`: a script for a shell, which asks this program for names of jobs, their runs, and events.

use anyhow::Result;
use clap_complete::Shell;

use super::print;
use crate::cli::{self, CompletionsArgs};
use crate::exit::Exit;

/// Verbs that no person types.
const HIDDEN: [&str; 2] = ["man", "names"];
/// Verbs whose first word is a job.
const OF_JOBS: &str = "start|stop|rm|status|fetch|tail|plot";

const BASH: &str = r#"
_tcpprobectl_names() {
    _tcpprobectl "$@"
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb="" job="" word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] && continue
        if [[ -z $verb ]]; then verb=$word; elif [[ -z $job ]]; then job=$word; fi
    done
    case $prev in
        --run) COMPREPLY=($(compgen -W "$(tcpprobectl names --runs-of "$job" 2>/dev/null)" -- "$cur")); return ;;
        --events) COMPREPLY=($(compgen -W "$(tcpprobectl names --events 2>/dev/null)" -- "$cur")); return ;;
        -*) return ;;
    esac
    [[ $cur == -* ]] && return
    case $verb in
        OF_JOBS) COMPREPLY+=($(compgen -W "$(tcpprobectl names 2>/dev/null)" -- "$cur")) ;;
    esac
}
complete -F _tcpprobectl_names -o bashdefault -o default tcpprobectl
"#;

const FISH: &str = r#"
complete -c tcpprobectl -n "__fish_seen_subcommand_from OF_JOBS" -f -a "(tcpprobectl names 2>/dev/null)"
complete -c tcpprobectl -n "__fish_seen_subcommand_from fetch plot" -l run -x -a "(tcpprobectl names --runs-of (commandline -opc)[3] 2>/dev/null)"
complete -c tcpprobectl -n "__fish_seen_subcommand_from start fetch trace record convert" -l events -x -a "(tcpprobectl names --events)"
"#;

const ZSH: &str = r#"
_tcpprobectl_jobs() { compadd -- ${(f)"$(tcpprobectl names 2>/dev/null)"} }
_tcpprobectl_runs() { compadd -- ${(f)"$(tcpprobectl names --runs-of "${line[1]:-$words[2]}" 2>/dev/null)"} }
_tcpprobectl_events() { compadd -- ${(f)"$(tcpprobectl names --events)"} }
"#;

pub fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), "tcpprobectl", &mut script);
    let script: String = String::from_utf8_lossy(&script).lines().filter_map(shown).fold(String::new(), add_line);
    let script = match args.shell {
        Shell::Bash => script + &BASH.replace("OF_JOBS", OF_JOBS),
        Shell::Fish => script + &FISH.replace("OF_JOBS", &OF_JOBS.replace('|', " ")),
        Shell::Zsh => zsh(&script),
        _ => script,
    };
    print(&script)?;
    Ok(Exit::Ok)
}

fn add_line(all: String, line: String) -> String {
    all + &line + "\n"
}

/// A line without the hidden verbs, if anything is left of it.
fn shown(line: &str) -> Option<String> {
    let offers = |verb: &&str| line.starts_with(&format!("'{verb}:")) || line.contains(&format!("-a \"{verb}\""));
    if HIDDEN.iter().any(offers) {
        return None;
    }
    let is_list = line.trim_start().starts_with("opts=\"");
    let without = |line: String, verb: &&str| line.replace(&format!(" {verb} "), " ");
    Some(if is_list { HIDDEN.iter().fold(line.to_owned(), without) } else { line.to_owned() })
}

/// With the names of jobs, runs and events where the script would offer files; its functions must stand before its first use.
fn zsh(script: &str) -> String {
    let dynamic = |line: &str| {
        let offers = [("name --", "jobs"), ("names --", "jobs"), ("source --", "jobs")];
        let trimmed = line.trim_start_matches("'*").trim_start_matches('\'').trim_start_matches(':');
        let positional = offers.iter().find(|(start, _)| trimmed.starts_with(start)).map(|(_, what)| *what);
        let option = [("'--run=", "runs"), ("'*--events=", "events")].iter().find(|(start, _)| line.starts_with(start));
        match positional.or(option.map(|(_, what)| *what)) {
            Some(what) => line.replace(":_default'", &format!(":_tcpprobectl_{what}'")),
            None => line.to_owned(),
        }
    };
    let (head, rest) = script.split_once('\n').unwrap_or((script, ""));
    let rest: String = rest.lines().map(dynamic).fold(String::new(), add_line);
    format!("{head}\n{ZSH}{rest}")
}
