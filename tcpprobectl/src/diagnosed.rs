//! The connections of a trace with what is said of them: read once, for `diagnose` and `summary`.

use anyhow::Result;
use tcpprobe::diagnose::{Cause, Causes, Diagnoser, Diagnosis, Limit};
use tcpprobe::filter::Filter;
use tcpprobe::source::{EventFilter, Item, Losses};

use crate::cli::RangeArgs;
use crate::exit::{Exit, Failure};
use crate::filter;
use crate::interrupt::Interrupt;
use crate::owned;
use crate::recording::Recording;
use crate::report::Report;

/// What `--filter` says of whole connections, which no event can meet: `limit == NAME`, `cause == NAME`. Of each term one is enough.
#[derive(Debug, Default, PartialEq)]
pub struct Whole {
    limits: Vec<Vec<Limit>>,
    causes: Vec<Vec<Cause>>,
}

impl Whole {
    /// Takes such terms out of a filter; the rest is about events.
    pub fn take(filter: &mut Filter) -> Result<Self, Failure> {
        Ok(Whole {
            limits: take(filter, "limit", &Limit::ALL, Limit::name)?,
            causes: take(filter, "cause", &Cause::ALL, Cause::name)?,
        })
    }

    /// Whether a connection has these limits as headline, and these causes.
    fn fits(&self, found: &Diagnosis) -> bool {
        self.fits_sums(found.headline().0, &found.causes)
    }

    /// Whether it asks for limits.
    pub fn asks_limits(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Whether a connection of this headline and these causes is meant.
    pub fn fits_sums(&self, headline: Option<Limit>, found: &Causes) -> bool {
        self.limits.iter().all(|limits| headline.is_some_and(|headline| limits.contains(&headline)))
            && self.causes.iter().all(|causes| causes.iter().any(|cause| found.of(*cause) > 0))
    }
}

/// The terms about `field`, whose values are names of `all`.
fn take<T: Copy>(
    filter: &mut Filter,
    field: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Vec<Vec<T>>, Failure> {
    let terms = filter.take_names(field).map_err(|error| filter::failure(&error, filter.text()))?;
    let known = |wanted: &String| {
        let what = || format!("filter: no {field} {wanted}");
        let found = all.iter().copied().find(|one| name(*one) == wanted);
        found.ok_or_else(|| Failure::new(Exit::Usage, what(), "`tcpprobectl explain` lists all"))
    };
    terms.iter().map(|names| names.iter().map(known).collect()).collect()
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
    let mut filter = filter::parse(range.filter.as_deref().unwrap_or_default())?;
    let whole = Whole::take(&mut filter)?;
    let filter = filter::with_ends(filter, range.connection.as_ref())?;
    let filter =
        owned::of_connections(&[], filter, |fields| trace.open(&EventFilter::default(), fields, interrupt).map(Some))?;
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
        let take = |text: &str| {
            let mut filter = Filter::parse(text).unwrap();
            let whole = Whole::take(&mut filter);
            (whole.map_err(|failure| failure.exit), filter.is_all())
        };
        let check = |text: &str, limits: &[&[Limit]], causes: &[&[Cause]], is_all: bool| {
            let limits: Vec<Vec<Limit>> = limits.iter().map(|limits| limits.to_vec()).collect();
            let causes: Vec<Vec<Cause>> = causes.iter().map(|causes| causes.to_vec()).collect();
            assert_eq!(take(text), (Ok(Whole { limits, causes }), is_all), "{text}");
        };
        check("limit == receive_window", &[&[Limit::ReceiveWindow]], &[], true);
        check("sport == 80 && cause==timeout", &[], &[&[Cause::Timeout]], false);
        check("cause == fast && sport == 80 && dport == 9", &[], &[&[Cause::Fast]], false);
        check(
            "limit in {timeout, policer} && cause == 'fast'",
            &[&[Limit::Timeout, Limit::Policer]],
            &[&[Cause::Fast]],
            true,
        );
        check("sport == 80 || dport == 80", &[], &[], false);
        check("comm == 'a && limit == x'", &[], &[], false);
        check("", &[], &[], true);
        for text in
            ["limit == slow", "limit != timeout", "limit == 7", "sport == 80 || limit == timeout", "!(cause == fast)"]
        {
            assert_eq!(take(text).0, Err(Exit::Usage), "{text}");
        }
    }
}
