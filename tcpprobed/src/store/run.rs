//! A run that is being written, by one thread: its segments, and the account of what is in them.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tcpprobe::file::block::Schema;
use tcpprobe::file::{self, Account, Anchor, Clock, Header, Kind, encode_accounts, put_frame};
use tokio::sync::watch;

use super::ledger::{LedgerByCpu, from_toml, to_toml};
use super::meta_file::MetaFile;
use super::progress::Progress;
use super::run_meta::RunMeta;
use super::segment_writer::SegmentWriter;
use super::store_handles::StoreHandles;
use crate::disk::Folder;

/// Anchors are written this often: a wall clock drifts by less than 100 µs meanwhile.
const ANCHOR_INTERVAL: Duration = Duration::from_secs(30);
/// A segment that cannot be closed, for there is no room for another one, grows to so many times its length.
const OVERLONG: u64 = 2;

/// What a run is and where it is written.
#[derive(Debug)]
pub struct RunTarget {
    /// Its folder.
    pub folder: Folder,
    /// Its name in the catalog.
    pub key: String,
    /// What is known of it so far.
    pub meta: RunMeta,
    /// Of its segments.
    pub header: Header,
    /// Of its events.
    pub schema: Arc<Schema>,
}

/// Writes the blocks and the ledger of a run into its segments.
#[derive(Debug)]
pub struct RunWriter {
    target: RunTarget,
    handles: StoreHandles,
    meta_file: Arc<MetaFile>,
    segment: SegmentWriter,
    segment_began: Instant,
    anchored: Instant,
    /// The anchors of this segment, as a reader of it knows them.
    clock: Clock,
    ledger: LedgerByCpu,
    sequence: u64,
    /// See [`RunMeta::pages`] and [`RunMeta::accounted`].
    pages_end: u64,
    accounted: u64,
    progress: watch::Sender<Progress>,
    frames: Vec<u8>,
}

impl RunWriter {
    /// Begins a run, or continues one, in the segment that `target.meta` names, which is made.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(target: RunTarget, handles: StoreHandles) -> io::Result<Self> {
        let meta = &target.meta;
        let meta_file = Arc::new(MetaFile::create(target.folder.clone(), meta)?);
        let segment = SegmentWriter::create_free(&target.folder, meta.segment)?;
        let now = Instant::now();
        let mut writer = RunWriter {
            meta_file,
            segment,
            segment_began: now,
            anchored: now,
            clock: Clock::default(),
            ledger: from_toml(&meta.ledger),
            sequence: meta.sequence,
            pages_end: meta.pages,
            accounted: meta.accounted,
            progress: watch::Sender::new(Progress { segment: meta.segment, ..Progress::default() }),
            frames: Vec::new(),
            handles,
            target,
        };
        writer.begin_segment()?;
        Ok(writer)
    }

    /// Where readers learn how far the run is.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Knows which segments are still needed to resume the run.
    #[must_use]
    pub fn meta_file(&self) -> Arc<MetaFile> {
        Arc::clone(&self.meta_file)
    }

    /// Sequence number of the next block.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Ledger of the run by CPU.
    #[must_use]
    pub fn ledger(&self) -> &LedgerByCpu {
        &self.ledger
    }

    /// Appends a block, given as a frame, and its accounts; or accounts alone, with an empty block. All staged pages
    /// numbered below `pages_end` are then accounted for. `times` are those of the block's earliest and latest event; it
    /// gives back what they are by the wall clock, as every reader of the segment will find them.
    ///
    /// # Errors
    /// Those of the file system. Nothing is written then, and the block's sequence number is free again.
    pub fn append(
        &mut self,
        block: &[u8],
        events: u64,
        times: (u64, u64),
        accounts: &[Account],
        pages_end: u64,
        now: Anchor,
    ) -> io::Result<(i64, i64)> {
        if let Err(error) = self.rotate_if_due() {
            // The segment goes on, but not for ever: retention can remove only what is closed.
            if self.segment.info.bytes >= self.handles.limits.get().bytes * OVERLONG {
                return Err(error);
            }
        }
        self.frames.clear();
        let is_anchor_due = self.anchored.elapsed() >= ANCHOR_INTERVAL;
        if is_anchor_due {
            put_frame(Kind::Anchor, &mut self.frames, |out| now.encode(out));
        }
        self.frames.extend_from_slice(block);
        if !accounts.is_empty() {
            put_frame(Kind::Ledger, &mut self.frames, |out| encode_accounts(accounts, pages_end, out));
        }
        self.segment.append(&self.frames)?;
        if is_anchor_due {
            self.clock.add(now);
            self.anchored = Instant::now();
        }
        let wall = |time| self.clock.wall(time).unwrap_or(0);
        let walls = (wall(times.0), wall(times.1));
        (self.pages_end, self.accounted) = (pages_end, self.accounted.max(now.time));
        if !block.is_empty() {
            self.sequence += 1;
            self.segment.info.add(events, walls);
        }
        for account in accounts {
            self.ledger.entry(account.cpu).or_default().add(account);
        }
        self.handles.syncer.dirty(&self.segment.file());
        self.published(false);
        Ok(walls)
    }

    /// Closes the segment where it is long or old enough, so that the next one begins.
    ///
    /// # Errors
    /// Those of the file system; the segment then goes on.
    pub fn rotate_if_due(&mut self) -> io::Result<()> {
        let limits = self.handles.limits.get();
        let due = self.segment.info.bytes >= limits.bytes || self.segment_began.elapsed() >= limits.age;
        if due && self.segment.info.events > 0 { self.rotate() } else { Ok(()) }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let next = SegmentWriter::create_free(&self.target.folder, self.segment.number() + 1)?;
        let closed = std::mem::replace(&mut self.segment, next);
        if let Err(error) = self.begin_segment() {
            self.segment = closed;
            return Err(error);
        }
        self.segment_began = Instant::now();
        let (catalog, key, number) = (self.handles.catalog.clone(), self.target.key.clone(), closed.number());
        catalog.put(&key, number, &closed.info);
        let (meta_file, meta) = (self.meta_file(), self.meta(self.segment.number()));
        self.handles.syncer.closed(closed.file(), move || {
            catalog.keep(&key, number);
            meta_file.advance(&meta);
        });
        Ok(())
    }

    /// What is known of the run where the segment of this number begins.
    fn meta(&self, segment: u32) -> RunMeta {
        RunMeta {
            segment,
            sequence: self.sequence,
            pages: self.pages_end,
            accounted: self.accounted,
            ledger: to_toml(&self.ledger),
            ..self.target.meta.clone()
        }
    }

    /// Writes what every segment begins with.
    fn begin_segment(&mut self) -> io::Result<()> {
        let mut frames = Vec::new();
        file::begin(&self.target.header, &self.target.schema, &mut frames);
        let now = crate::clock::anchor();
        put_frame(Kind::Anchor, &mut frames, |out| now.encode(out));
        self.segment.append(&frames)?;
        self.clock = Clock::default();
        self.clock.add(now);
        self.anchored = Instant::now();
        self.handles.syncer.made(self.target.folder.clone());
        self.handles.syncer.dirty(&self.segment.file());
        self.published(false);
        Ok(())
    }

    fn published(&mut self, ended: bool) {
        let (segment, bytes) = (self.segment.number(), self.segment.info.bytes);
        self.progress.send_replace(Progress { segment, bytes, ended });
    }

    /// Ends the run and makes it durable. If it is continued one day, then in a segment of its own.
    ///
    /// # Errors
    /// Those of the file system. It can be tried again; if nobody does, the run is found interrupted at the next start.
    pub fn finish(&mut self, ended_ns: i64, why: &str) -> io::Result<RunMeta> {
        self.published(true);
        let meta = self.ended(ended_ns, why);
        self.handles.syncer.wait();
        self.segment.file().sync()?;
        self.target.folder.sync()?;
        self.meta_file.end(&meta)?;
        self.handles.catalog.put(&self.target.key, self.segment.number(), &self.segment.info);
        self.handles.catalog.keep(&self.target.key, self.segment.number());
        Ok(meta)
    }

    /// What will be known of the run when it has ended.
    #[must_use]
    pub fn ended(&self, ended_ns: i64, why: &str) -> RunMeta {
        RunMeta { ended_ns, ended_why: why.to_owned(), ..self.meta(self.segment.number() + 1) }
    }

    /// Lets go of the run without ending it: somebody will resume it.
    pub fn suspend(mut self) {
        self.published(true);
        self.handles.syncer.wait();
        let synced = self.segment.file().sync().and_then(|()| self.target.folder.sync());
        if let Err(error) = synced {
            tracing::error!(folder = %self.target.folder.path().display(), %error, "what was recorded last may get lost");
        }
    }
}

impl Drop for RunWriter {
    /// From now on `run.toml` is somebody else's, also where the capture's thread panicked.
    fn drop(&mut self) {
        self.meta_file.leave();
    }
}
