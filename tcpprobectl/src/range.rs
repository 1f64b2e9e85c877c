//! Which part of a trace is wanted: `--run`, `--since`, `--until`, `--last` as used.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tcpprobe::file::block::Projection;
use tcpprobe::file::{Select, Survey};
use tcpprobe::source::{self, Content, Item, Trace, Wanted};
use tcpprobe_client::Client;
use tcpprobe_proto::v1::{Job, ReadRequest, Run};

use crate::cli::{RangeArgs, TimeArgs};
use crate::exit::{Exit, Failure};
use crate::value::timestamp;
use crate::{job, say};

/// What to ask of the daemon for this part of a job.
pub fn request(client: &Client, name: &str, args: &RangeArgs) -> Result<ReadRequest> {
    let mut request = ReadRequest {
        name: name.to_owned(),
        run: args.run.unwrap_or(0),
        since_ns: args.time.since.unwrap_or(0),
        until_ns: args.time.until.unwrap_or(0),
        connections: args.connection.and_then(|ends| ends.ids()).map(Vec::from).unwrap_or_default(),
        ..ReadRequest::default()
    };
    let job = client.get(name)?;
    if args.run.is_none() {
        request.run = newest_run(&job);
    }
    if let Some(last) = args.time.last {
        let number = Some(request.run).filter(|number| *number > 0);
        let run = find_run(&job.runs, number).ok_or_else(|| no_run(name, args.run))?;
        request.since_ns = back(run.last_event_ns, last);
    }
    if args.time.since.is_some_and(|since| since > timestamp::now()) {
        let hint = "a time of day is that of today; give the date with it";
        return Err(Failure::new(Exit::Usage, "--since is in the future", hint).into());
    }
    Ok(request)
}

/// The newest run that has events, and a word where that is not the newest; 0 where none has.
pub fn newest_run(job: &Job) -> u32 {
    let stored = |run: &&Run| run.ledger.is_some_and(|ledger| ledger.stored > 0);
    let Some(found) = job.runs.iter().rev().find(stored) else { return 0 };
    if let Some(newest) = job.runs.last().filter(|newest| newest.number != found.number) {
        let (name, found, newest) = (job::name(job), found.number, newest.number);
        say(&format!("run {newest} of {name} has no events yet; this is run {found}"));
    }
    found.number
}

/// The same for the reader, which is exact where the daemon sends whole blocks.
#[must_use]
pub fn select(request: &ReadRequest) -> Select {
    let some = |ns: i64| (ns != 0).then_some(ns);
    let connections = Some(&request.connections).filter(|ids| !ids.is_empty()).map(|ids| ids.as_slice().into());
    let wanted = Projection { connections, ..Projection::default() };
    Select { since: some(request.since_ns), until: some(request.until_ns), wanted }
}

/// The same for a file whose newest event is at `newest_ns`, if that can be known.
pub fn select_of_file(name: &str, args: &TimeArgs, newest_ns: Option<i64>) -> Result<Select, tcpprobe::Error> {
    let since = match (args.last, newest_ns) {
        (None, _) => args.since,
        (Some(last), Some(newest_ns)) => Some(back(newest_ns, last)),
        (Some(_), None) => return Err(tcpprobe::Error::NoWallClock { name: name.to_owned() }),
    };
    Ok(Select { since, until: args.until, ..Select::default() })
}

/// The part of a file that `--since`, `--until` and `--last` name.
pub fn of_file(path: &Path, args: &TimeArgs) -> Result<Select> {
    let newest_ns = if args.last.is_some() { newest_wall_ns(path)? } else { None };
    Ok(select_of_file(&path.display().to_string(), args, newest_ns)?)
}

/// The time of the newest event of a file, where it tells that.
fn newest_wall_ns(path: &Path) -> Result<Option<i64>> {
    // What comes through a pipe can be read once only.
    if !path.is_file() {
        return Ok(None);
    }
    let named = |source| tcpprobe::Error::Read { name: path.display().to_string(), source };
    Ok(match source::sniff(source::open_file(path)?).map_err(named)? {
        (Content::Tcpp, input) => Survey::of(input).map_err(named)?.newest_wall_ns(),
        (content @ (Content::TraceDat | Content::PerfData), input) => {
            newest_of(Trace::sniffed(&path.display().to_string(), content, input, Wanted::default())?)?
        }
        _ => None,
    })
}

/// The time of the newest event of a trace that has to be read for it.
fn newest_of(trace: Trace<'_>) -> Result<Option<i64>, tcpprobe::Error> {
    let mut newest = None;
    for item in trace {
        if let Item::Events(batch) = item? {
            batch.for_each(|record| newest = newest.max(batch.wall(record.time)));
        }
    }
    Ok(newest)
}

fn back(newest_ns: i64, last: Duration) -> i64 {
    newest_ns.saturating_sub(i64::try_from(last.as_nanos()).unwrap_or(i64::MAX)).max(0)
}

fn find_run(runs: &[Run], number: Option<u32>) -> Option<&Run> {
    match number {
        Some(number) => runs.iter().find(|run| run.number == number),
        None => runs.last(),
    }
}

fn no_run(name: &str, number: Option<u32>) -> Failure {
    let what = number.map_or_else(|| "no run".to_owned(), |number| format!("no run {number}"));
    let hint = format!("`tcpprobectl status {name}` shows its runs");
    Failure::new(Exit::NoData, format!("job {name} has {what}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit;

    fn args(last_s: u64) -> TimeArgs {
        let last = (last_s > 0).then(|| Duration::from_secs(last_s));
        TimeArgs { since: Some(7), until: Some(9), last }
    }

    #[test]
    fn the_last_counts_from_the_newest_event() {
        let since = |last_s, newest_ns| {
            let args = TimeArgs { since: None, ..args(last_s) };
            select_of_file("web", &args, newest_ns)
                .map(|select| select.since)
                .map_err(|error| exit::code(&error.into()))
        };
        assert_eq!(since(5, Some(60_000_000_000)), Ok(Some(55_000_000_000)));
        assert_eq!(since(5, Some(1)), Ok(Some(0)), "from the beginning");
        assert_eq!(since(5, None), Err(Exit::Usage));
        let both = select_of_file("web", &args(0), None).unwrap();
        assert_eq!(both, Select { since: Some(7), until: Some(9), ..Select::default() });
    }
}
