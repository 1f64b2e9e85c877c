//! Which part of a trace is wanted: `--run`, `--since`, `--until`, `--last` as used.

use std::time::Duration;

use anyhow::Result;
use tcpprobe::trace::Select;
use tcpprobe_proto::v1::{ReadRequest, Run};

use crate::cli::RangeArgs;
use crate::client::Client;
use crate::exit::{Exit, Failure};

/// What to ask of the daemon for this part of a job.
pub fn request(client: &Client, name: &str, args: &RangeArgs) -> Result<ReadRequest> {
    let mut request = ReadRequest {
        name: name.to_owned(),
        run: args.run.unwrap_or(0),
        since_ns: args.since.unwrap_or(0),
        until_ns: args.until.unwrap_or(0),
        ..ReadRequest::default()
    };
    if let Some(last) = args.last {
        let job = client.get(name)?;
        let run = find_run(&job.runs, args.run).ok_or_else(|| no_run(name, args.run))?;
        request.since_ns = back(run.last_event_ns, last);
    }
    Ok(request)
}

/// The same for the reader, which is exact where the daemon sends whole blocks.
#[must_use]
pub fn select(request: &ReadRequest) -> Select {
    let some = |ns: i64| (ns != 0).then_some(ns);
    Select { since: some(request.since_ns), until: some(request.until_ns), connection: None }
}

/// The same for a file whose newest event is at `newest_ns`.
#[must_use]
pub fn select_of_file(args: &RangeArgs, newest_ns: Option<i64>) -> Select {
    let last = args.last.zip(newest_ns).map(|(last, newest_ns)| back(newest_ns, last));
    Select { since: args.since.or(last), until: args.until, connection: None }
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

    fn args(last_s: u64) -> RangeArgs {
        let last = (last_s > 0).then(|| Duration::from_secs(last_s));
        RangeArgs { run: None, since: Some(7), until: Some(9), last, filter: None }
    }

    #[test]
    fn the_last_counts_from_the_newest_event() {
        let since = |args: RangeArgs, newest| select_of_file(&RangeArgs { since: None, ..args }, newest).since;
        assert_eq!(since(args(5), Some(60_000_000_000)), Some(55_000_000_000));
        assert_eq!(since(args(5), Some(1)), Some(0), "from the beginning");
        assert_eq!(since(args(5), None), None, "no wall clock, so no range");
        assert_eq!(select_of_file(&args(0), Some(1)), Select { since: Some(7), until: Some(9), connection: None });
    }
}
