//! What is kept of connections while they are open: an observer that gives a diagnosis of each when it leaves.

use std::collections::HashMap;

use super::moments::Moments;
use super::mss::Mss;
use super::track::Track;
use super::{Diagnosis, halve};
use crate::event::{SNAPSHOT_FIELDS, Snapshot};
use crate::flow::{Connection, Label, Observation, Observer, Told};

/// Connections that left and are kept, and their intervals: those with the most time other than idle.
pub const CONNECTIONS_MAX: usize = 1 << 17;
pub const INTERVALS_MAX: usize = 1 << 20;
/// Snapshots of a connection that are kept: an hour of one a second. Of more, every second one goes.
pub const SNAPSHOTS_MAX: usize = 4096;

/// Keeps a track of each connection.
#[derive(Debug, Default)]
pub struct Tracker {
    pub has_states: bool,
    /// Moments of a connection that are kept.
    pub moments: usize,
    pub gaps_seen: u64,
    /// By cookie.
    pub snapshots: HashMap<u64, Vec<(u64, Snapshot)>>,
    pub done: Vec<Diagnosis>,
    /// Intervals in `done`.
    pub intervals: usize,
    /// Connections that were too many.
    pub untracked: u64,
    /// Slices of those that are open.
    pub slices: usize,
}

impl Tracker {
    /// Where the slices of all open connections together are more than `most`, has each lose half of its own.
    pub fn bound_slices<'k>(&mut self, most: usize, open: impl Iterator<Item = &'k mut Kept>) {
        if self.slices > most {
            self.slices = 0;
            for Kept { track, .. } in open {
                track.slices.halve();
                self.slices += track.slices.list().len();
            }
        }
    }

    /// Lets those go that were idle most, a fourth of what may be kept.
    pub fn drop_smallest(&mut self, connections: usize, intervals: usize) {
        if self.done.len() <= connections && self.intervals <= intervals {
            return;
        }
        self.done.sort_by_key(|diagnosis| std::cmp::Reverse(diagnosis.active()));
        let (mut kept, mut sum) = (0, 0);
        for diagnosis in self.done.iter().take(connections - connections / 4) {
            sum += diagnosis.intervals.len();
            if sum > intervals - intervals / 4 && kept > 0 {
                break;
            }
            kept += 1;
        }
        self.untracked += (self.done.len() - kept) as u64;
        self.done.truncate(kept);
        self.intervals = self.done.iter().map(|diagnosis| diagnosis.intervals.len()).sum();
    }
}

/// What is kept of an open connection.
#[derive(Debug)]
pub struct Kept {
    pub track: Track,
    pub moments: Moments,
    /// Gaps of the trace that it knows.
    pub gaps_seen: u64,
    pub snapshots: Vec<(u64, Snapshot)>,
    pub told: Told,
    pub events: u64,
}

impl Kept {
    pub fn learn(&mut self, time: u64, said: Snapshot) {
        // Over loopback it is bound to half of the largest window, which grows.
        let largest = self.snapshots.iter().map(|(_, known)| known.snd_mss).max().unwrap_or(0);
        if self.snapshots.is_empty() || said.snd_mss > largest.max(9000) {
            self.track.tell_mss(said.snd_mss);
        }
        if self.snapshots.len() >= SNAPSHOTS_MAX {
            halve(&mut self.snapshots);
        }
        let place = self.snapshots.partition_point(|(at, _)| *at <= time);
        self.snapshots.insert(place, (time, said));
    }
}

impl Observer for Tracker {
    type State = Kept;

    fn fields() -> Vec<&'static str> {
        let mut fields = vec![
            "data_len",
            "length",
            "snd_nxt",
            "snd_una",
            "snd_cwnd",
            "ssthresh",
            "snd_wnd",
            "srtt",
            "rcv_wnd",
            "state",
            "err",
            "skbaddr",
            "reason",
            "cong_state",
            "protocol",
            "oldstate",
            "newstate",
        ];
        fields.extend(SNAPSHOT_FIELDS);
        fields.extend(["pid", "uid"]);
        fields
    }

    fn open(&mut self, connection: &Connection) -> Self::State {
        let [local, peer] = [connection.local, connection.peer].map(|end| end.ip());
        let is_loopback = local == peer || local.is_loopback();
        let mss = if is_loopback { Mss::of_loopback(local.is_ipv6()) } else { Mss::new(local.is_ipv6()) };
        let mut track = Track::new(self.has_states, mss);
        if let Some((first, all)) = self.snapshots.get(&connection.cookie).and_then(|all| Some((all.first()?, all))) {
            let largest = all.iter().map(|(_, said)| said.snd_mss).max().unwrap_or(0);
            track.tell_mss(if largest > 9000 { largest } else { first.1.snd_mss });
        }
        let (moments, gaps_seen) = (Moments::new(self.moments), self.gaps_seen);
        Kept { track, moments, gaps_seen, snapshots: Vec::new(), told: Told::default(), events: 0 }
    }

    fn event(&mut self, kept: &mut Self::State, time: u64, seen: &Observation) {
        kept.events += 1;
        if let Observation::Snapshot(said) = seen {
            return kept.learn(time, *said);
        }
        let track = &mut kept.track;
        if kept.gaps_seen != self.gaps_seen {
            kept.gaps_seen = self.gaps_seen;
            track.lost_events();
        }
        // A trace has the states of all connections, or of none.
        match seen {
            Observation::CongState(_) => self.has_states = true,
            Observation::Retransmission { .. } if self.has_states => track.retransmissions.know_states(),
            _ => {}
        }
        let before = track.slices.list().len();
        track.event(time, seen);
        kept.moments.look(time, &track.retransmissions.causes);
        self.slices = (self.slices + track.slices.list().len()).saturating_sub(before);
    }

    fn label(&mut self, kept: &mut Self::State, label: &Label) {
        kept.told.learn(label);
    }

    fn close(&mut self, connection: &Connection, kept: Self::State) {
        let Kept { track, moments, mut snapshots, told, events, .. } = kept;
        if let Some(given) = self.snapshots.get(&connection.cookie).filter(|_| snapshots.is_empty()) {
            snapshots.clone_from(given);
        }
        self.slices = self.slices.saturating_sub(track.slices.list().len());
        let found = Diagnosis { told, events, ..Diagnosis::new(connection, track, moments, &snapshots) };
        self.intervals += found.intervals.len();
        self.done.push(found);
        self.drop_smallest(CONNECTIONS_MAX, INTERVALS_MAX);
    }
}
