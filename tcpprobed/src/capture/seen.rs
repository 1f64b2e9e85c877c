//! Whom a capture saw: the sockets in a block that is about to be sealed, for who asks the kernel about them.
//!
//! The capture says it and goes on: where who listens is just taking what was said, or takes nothing, it is left out and counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use tcpprobe::event::{EventKind, Socket};
use tcpprobe::file::block::BlockBuilder;

use super::own_events::OwnEvents;
use crate::lock::{lock, try_lock};

/// Most sockets of one block that are told, those with most events first.
const SOCKETS_MAX: usize = 256;
/// Most blocks that wait to be looked at: a second of many jobs.
const WAITING_MAX: usize = 512;
/// The events that name a socket by its cookie while it is connected.
const KINDS: [EventKind; 2] = [EventKind::TcpProbe, EventKind::TcpRcvSpaceAdjust];

/// What became of the snapshots of a run, counted since this daemon reads it.
#[derive(Debug, Default)]
pub struct SnapshotCounts {
    /// Handed over to the capture.
    pub taken: AtomicU64,
    /// Not taken, for the budget was spent.
    pub left_out: AtomicU64,
    /// The kernel has no such socket: it is closed already, or of another network namespace.
    pub not_found: AtomicU64,
    /// The kernel gave no answer, or one that is not understood.
    pub failed: AtomicU64,
}

/// The snapshots of one capture.
#[derive(Debug)]
pub struct Snapshots {
    /// Where they go.
    pub own: OwnEvents,
    /// From one of a socket to the next.
    pub interval: Duration,
    /// Bytes of tcp_info in the format of the run's schema.
    pub info_bytes: usize,
    /// What became of them.
    pub counts: SnapshotCounts,
}

/// The sockets of one block, each with how many events of it are in there.
#[derive(Debug)]
pub struct Seen {
    /// Whose they are.
    pub of: Arc<Snapshots>,
    /// Those with most events first.
    pub sockets: Vec<(Socket, u32)>,
}

/// Where captures say whom they saw. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Lookout(Arc<Place>);

#[derive(Debug)]
struct Place {
    seen: Mutex<Vec<Seen>>,
    wake: OwnedFd,
}

impl Lookout {
    /// Nobody was seen yet.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn new() -> std::io::Result<Self> {
        Ok(Lookout(Arc::new(Place { seen: Mutex::default(), wake: eventfd(0, EventfdFlags::CLOEXEC)? })))
    }

    /// Waits until somebody was seen, and takes all of it.
    #[must_use]
    pub fn wait(&self) -> Vec<Seen> {
        // It returns when somebody has written; an interruption only means to look once more.
        let _ = rustix::io::read(&self.0.wake, &mut [0; 8]);
        std::mem::take(&mut *lock(&self.0.seen))
    }

    /// Says whose events are in a block.
    pub(super) fn tell(&self, of: &Arc<Snapshots>, builder: &BlockBuilder) {
        let (sockets, more) = builder.busiest(&KINDS, SOCKETS_MAX);
        let mut left_out = more as u64;
        if !sockets.is_empty() {
            match try_lock(&self.0.seen).filter(|seen| seen.len() < WAITING_MAX) {
                Some(mut seen) => seen.push(Seen { of: Arc::clone(of), sockets }),
                None => left_out += sockets.len() as u64,
            }
            // Only a counter at its limit refuses, and that one wakes too.
            let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
        }
        of.counts.left_out.fetch_add(left_out, Ordering::Relaxed);
    }
}
