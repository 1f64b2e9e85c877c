//! A trace, whatever it is: what is said of its connections tiles their lives, and sums to one.

use std::io::Cursor;

use tcpprobe::diagnose::{Cause, Diagnoser, Limit};
use tcpprobe::source::{Trace, Wanted};

pub fn run(input: &[u8]) {
    let Ok(trace) = Trace::sniff("input", Cursor::new(input), Wanted::default()) else { return };
    let mut diagnoser = Diagnoser::default();
    for item in trace.map_while(Result::ok) {
        diagnoser.item(&item);
    }
    for found in diagnoser.finish() {
        let intervals = &found.intervals;
        assert!(intervals.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert!(intervals.iter().all(|interval| interval.from < interval.to));
        let sum: f64 = found.shares().iter().map(|(_, share)| share).sum();
        assert!(intervals.is_empty() || (sum - 1.0).abs() < 1e-6, "{sum}");
        assert!(Limit::ALL.into_iter().all(|limit| !found.words(limit).evidence.is_empty()));
        assert!(found.findings().iter().all(|finding| !finding.text.is_empty()));
        assert_eq!(Cause::ALL.map(|cause| found.causes.of(cause)).iter().sum::<u64>(), found.causes.total());
    }
}
