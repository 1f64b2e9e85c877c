//! A ring buffer as it was saved: of each CPU the sub-buffers that `per_cpu/cpuN/trace_pipe_raw` gave, and what the
//! kernel said beside them.

mod beside;
mod cpu;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read};

pub use beside::{CpuStats, current_clock, saved_cmdlines};
use cpu::CpuReader;

use crate::kernel::format::PageLayout;
use crate::kernel::page::Lost;

/// Events that the kernel overwrote before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// The CPU that lost them.
    pub cpu: u32,
    /// Time of the last record before; `None` where there is none.
    pub from: Option<u64>,
    /// Time of the first record after; `None` where there is none.
    pub to: Option<u64>,
    /// How many. Never [`Lost::None`].
    pub lost: Lost,
}

/// A place that makes no sense; what could be read of its page was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {reason}")]
pub struct BadPage {
    /// The CPU in whose pages it is.
    pub cpu: u32,
    /// Where it is in what was saved of this CPU.
    pub offset: u64,
    /// What is wrong there.
    pub reason: &'static str,
}

/// An input that cannot be read on.
#[derive(Debug, thiserror::Error)]
#[error("pages of CPU {cpu}: {source}")]
pub struct ReadError {
    /// The CPU whose pages it gives.
    pub cpu: u32,
    /// Why.
    pub source: io::Error,
}

/// What a [`Buffer`] holds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record, as [`crate::event::Record`] has it.
    Record {
        /// Nanoseconds in the trace's clock.
        time: u64,
        /// The CPU that recorded it.
        cpu: u32,
        /// From `common_type` on.
        bytes: &'a [u8],
    },
    /// Events are missing here.
    Lost(Loss),
    /// Something could not be read.
    Bad(BadPage),
}

/// Gives the records of all CPUs in the kernel's own order: by time, of equal ones the lowest CPU's first.
///
/// Holds one sub-buffer a CPU in memory, of 4 KiB to 8 MiB. How large they are need not be known: the pages tell.
///
/// ```
/// use tcpprobe::kernel::ring::{Buffer, Item};
/// use tcpprobe::kernel::format::PageLayout;
///
/// // A page of CPU 3: 42 events were lost before its one record.
/// let mut page = vec![0; 4096];
/// page[..8].copy_from_slice(&1000_u64.to_le_bytes());
/// page[8..16].copy_from_slice(&0xc000_0008_u64.to_le_bytes());
/// page[16..24].copy_from_slice(&[1 | 5 << 5, 0, 0, 0, 7, 0, 0, 0]);
/// page[24..32].copy_from_slice(&42_u64.to_le_bytes());
///
/// let mut buffer = Buffer::new(PageLayout::default(), [(3, &page[..])]);
/// assert!(matches!(buffer.next_item()?, Some(Item::Lost(loss)) if loss.to == Some(1005)));
/// assert_eq!(buffer.next_item()?, Some(Item::Record { time: 1005, cpu: 3, bytes: &[7, 0, 0, 0] }));
/// assert_eq!(buffer.next_item()?, None);
/// # Ok::<(), tcpprobe::kernel::ring::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Buffer<R> {
    /// By number.
    cpus: Vec<Cpu<R>>,
    /// Time of the present record and place in `cpus`, of those that have one.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// The CPU that has to go on before anything else: all of them at first, then the one that gave the last record.
    stale: Vec<usize>,
}

/// One CPU.
#[derive(Debug)]
struct Cpu<R> {
    reader: CpuReader<R>,
    /// Whether the present record was given.
    given: bool,
    /// Time of the last record that was given.
    last: Option<u64>,
    /// What was lost before the present record.
    lost: Lost,
}

impl<R: Read> Buffer<R> {
    /// Reads the sub-buffers of these CPUs, each from an input of its own, in which they follow one another.
    pub fn new(layout: PageLayout, cpus: impl IntoIterator<Item = (u32, R)>) -> Self {
        let cpu = |(number, input)| Cpu {
            reader: CpuReader::new(number, input, layout),
            given: false,
            last: None,
            lost: Lost::None,
        };
        let mut cpus: Vec<Cpu<R>> = cpus.into_iter().map(cpu).collect();
        cpus.sort_by_key(|cpu| cpu.reader.number);
        Buffer { heads: BinaryHeap::with_capacity(cpus.len()), stale: (0..cpus.len()).rev().collect(), cpus }
    }

    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// When an input fails. One that is cut short or damaged does not.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        while let Some(&index) = self.stale.last() {
            let cpu = &mut self.cpus[index];
            if let Some(bad) = cpu.go_on().map_err(|source| ReadError { cpu: cpu.reader.number, source })? {
                return Ok(Some(Item::Bad(bad)));
            }
            self.stale.pop();
            match cpu.reader.time() {
                Some(time) => self.heads.push(Reverse((time, index))),
                None if cpu.lost != Lost::None => return Ok(Some(Item::Lost(cpu.loss(None)))),
                None => {}
            }
        }
        let Some(&Reverse((time, index))) = self.heads.peek() else { return Ok(None) };
        let cpu = &mut self.cpus[index];
        if cpu.lost != Lost::None {
            return Ok(Some(Item::Lost(cpu.loss(Some(time)))));
        }
        self.heads.pop();
        self.stale.push(index);
        (cpu.given, cpu.last) = (true, Some(time));
        Ok(Some(Item::Record { time, cpu: cpu.reader.number, bytes: cpu.reader.record() }))
    }
}

impl<R: Read> Cpu<R> {
    /// Goes on to the next record, if there is one. Stops at what makes no sense.
    fn go_on(&mut self) -> io::Result<Option<BadPage>> {
        if std::mem::take(&mut self.given) {
            self.reader.advance();
        }
        while self.reader.time().is_none() {
            let Some(page) = self.reader.next_page()? else { break };
            self.lost = match (self.lost, page.lost) {
                (Lost::None, lost) | (lost, Lost::None) => lost,
                (Lost::Events(before), Lost::Events(more)) => Lost::Events(before.saturating_add(more)),
                (Lost::Unknown, _) | (_, Lost::Unknown) => Lost::Unknown,
            };
            if page.bad.is_some() {
                return Ok(page.bad);
            }
        }
        Ok(None)
    }

    /// Tells what was lost.
    fn loss(&mut self, to: Option<u64>) -> Loss {
        let lost = std::mem::replace(&mut self.lost, Lost::None);
        Loss { cpu: self.reader.number, from: self.last, to, lost }
    }
}
