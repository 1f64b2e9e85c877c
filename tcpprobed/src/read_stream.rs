//! The stream of a run's stored frames to somebody who reads it, as they are on disk, without decoding an event.
//!
//! A [`RunReader`] walks the segments of a run. Closed segments outside of the time range are passed over by what the
//! catalog knows of them, blocks outside of it by their heads. While the run goes on, only what the capture has
//! declared whole is read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};

use tcpprobe::file::block::BlockHead;
use tcpprobe::file::{Anchor, Clock, Frames, Kind, Scanned};
use tokio::sync::watch;

use crate::capture::Follower;
use crate::disk::Folder;
use crate::jobs::{Jobs, ReadableRun};
use crate::store::{Progress, SegmentInfo, StoreError, segment_name, segments};

/// Bytes that are given at once, at least, if there is more: a full block has about as many.
const GIVEN_BYTES: usize = 128 << 10;
/// Bytes that are looked at in one go, wanted or not: then it is seen whether the reader still is there.
const LOOK_BYTES: usize = 16 << 20;

/// What of a run is wanted. The default is all of it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Nanoseconds since 1970.
    pub since: Option<i64>,
    /// Nanoseconds since 1970.
    pub until: Option<i64>,
    /// At least so many of the newest events.
    pub last_events: u64,
    /// Ids of connections; none for all.
    pub connections: Vec<u64>,
}

impl Wanted {
    fn all_blocks(&self) -> bool {
        self.since.is_none() && self.until.is_none() && self.last_events == 0 && self.connections.is_empty()
    }

    fn overlaps(&self, walls: Option<(i64, i64)>) -> bool {
        let Some((first, last)) = walls else { return true };
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first <= until)
    }

    fn wants(&self, head: &BlockHead, clock: &Clock) -> bool {
        let walls = clock.wall(head.times.0).zip(clock.wall(head.times.1));
        let holds = |ids: &[u64]| ids.is_empty() || ids.iter().any(|&id| head.may_hold(id));
        self.overlaps(walls) && holds(&self.connections)
    }
}

/// What comes next of a run.
#[derive(Debug)]
pub enum Next {
    /// Whole frames.
    Frames(Vec<u8>),
    /// There is more to look at.
    More,
    /// No more for now: [`RunReader::wait`].
    Later,
    /// No more.
    End,
}

/// Reads a run, from the beginning of what is wanted of it.
pub struct RunReader {
    folder: Folder,
    wanted: Wanted,
    /// Closed segments still to be read.
    closed: VecDeque<(u32, SegmentInfo)>,
    /// Segments up to this number are read, not wanted, or gone.
    passed: u32,
    /// Events to pass over before the newest that are wanted.
    skip_events: u64,
    progress: Option<watch::Receiver<Progress>>,
    follow: bool,
    _follower: Option<Follower>,
    open: Option<OpenSegment>,
    /// Bytes that will be given, as far as is known at the start.
    pub total_bytes: u64,
}

struct OpenSegment {
    number: u32,
    frames: Frames<Limited>,
    clock: Clock,
}

/// A segment up to where it is whole. What comes later is not read before it is declared.
struct Limited {
    file: File,
    left: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.by_ref().take(self.left).read(buffer)?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl RunReader {
    /// At the beginning of what is wanted of a run.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(
        jobs: &Jobs,
        job: &str,
        run: u32,
        source: ReadableRun,
        wanted: Wanted,
        follow: bool,
    ) -> Result<Self, StoreError> {
        let live = source.progress.as_ref().map(|progress| *progress.borrow());
        let closed = jobs.store().closed_segments(job, run, live.map(|live| live.segment))?;
        let closed: VecDeque<_> = closed.into_iter().filter(|(_, info)| wanted.overlaps(info.walls)).collect();
        let total_bytes = closed.iter().map(|(_, info)| info.bytes).sum::<u64>() + live.map_or(0, |live| live.bytes);
        let stored: u64 = closed.iter().map(|(_, info)| info.events).sum();
        let live_events = match live {
            Some(live) if wanted.last_events > 0 => count_events(&source.folder, live),
            _ => 0,
        };
        let skip_events = match wanted.last_events {
            0 => 0,
            last => (stored + live_events).saturating_sub(last),
        };
        Ok(RunReader {
            folder: source.folder,
            wanted,
            closed,
            passed: live.map_or(0, |live| live.segment.saturating_sub(1)),
            skip_events,
            progress: source.progress,
            follow,
            _follower: source.follower,
            open: None,
            total_bytes,
        })
    }

    /// The next frames, as far as is known now. What takes long comes in several turns.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn next_frames(&mut self) -> io::Result<Next> {
        // What the capture declares after this, it says anew.
        let ended = self.progress.as_mut().is_none_or(|progress| progress.borrow_and_update().ended);
        let (mut frames, mut looked_at) = (Vec::new(), 0);
        while frames.len() < GIVEN_BYTES && looked_at < LOOK_BYTES {
            if self.open.is_none() && !self.open_next()? {
                break;
            }
            match self.take_frame(&mut frames)? {
                Some(bytes) => looked_at = looked_at.saturating_add(bytes),
                None if self.leave_segment()? => {}
                None => break,
            }
        }
        Ok(match () {
            () if !frames.is_empty() => {
                // It may wait for long.
                frames.shrink_to_fit();
                Next::Frames(frames)
            }
            () if looked_at >= LOOK_BYTES || self.follow && self.has_more() => Next::More,
            () if self.follow && !ended => Next::Later,
            () => Next::End,
        })
    }

    /// Waits until the capture wrote something or ended; `false` where it never will.
    pub async fn wait(&mut self) -> bool {
        let Some(progress) = &mut self.progress else { return false };
        progress.changed().await.is_ok() || self.has_more()
    }

    /// Whether the capture declared more than was read.
    fn has_more(&self) -> bool {
        let Some(progress) = &self.progress else { return false };
        let now = *progress.borrow();
        match &self.open {
            Some(open) => {
                now.segment > open.number || (now.segment == open.number && now.bytes > open.frames.position())
            }
            None => now.segment > self.passed,
        }
    }

    /// Opens the segment that comes next; `false` where there is none yet. Retention may be faster than a reader: what it
    /// removed is passed over.
    fn open_next(&mut self) -> io::Result<bool> {
        self.open = None;
        while let Some((number, info)) = self.closed.pop_front() {
            if self.skip_events >= info.events && info.events > 0 {
                self.skip_events -= info.events;
            } else if self.open_segment(number, Some(info.bytes))? {
                return Ok(true);
            }
        }
        let Some(progress) = &self.progress else { return Ok(false) };
        let live = *progress.borrow();
        let passed = self.passed;
        for number in segments(&self.folder)?.into_iter().filter(|&number| number > passed && number <= live.segment) {
            self.passed = number;
            // One that was closed has its final length.
            let bytes = (number == live.segment).then_some(live.bytes);
            if self.open_segment(number, bytes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens a segment up to a length, its own where none is given; `false` where it is gone.
    fn open_segment(&mut self, number: u32, bytes: Option<u64>) -> io::Result<bool> {
        let file = match self.folder.file(&segment_name(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let left = bytes.map_or_else(|| file.metadata().map(|found| found.len()), Ok)?;
        self.open = Some(OpenSegment { number, frames: Frames::new(Limited { file, left }), clock: Clock::default() });
        Ok(true)
    }

    /// Appends the next frame of the open segment, if it is wanted; how many bytes that took, `None` at its end.
    fn take_frame(&mut self, out: &mut Vec<u8>) -> io::Result<Option<usize>> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let frame = match open.frames.next_frame()? {
            None => return Ok(None),
            // What is damaged stays so: the reader says where.
            Some(Scanned::Damage(damage)) => return Ok(Some(usize::try_from(damage.bytes).unwrap_or(usize::MAX))),
            Some(Scanned::Frame(frame)) => frame,
        };
        let looked_at = Some(frame.bytes.len());
        match frame.kind {
            Kind::Anchor => {
                if let Some(anchor) = Anchor::decode(frame.payload()) {
                    open.clock.add(anchor);
                }
            }
            Kind::Block if !self.wanted.all_blocks() => {
                let Ok(head) = BlockHead::decode(frame.payload()) else { return Ok(looked_at) };
                let events = u64::from(head.events);
                if self.skip_events >= events {
                    self.skip_events -= events;
                    return Ok(looked_at);
                }
                self.skip_events = 0;
                if !self.wanted.wants(&head, &open.clock) {
                    return Ok(looked_at);
                }
            }
            _ => {}
        }
        out.extend_from_slice(frame.bytes);
        Ok(looked_at)
    }

    /// At the end of what is known of the open segment: goes on in it, or in the one behind it; `false` where neither
    /// has more now.
    fn leave_segment(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        if !self.closed.is_empty() {
            return self.open_next();
        }
        let Some(progress) = &self.progress else { return Ok(false) };
        let live = *progress.borrow();
        let position = open.frames.position();
        let length = match live.segment == open.number {
            true => live.bytes,
            // It was closed meanwhile: its length is final. If it is gone, that is its end too.
            false => self.folder.length(&segment_name(open.number)).unwrap_or(position),
        };
        if length > position {
            open.frames.input_mut().left = length - position;
            open.frames.resume();
            return Ok(true);
        }
        if live.segment <= open.number { Ok(false) } else { self.open_next() }
    }
}

/// Events in the segment that is being written.
fn count_events(folder: &Folder, live: Progress) -> u64 {
    let Ok(file) = folder.file(&segment_name(live.segment)) else { return 0 };
    let mut frames = Frames::new(Limited { file, left: live.bytes });
    let mut events = 0;
    while let Ok(Some(found)) = frames.next_frame() {
        if let Scanned::Frame(frame) = found
            && frame.kind == Kind::Block
        {
            events += BlockHead::decode(frame.payload()).map_or(0, |head| u64::from(head.events));
        }
    }
    events
}
