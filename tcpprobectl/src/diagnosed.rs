//! The connections of a trace with what is said of them: read once, for `diagnose` and `summary`.

use anyhow::Result;
use tcpprobe::diagnose::{Cause, Diagnoser, Diagnosis, Limit};
use tcpprobe::source::{Item, Losses};

use crate::cli::RangeArgs;
use crate::exit::{Exit, Failure};
use crate::filter;
use crate::interrupt::Interrupt;
use crate::recording::Recording;
use crate::report::Report;

/// What `--filter` says of whole connections, which no event can meet: `limit == NAME`, `cause == NAME`.
#[derive(Debug, Default, PartialEq)]
pub struct Whole {
    limits: Vec<Limit>,
    causes: Vec<Cause>,
}

impl Whole {
    /// Takes such terms out of a filter, where they are joined by `&&`; the rest is about events.
    pub fn split(text: &str) -> Result<(Self, String), Failure> {
        let (mut whole, mut rest) = (Whole::default(), Vec::new());
        for term in text.split("&&") {
            let known = term.split_once("==").map(|(field, name)| (field.trim(), name.trim().trim_matches('"')));
            match known {
                Some(("limit", name)) => {
                    let limit = Limit::ALL.into_iter().find(|limit| limit.name() == name);
                    whole.limits.push(limit.ok_or_else(|| unknown("limit", name))?);
                }
                Some(("cause", name)) => {
                    let cause = Cause::ALL.into_iter().find(|cause| cause.name() == name);
                    whole.causes.push(cause.ok_or_else(|| unknown("cause", name))?);
                }
                _ => rest.push(term),
            }
        }
        Ok((whole, rest.join("&&").trim().to_owned()))
    }

    /// Whether a connection has these limits as headline, and these causes.
    fn fits(&self, found: &Diagnosis) -> bool {
        let headline = found.headline().0;
        self.limits.iter().all(|limit| headline == Some(*limit))
            && self.causes.iter().all(|cause| found.causes.of(*cause) > 0)
    }
}

fn unknown(what: &str, name: &str) -> Failure {
    Failure::new(Exit::Usage, format!("filter: no {what} {name}"), "`tcpprobectl explain` lists all")
}

/// What was read.
pub struct Diagnosed {
    pub connections: Vec<Diagnosis>,
    /// Connections that were too many to keep.
    pub untracked: u64,
    pub report: Report,
    pub losses: Losses,
}

/// Reads a trace, and fails where no connection is left.
pub fn read(trace: &Recording, range: &RangeArgs, interrupt: &Interrupt) -> Result<Diagnosed> {
    let (whole, rest) = Whole::split(range.filter.as_deref().unwrap_or_default())?;
    let rest = Some(&*rest).filter(|rest| !rest.is_empty());
    let filter = filter::of_connection(&[], rest, range.connection.as_ref())?;
    let mut report = Report::new(&trace.title());
    let mut diagnoser = Diagnoser::default();
    let mut items = trace.open(&filter, Diagnoser::fields(), interrupt)?;
    for item in &mut items {
        let item = item?;
        diagnoser.item(&item);
        match item {
            Item::Begin(about) => trace.require_times(&about)?,
            Item::Problem(problem) => report.tell(&problem),
            _ => {}
        }
    }
    let (untracked, losses) = (diagnoser.untracked(), *items.losses());
    let mut connections = diagnoser.finish();
    connections.retain(|found| whole.fits(found));
    report.require_events(connections.len() as u64, &losses)?;
    Ok(Diagnosed { connections, untracked, report, losses })
}

/// The name of a limit in words.
pub fn words(limit: Limit) -> String {
    limit.name().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_about_whole_connections_are_taken_out() {
        let check = |text: &str, limits: &[Limit], causes: &[Cause], rest: &str| {
            let expected = (Whole { limits: limits.to_vec(), causes: causes.to_vec() }, rest.to_owned());
            assert_eq!(Whole::split(text).ok(), Some(expected), "{text}");
        };
        check("limit == receive_window", &[Limit::ReceiveWindow], &[], "");
        check("sport == 80 && cause==timeout", &[], &[Cause::Timeout], "sport == 80");
        check("cause == fast && sport == 80 && dport == 9", &[], &[Cause::Fast], "sport == 80 && dport == 9");
        check("sport == 80 || dport == 80", &[], &[], "sport == 80 || dport == 80");
        check("", &[], &[], "");
        assert_eq!(Whole::split("limit == slow").err().map(|error| error.exit), Some(Exit::Usage));
    }
}
