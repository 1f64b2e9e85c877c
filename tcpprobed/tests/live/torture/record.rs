//! Recordings of many events, compared by identity in little memory.

use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tcpprobe::file::{Account, Reader, Totals};

use crate::common::{COPIES_APART_NS_MAX, Event, Shadow, Trace};

/// An event's fingerprint and time.
type Seen = (u64, u64);

/// Events, in no order.
#[derive(Default)]
pub struct Record(Vec<Seen>);

impl Record {
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn add(&mut self, events: &[Event]) {
        self.0.extend(events.iter().map(|event| (event.fingerprint(), event.time)));
    }

    /// What a shadow traces, until told to stop.
    pub fn of_shadow(shadow: &Shadow, stop: &AtomicBool) -> Self {
        let mut record = Record::default();
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            record.add(&shadow.take());
            if is_last {
                return record;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the segments in a run's folder hold, the account in them, and of it what is unknown.
    pub fn of_run(folder: &Path) -> (Self, Totals, Vec<Account>) {
        let (mut record, mut totals, mut unknown) = (Record::default(), Totals::default(), Vec::new());
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "tcpp") {
                let trace = Trace::read(Reader::new(File::open(path).unwrap()));
                record.add(&trace.events);
                totals += trace.totals;
                unknown.extend(trace.accounts.into_iter().filter(Account::is_unknown));
            }
        }
        (record, totals, unknown)
    }

    /// How many events are of no time that is unknown.
    pub fn known(&self, unknown: &[Account]) -> u64 {
        let covers = |account: &Account, time: u64| {
            account.from <= time + COPIES_APART_NS_MAX && time <= account.to + COPIES_APART_NS_MAX
        };
        self.0.iter().filter(|(_, time)| !unknown.iter().any(|account| covers(account, *time))).count() as u64
    }

    pub fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// Events of this record that are not in `all`, or oftener than there: none may be. Both are sorted.
    pub fn beyond(&self, all: &Record) -> Vec<Seen> {
        let mut all = all.0.iter().peekable();
        let mut beyond = Vec::new();
        for &(fingerprint, time) in &self.0 {
            let is_before =
                |&&(other, at): &&Seen| other < fingerprint || other == fingerprint && at + COPIES_APART_NS_MAX < time;
            while all.next_if(is_before).is_some() {}
            let is_copy = |&&(other, at): &&Seen| other == fingerprint && at.abs_diff(time) <= COPIES_APART_NS_MAX;
            if all.next_if(is_copy).is_none() {
                beyond.push((fingerprint, time));
            }
        }
        beyond
    }
}
