//! A run on disk: `run.toml` and the segments, written by one thread.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tcpprobe::block::{PointerKey, Schema};
use tcpprobe::trace::{Account, Anchor, Clock, Header, Kind, Totals, encode_accounts, put_frame};
use tokio::sync::watch;

use super::catalog::Catalog;
use super::durable;
use super::segment::{SegmentWriter, scan};
use super::syncer::Syncer;

/// A segment is closed at this length…
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// …or at this age.
pub const SEGMENT_AGE: Duration = Duration::from_secs(600);
/// Anchors are written this often: a wall clock drifts by less than 100 µs meanwhile.
const ANCHOR_INTERVAL: Duration = Duration::from_secs(30);

/// What is known of a run without its segments. Kept in `run.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Wall clock, nanoseconds since 1970.
    pub started_ns: i64,
    /// 0 while the run goes on.
    pub ended_ns: i64,
    /// Why it ended.
    pub ended_why: String,
    /// Random id of the run, in hexadecimal; names it in the headers of its segments.
    pub trace: String,
    /// Secret under which kernel pointers become ids, in hexadecimal. Never leaves this file.
    pub pointer_secret: String,
    /// `boot_id` of the boot in which the run's kernel instance was made.
    pub boot: String,
    /// The segment that is being written, or was last.
    pub segment: u32,
    /// Sequence number of the next block, at the beginning of that segment.
    pub sequence: u64,
    /// Number of the first staged page that is not accounted for, at the beginning of that segment.
    pub pages: u64,
    /// End of the last interval in the ledger, in the trace's clock, at the beginning of that segment.
    pub accounted: u64,
    /// Ledger by CPU up to the beginning of that segment.
    pub ledger: BTreeMap<String, Counts>,
    /// Ledger by CPU when the kernel instance was made: what came before it, the instance does not know.
    pub baseline: BTreeMap<String, Counts>,
}

/// [`Totals`] as `run.toml` keeps them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    stored: u64,
    filtered: u64,
    lost: u64,
    dropped: u64,
}

impl From<Totals> for Counts {
    fn from(t: Totals) -> Self {
        Counts { stored: t.stored, filtered: t.filtered, lost: t.lost, dropped: t.dropped }
    }
}

impl From<Counts> for Totals {
    fn from(c: Counts) -> Self {
        Totals { stored: c.stored, filtered: c.filtered, lost: c.lost, dropped: c.dropped }
    }
}

/// Ledger by CPU.
pub type LedgerByCpu = BTreeMap<u32, Totals>;

/// By CPU as TOML has it, whose keys are strings.
pub fn to_toml(ledger: &LedgerByCpu) -> BTreeMap<String, Counts> {
    ledger.iter().map(|(cpu, totals)| (cpu.to_string(), Counts::from(*totals))).collect()
}

/// The inverse of [`to_toml`].
pub fn from_toml(ledger: &BTreeMap<String, Counts>) -> LedgerByCpu {
    ledger.iter().filter_map(|(cpu, counts)| Some((cpu.parse().ok()?, Totals::from(*counts)))).collect()
}

impl RunMeta {
    /// Reads `run.toml` of a run's folder.
    ///
    /// # Errors
    /// Those of the file system, and when it is not what [`RunMeta::save`] wrote.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(folder.join("run.toml"))?;
        toml::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes `run.toml`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save(&self, folder: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        durable::replace(&folder.join("run.toml"), text.as_bytes())
    }

    /// Takes up the segment that was being written when the run was interrupted: its torn tail is cut, and what it
    /// came to is known here then, so that the run can go on. Saves nothing.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn take_up(&mut self, folder: &Path, key: &str, catalog: &Catalog) -> io::Result<Resumed> {
        (self.ended_ns, self.ended_why) = (0, String::new());
        let path = segment_path(folder, self.segment);
        let found = match scan(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Resumed::default()),
            found => found?,
        };
        let info = SegmentWriter::reopen(path, &found)?.info;
        catalog.put(&segment_key(key, self.segment), &info);
        let mut ledger = from_toml(&self.ledger);
        found.totals.iter().for_each(|(cpu, totals)| *ledger.entry(*cpu).or_default() += *totals);
        self.ledger = to_toml(&ledger);
        self.sequence = found.last_block.map_or(self.sequence, |last| last + 1).max(self.sequence);
        self.pages = found.pages_end.unwrap_or(self.pages);
        self.accounted = self.accounted.max(found.accounted_until);
        self.segment += 1;
        let last_wall = info.walls.map(|walls| walls.1);
        Ok(Resumed { last_wall, torn: found.torn, damage: found.damage })
    }

    /// The key of the run's pointer ids.
    #[must_use]
    pub fn pointer_key(&self) -> PointerKey {
        let mut secret = [0u8; 16];
        for (byte, place) in secret.iter_mut().zip((0..).step_by(2)) {
            *byte = self.pointer_secret.get(place..place + 2).and_then(|s| u8::from_str_radix(s, 16).ok()).unwrap_or(0);
        }
        PointerKey::new(secret)
    }
}

/// How far a run has been written: what readers may read, and when to look again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The segment that is being written.
    pub segment: u32,
    /// Its length in whole frames.
    pub bytes: u64,
    /// Nothing more will come.
    pub ended: bool,
}

/// Writes the blocks and the ledger of a run into its segments.
#[derive(Debug)]
pub struct RunWriter {
    folder: PathBuf,
    /// Of the folder, below the jobs' folder.
    key: String,
    meta: RunMeta,
    header: Header,
    schema: Arc<Schema>,
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
    closed_bytes: u64,
    catalog: Catalog,
    syncer: Syncer,
    progress: watch::Sender<Progress>,
    frames: Vec<u8>,
    limits: SegmentLimits,
}

/// When a segment is closed.
#[derive(Debug, Clone, Copy)]
pub struct SegmentLimits {
    /// At this length.
    pub bytes: u64,
    /// At this age.
    pub age: Duration,
}

/// What was found in the last segment of an interrupted run.
#[derive(Debug, Clone, Default)]
pub struct Resumed {
    /// Wall clock of its newest event.
    pub last_wall: Option<i64>,
    /// Bytes that were cut off it.
    pub torn: u64,
    /// Damage in it, as lines.
    pub damage: Vec<String>,
}

/// The tools that every run of a store writes with.
#[derive(Debug, Clone)]
pub struct Workshop {
    /// Notes closed segments.
    pub catalog: Catalog,
    /// Makes what is written durable.
    pub syncer: Syncer,
    /// When segments are closed.
    pub limits: SegmentLimits,
}

impl RunWriter {
    /// Begins a run, or goes on with one, in the segment that `meta` names, which is made.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(
        folder: PathBuf,
        key: String,
        meta: RunMeta,
        header: Header,
        schema: Arc<Schema>,
        workshop: Workshop,
    ) -> io::Result<Self> {
        meta.save(&folder)?;
        let segment = new_segment(segment_path(&folder, meta.segment))?;
        let ledger = from_toml(&meta.ledger);
        let mut writer = RunWriter::with(folder, key, meta, header, schema, workshop, segment, ledger);
        writer.begin_segment()?;
        Ok(writer)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where the parts of a writer come together")]
    fn with(
        folder: PathBuf,
        key: String,
        meta: RunMeta,
        header: Header,
        schema: Arc<Schema>,
        workshop: Workshop,
        segment: SegmentWriter,
        ledger: LedgerByCpu,
    ) -> Self {
        let now = Instant::now();
        let progress = watch::Sender::new(Progress { segment: meta.segment, bytes: 0, ended: false });
        RunWriter {
            sequence: meta.sequence,
            pages_end: meta.pages,
            accounted: meta.accounted,
            closed_bytes: 0,
            folder,
            key,
            meta,
            header,
            schema,
            segment,
            segment_began: now,
            anchored: now,
            clock: Clock::default(),
            ledger,
            catalog: workshop.catalog,
            syncer: workshop.syncer,
            limits: workshop.limits,
            progress,
            frames: Vec::new(),
        }
    }

    /// Where readers learn how far the run is.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Sequence number of the next block.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Bytes written by this writer, over all segments.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.closed_bytes + self.segment.info.bytes
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
        self.rotate_if_due()?;
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
        self.published(false);
        Ok(walls)
    }

    /// Closes the segment where it is long or old enough.
    fn rotate_if_due(&mut self) -> io::Result<()> {
        let due = self.segment.info.bytes >= self.limits.bytes || self.segment_began.elapsed() >= self.limits.age;
        if !due || self.segment.info.events == 0 {
            return Ok(());
        }
        let meta = self.meta_of_next();
        let path = segment_path(&self.folder, meta.segment);
        let segment = new_segment(path)?;
        self.syncer.sync(self.segment.file());
        let closed = std::mem::replace(&mut self.segment, segment);
        let clock = self.clock.clone();
        if let Err(error) = self.begin_segment().and_then(|()| meta.save(&self.folder)) {
            (self.segment, self.clock) = (closed, clock);
            return Err(error);
        }
        self.catalog.put(&segment_key(&self.key, self.meta.segment), &closed.info);
        self.closed_bytes += closed.info.bytes;
        self.meta = meta;
        self.segment_began = Instant::now();
        Ok(())
    }

    /// What is known of the run where the next segment begins.
    fn meta_of_next(&self) -> RunMeta {
        RunMeta {
            segment: self.meta.segment + 1,
            sequence: self.sequence,
            pages: self.pages_end,
            accounted: self.accounted,
            ledger: to_toml(&self.ledger),
            ..self.meta.clone()
        }
    }

    /// Writes what every segment begins with.
    fn begin_segment(&mut self) -> io::Result<()> {
        self.frames.clear();
        for _ in 0..2 {
            put_frame(Kind::Header, &mut self.frames, |out| self.header.encode(out));
            put_frame(Kind::Schema, &mut self.frames, |out| out.extend(self.schema.encode()));
        }
        let now = crate::clock::anchor();
        put_frame(Kind::Anchor, &mut self.frames, |out| now.encode(out));
        self.clock = Clock::default();
        self.clock.add(now);
        self.anchored = Instant::now();
        self.segment.append(&self.frames)?;
        self.published(false);
        Ok(())
    }

    fn published(&mut self, ended: bool) {
        self.syncer.dirty(self.segment.file());
        let bytes = self.segment.info.bytes;
        let name = self.segment.path().file_stem().and_then(|s| s.to_str()).and_then(|s| s.parse().ok());
        let segment = name.unwrap_or(self.meta.segment);
        self.progress.send_replace(Progress { segment, bytes, ended });
    }

    /// Ends the run and makes it durable. If it goes on one day, then in a segment of its own.
    ///
    /// # Errors
    /// Those of the file system; the run is then found interrupted at the next start.
    pub fn finish(mut self, ended_ns: i64, why: &str) -> io::Result<RunMeta> {
        self.published(true);
        let meta = RunMeta { ended_ns, ended_why: why.to_owned(), ..self.meta_of_next() };
        self.segment.file().sync_all()?;
        meta.save(&self.folder)?;
        self.catalog.put(&segment_key(&self.key, self.meta.segment), &self.segment.info);
        Ok(meta)
    }

    /// Lets go of the run without ending it: somebody will resume it.
    pub fn suspend(mut self) {
        self.published(true);
        let _ = self.segment.file().sync_all();
    }
}

/// Makes a segment. One of this name can only be what a failed or interrupted attempt left behind; it holds no events.
fn new_segment(path: PathBuf) -> io::Result<SegmentWriter> {
    if scan(&path).is_ok_and(|found| found.info.events == 0) {
        fs::remove_file(&path)?;
    }
    SegmentWriter::create(path)
}

/// The file of a segment.
#[must_use]
pub fn segment_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}.tcpp"))
}

/// The name of a segment in the catalog.
#[must_use]
pub fn segment_key(run: &str, number: u32) -> String {
    format!("{run}/{number:08}")
}

/// Numbers of the segments in a run's folder, in order.
///
/// # Errors
/// Those of the file system.
pub fn segments(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_suffix(".tcpp")).and_then(|stem| stem.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
