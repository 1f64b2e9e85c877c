//! The pages of `explain`: what a limit, a cause or a finding means, as the file of its rule says.

use std::fmt::Write;

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// What holds a connection back.
    Limit,
    /// Why something was retransmitted, or what is to be said of that.
    Cause,
    /// What takes no time.
    Finding,
}

impl Subject {
    /// All of them, in the order in which they are told.
    pub const ALL: [Subject; 3] = [Subject::Limit, Subject::Cause, Subject::Finding];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Subject::Limit => "limit",
            Subject::Cause => "cause of retransmissions",
            Subject::Finding => "finding",
        }
    }
}

/// The headings that each page has, in this order.
pub const SECTIONS: [&str; 4] = ["How it is decided", "What looks like it", "How to confirm", "Remedy"];

/// A page.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// The name in reports and `--json`.
    pub name: &'static str,
    /// The file of its rule.
    source: &'static str,
}

macro_rules! pages {
    ($($subject:ident $folder:literal: $($name:literal)+;)+) => {
        /// All pages.
        pub const PAGES: &[Page] = &[
            $($(Page {
                subject: Subject::$subject,
                name: $name,
                source: include_str!(concat!($folder, "/", $name, ".rs")),
            },)+)+
        ];
    };
}

pages! {
    Limit "limits": "connecting" "idle" "sender_application" "send_buffer" "sender_host" "receive_window" "receiver_application"
        "window_growth" "bandwidth" "packet_loss" "policer" "timeout" "small_writes" "round_trips" "unseen";
    Cause "causes": "fast" "timeout" "slow_start" "tail_loss_probe" "syn" "syn_ack" "mtu" "window_probe" "spurious" "again" "not_sent";
    Finding "findings": "reset" "black_hole" "mtu" "unscaled_window" "zero_window" "bufferbloat" "ecn" "reordering" "spurious"
        "lost_again" "both_ends";
}

impl Page {
    /// Its lines: the documentation of its rule's file.
    fn lines(&self) -> impl Iterator<Item = &'static str> {
        let lines = self.source.lines().map_while(|line| line.strip_prefix("//!"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line))
    }

    /// What it is, in a sentence.
    #[must_use]
    pub fn title(&self) -> String {
        self.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Heading and text of each section.
    #[must_use]
    pub fn sections(&self) -> Vec<(&'static str, String)> {
        let mut sections: Vec<(&str, String)> = Vec::new();
        for line in self.lines().skip_while(|line| !line.starts_with("# ")) {
            match (line.strip_prefix("# "), sections.last_mut()) {
                (Some(heading), _) => sections.push((heading, String::new())),
                (None, Some((_, text))) if !line.is_empty() => {
                    let space = if text.is_empty() { "" } else { " " };
                    let _ = write!(text, "{space}{line}");
                }
                _ => {}
            }
        }
        sections
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cause, Limit};
    use super::*;

    #[test]
    fn every_page_has_all_sections() {
        for page in PAGES {
            let sections = page.sections();
            let headings: Vec<&str> = sections.iter().map(|(heading, _)| *heading).collect();
            assert_eq!(headings, SECTIONS, "{}", page.name);
            let is_told = |text: &String| text.len() > 4 && text.ends_with('.');
            assert!(sections.iter().all(|(_, text)| is_told(text)), "{}: {sections:?}", page.name);
            assert!(page.title().ends_with('.'), "{}: {}", page.name, page.title());
        }
    }

    #[test]
    fn every_name_has_a_page() {
        let of = |subject: Subject| PAGES.iter().filter(move |page| page.subject == subject).map(|page| page.name);
        assert!(of(Subject::Limit).eq(Limit::ALL.map(Limit::name)));
        let attributes = ["spurious", "again", "not_sent"];
        let causes: Vec<&str> = Cause::ALL.map(Cause::name).into_iter().chain(attributes).collect();
        assert!(of(Subject::Cause).eq(causes));
        // Of the findings the files say which there are.
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnose/findings");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the folder")
            .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let mut names: Vec<&str> = of(Subject::Finding).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }
}
