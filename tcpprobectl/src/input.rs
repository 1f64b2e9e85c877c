//! Where events come from: a job, or a file of any kind. One type gives them in the order of time and knows the losses.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use flate2::bufread::MultiGzDecoder;
use tcpprobe::block::Schema;
use tcpprobe::event::Record;
use tcpprobe::trace::{Account, Batch, Item, MAGIC, Reader, Select, Totals, TraceError};

use crate::exit::{Exit, Failure};
use crate::losses::Losses;

/// Enough that reading a file is not held up by system calls, and to see what kind of file it is.
const BUFFER_BYTES: usize = 256 << 10;

/// A gzip file begins with these bytes (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Nanoseconds since 1970, where the trace knows.
    pub wall_ns: Option<i64>,
    /// The event as recorded.
    pub record: Record<'a>,
}

/// What an [`Input`] gives next.
#[derive(Debug)]
pub enum Piece {
    /// The formats of the events that follow; comes first, and again where they change.
    Formats(Arc<Schema>),
    /// Events in the order of time.
    Events(Batch),
    /// What is missing, about here.
    Lost(Vec<Account>),
}

/// A trace being read.
pub struct Input<'a> {
    name: String,
    reader: Reader<Box<dyn Read + 'a>>,
    range: Select,
    schema: Option<u32>,
    /// What was read and waits for the formats to be given first.
    held: Option<Batch>,
    losses: Losses,
}

impl<'a> Input<'a> {
    /// Reads a `.tcpp` trace from anything.
    pub fn trace(name: &str, input: impl Read + 'a, range: Select) -> Self {
        let input: Box<dyn Read + 'a> = Box::new(input);
        Input {
            name: name.to_owned(),
            reader: Reader::select(input, range),
            range,
            schema: None,
            held: None,
            losses: Losses::new(name, Totals::default()),
        }
    }

    /// The next events or formats; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Piece>> {
        if let Some(batch) = self.held.take() {
            return Ok(Some(Piece::Events(batch)));
        }
        loop {
            let item = match self.reader.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => return Ok(None),
                // A job that recorded nothing has an empty stream.
                Err(TraceError::NotATrace) if !self.losses.is_damaged() => return Ok(None),
                Err(error) => return Err(self.explain(error)),
            };
            match item {
                Item::Header(_) => {}
                Item::Events(batch) => {
                    let schema = self.reader.schema().filter(|schema| self.schema != Some(schema.id()));
                    if let Some(schema) = schema.map(Arc::clone) {
                        self.schema = Some(schema.id());
                        self.held = Some(batch);
                        return Ok(Some(Piece::Formats(schema)));
                    }
                    return Ok(Some(Piece::Events(batch)));
                }
                Item::Accounts(accounts) => {
                    let lost = self.add(accounts);
                    if !lost.is_empty() {
                        return Ok(Some(Piece::Lost(lost)));
                    }
                }
                Item::Damage(damage) => self.losses.damage(&damage),
            }
        }
    }

    /// The event that `record` is.
    #[must_use]
    pub fn event<'r>(&self, record: Record<'r>) -> Event<'r> {
        Event { wall_ns: self.reader.clock().wall(record.time), record }
    }

    /// `uname -r` of the kernel that recorded the trace; empty where it is not known.
    #[must_use]
    pub fn kernel(&self) -> &str {
        self.reader.header().get("kernel")
    }

    /// What is missing, as far as was read.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// Adds accounts to the losses; those of the wanted range in which something is missing.
    fn add(&mut self, mut accounts: Vec<Account>) -> Vec<Account> {
        let (since, until) = self.bounds();
        accounts.retain(|account| account.to >= since && account.from <= until);
        accounts.iter().for_each(|account| self.losses.totals.add(account));
        accounts.retain(|account| account.lost + account.dropped > 0);
        accounts
    }

    /// The wanted range in the trace's clock.
    fn bounds(&self) -> (u64, u64) {
        let time = |wall: Option<i64>| wall.and_then(|wall| self.reader.clock().time(wall));
        (time(self.range.since).unwrap_or(0), time(self.range.until).unwrap_or(u64::MAX))
    }

    fn explain(&self, error: TraceError) -> anyhow::Error {
        match error {
            TraceError::NotATrace => {
                let what = format!("{} is not a trace", self.name);
                Failure::new(Exit::Failed, what, "it takes .tcpp and ftrace text, both also with .gz").into()
            }
            error => anyhow::Error::from(error).context(self.name.clone()),
        }
    }
}

/// A file, by what is in it; gzip is undone.
pub enum Source {
    /// A `.tcpp` trace.
    Trace(Box<dyn BufRead>),
    /// Ftrace text, or what will turn out to be nothing.
    Text(Box<dyn BufRead>),
}

/// Opens a file and looks what it is.
pub fn open(path: &Path) -> Result<Source> {
    let mut input = unpacked(path).with_context(|| format!("cannot read {}", path.display()))?;
    let head = input.fill_buf().with_context(|| format!("cannot read {}", path.display()))?;
    // A damaged trace may not begin with a frame, but text has neither frames nor zeros.
    let is_trace = head.contains(&0) || head.windows(MAGIC.len()).any(|window| window == MAGIC);
    Ok(if is_trace { Source::Trace(input) } else { Source::Text(input) })
}

fn unpacked(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}
