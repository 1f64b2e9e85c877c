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
    /// The same, of sockets that closed.
    pub finals: AtomicU64,
    /// Sockets that closed of which the kernel had nothing left to tell, for they were disconnected before.
    pub emptied: AtomicU64,
    /// Not taken, for the budget was spent, or so many sockets were in one block that the rest were not looked at: those count for
    /// each block.
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

    /// Says that a capture begins, which has seen nobody.
    pub fn begin(&self, of: &Arc<Snapshots>) {
        lock(&self.0.seen).push(Seen { of: Arc::clone(of), sockets: Vec::new() });
        self.wake();
    }

    /// Has [`Lookout::wait`] return though nobody was seen.
    pub fn wake(&self) {
        // Only a counter at its limit refuses, and that one wakes too.
        let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
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
            self.wake();
        }
        of.counts.left_out.fetch_add(left_out, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tcpprobe::event::{address::sockaddr, tcp_info};
    use tcpprobe::file::block::Schema;
    use tcpprobe::kernel::format::Format;

    use super::*;

    /// A builder with one event of each of so many sockets.
    fn builder(sockets: u64) -> BlockBuilder {
        let text = "name: tcp_probe\nID: 7\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
                    \tfield:__u8 saddr[28];\toffset:8;\tsize:28;\tsigned:0;\n\
                    \tfield:__u8 daddr[28];\toffset:36;\tsize:28;\tsigned:0;\n\
                    \tfield:__u64 sock_cookie;\toffset:64;\tsize:8;\tsigned:0;\n\nprint fmt: \"\"\n";
        let formats = [Format::parse("tcp", text).unwrap(), tcp_info::format(280).unwrap()];
        let mut builder = BlockBuilder::new(Schema::new(formats).unwrap());
        for cookie in 1..=sockets {
            let mut record = [0; 72];
            record[0] = 7;
            record[8..36].copy_from_slice(&sockaddr(([10, 0, 0, 1], 80).into(), 2));
            record[36..64].copy_from_slice(&sockaddr(([10, 0, 0, 2], cookie as u16).into(), 2));
            record[64..].copy_from_slice(&cookie.to_le_bytes());
            assert_eq!(builder.push(0, &[(1, &record)]), 0);
        }
        builder
    }

    fn snapshots() -> Arc<Snapshots> {
        let (own, interval) = (OwnEvents::default(), Duration::from_secs(1));
        Arc::new(Snapshots { own, interval, info_bytes: 280, counts: SnapshotCounts::default() })
    }

    fn left_out(of: &Snapshots) -> u64 {
        of.counts.left_out.load(Ordering::Relaxed)
    }

    #[test]
    fn whom_a_block_has_is_told_and_more_are_counted() {
        let (lookout, of) = (Lookout::new().unwrap(), snapshots());
        lookout.tell(&of, &builder(3));
        lookout.tell(&of, &builder(0));
        lookout.tell(&of, &builder(SOCKETS_MAX as u64 + 9));
        let seen = lookout.wait();
        assert_eq!(seen.iter().map(|seen| seen.sockets.len()).collect::<Vec<_>>(), [3, SOCKETS_MAX]);
        assert_eq!(left_out(&of), 9);
    }

    #[test]
    fn a_capture_waits_for_nobody_who_looks() {
        let (lookout, of, builder) = (Lookout::new().unwrap(), snapshots(), builder(3));
        let taking = lookout.0.seen.lock().unwrap();
        lookout.tell(&of, &builder);
        drop(taking);
        assert_eq!(left_out(&of), 3);
        assert!(lookout.wait().is_empty());
        for _ in 0..WAITING_MAX + 2 {
            lookout.tell(&of, &builder);
        }
        assert_eq!((lookout.wait().len(), left_out(&of)), (WAITING_MAX, 3 + 6));
    }
}
