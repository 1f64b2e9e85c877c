//! `explain`: the page of a limit, a cause of retransmissions or a finding.

use anyhow::Result;
use serde_json::{Value, json};
use tcpprobe::diagnose::{PAGES, Page, Subject};

use super::{print, print_json};
use crate::cli::ExplainArgs;
use crate::exit::{Exit, Failure};
use crate::wrap::wrap;

pub fn run(args: &ExplainArgs) -> Result<Exit> {
    let Some(name) = &args.name else {
        if args.json {
            print_json(&PAGES.iter().map(to_json).collect::<Vec<_>>())?
        } else {
            print(&list())?
        }
        return Ok(Exit::Ok);
    };
    let wanted = name.to_lowercase().replace([' ', '-'], "_");
    let found: Vec<&Page> = PAGES.iter().filter(|page| page.name == wanted).collect();
    if found.is_empty() {
        let what = format!("there is no page about {name}");
        return Err(Failure::new(Exit::Usage, what, "`tcpprobectl explain` lists all").into());
    }
    if args.json {
        print_json(&found.into_iter().map(to_json).collect::<Vec<_>>())?;
    } else {
        print(&found.into_iter().map(text).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Exit::Ok)
}

fn list() -> String {
    let mut text = String::new();
    for subject in Subject::ALL {
        text.push_str(&format!("{}:\n", heading(subject)));
        for page in PAGES.iter().filter(|page| page.subject == subject) {
            text.push_str(&wrap("  ", &format!("{:<20}  {}", page.name, page.title()), 24));
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn heading(subject: Subject) -> &'static str {
    match subject {
        Subject::Limit => "Limits: what holds a connection back",
        Subject::Cause => "Causes of retransmissions, and what is said of them",
        Subject::Finding => "Findings: what takes no time",
    }
}

/// All pages, for the manual, which breaks lines itself.
pub fn manual() -> String {
    let mut text = String::new();
    for subject in Subject::ALL {
        text.push_str(&format!("{}\n", heading(subject).to_uppercase()));
        for page in PAGES.iter().filter(|page| page.subject == subject) {
            text.push_str(&format!("\n{}\n  {}\n", page.name, page.title()));
            for (heading, words) in page.sections() {
                text.push_str(&format!("  {heading}:\n    {words}\n"));
            }
        }
        text.push('\n');
    }
    text
}

fn text(page: &Page) -> String {
    let mut text = format!("{} ({})\n{}", page.name, page.subject.name(), wrap("  ", &page.title(), 2));
    for (heading, words) in page.sections() {
        text.push_str(&format!("\n{heading}\n{}", wrap("  ", &words, 2)));
    }
    text
}

fn to_json(page: &Page) -> Value {
    let sections: Value =
        page.sections().into_iter().map(|(heading, text)| (heading.to_owned(), json!(text))).collect();
    json!({ "name": page.name, "about": page.subject.name(), "title": page.title(), "sections": sections })
}
