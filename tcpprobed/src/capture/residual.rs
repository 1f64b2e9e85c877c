//! What the kernel's filter leaves to be decided about the events that it recorded.
//!
//! An event that names its socket alone is of the job that the socket is of. Which that is other events tell, of any CPU, and CPUs
//! are read one after the other: so it is held until all are read up to its time, and then decided in the order of time.

use std::ops::Range;

use tcpprobe::event::Socket;
use tcpprobe::event::sockets::Step;
use tcpprobe::filter::{Context, Ends, Joined, Predicate};
use tcpprobe::kernel::format::Format;

use super::comms::Comms;

/// Events and what they told that may be held.
const HELD_MAX: usize = 1 << 14;

/// Decides about the records of one kind of event.
#[derive(Debug)]
struct Residual {
    predicate: Predicate,
    /// Whether names of tasks matter to it: what they are is asked of the system, so only then.
    asks_comm: bool,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be stored.
    Stored,
    /// It is not.
    Filtered,
    /// That is decided later.
    Held,
}

/// What waits for the order of time.
#[derive(Debug, Clone)]
enum Held {
    /// What an event told of its socket.
    Told(Socket, Step),
    /// A record whose socket decides: its CPU, the index of its event, and where it is.
    Asks(u32, usize, Range<usize>),
    /// The kernel lost events.
    Lost,
}

/// Decides about the records of a job, by the index of their event in its schema.
#[derive(Debug, Default)]
pub struct Residuals {
    by_index: Vec<Option<Residual>>,
    joined: Joined,
    /// With their times.
    held: Vec<(u64, Held)>,
    /// The records of those that ask.
    records: Vec<u8>,
    /// Those that are stored of them: CPU, time and place.
    stored: Vec<(u32, u64, Range<usize>)>,
}

impl Residuals {
    /// Those of these events.
    pub fn new<'f>(events: impl IntoIterator<Item = (&'f Format, Option<Predicate>)>) -> Self {
        let mut residuals = Residuals::default();
        for (format, predicate) in events {
            residuals.joined.add(format, predicate.as_ref());
            let asks_comm = predicate.as_ref().is_some_and(Predicate::asks_comm);
            residuals.by_index.push(predicate.map(|predicate| Residual { predicate, asks_comm }));
        }
        residuals
    }

    /// What becomes of a record of `cpu`.
    #[inline]
    pub fn verdict(&mut self, index: usize, cpu: u32, (time, record): (u64, &[u8]), comms: &mut Comms) -> Verdict {
        if let Some((socket, step)) = self.joined.told(index, record) {
            self.held.push((time, Held::Told(socket, step)));
        }
        let Some(Some(residual)) = self.by_index.get(index) else { return Verdict::Stored };
        if self.joined.asks(index, record) {
            let start = self.records.len();
            self.records.extend_from_slice(record);
            self.held.push((time, Held::Asks(cpu, index, start..self.records.len())));
            return Verdict::Held;
        }
        if residual.wants(cpu, record, Ends::Unasked, comms) { Verdict::Stored } else { Verdict::Filtered }
    }

    /// The kernel lost events up to `time`: what they may have said about sockets, nobody knows.
    #[cold]
    pub fn lose(&mut self, time: u64) {
        if self.joined.is_asked() {
            self.held.push((time, Held::Lost));
        }
    }

    /// Whether so much is held that it must be decided now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_MAX
    }

    /// Decides about what is held up to `until`, the time up to which all CPUs were read. Gives `store` the records that are to be
    /// stored, by CPU and time.
    pub fn release(&mut self, until: u64, comms: &mut Comms, mut store: impl FnMut(u32, u64, &[u8])) {
        if self.held.is_empty() {
            return;
        }
        self.held.sort_by_key(|(time, _)| *time);
        let ready = self.held.partition_point(|(time, _)| *time <= until);
        for (time, held) in self.held.drain(..ready) {
            match held {
                Held::Told(socket, step) => self.joined.note_told(time, &socket, step),
                Held::Lost => self.joined.lose(),
                Held::Asks(cpu, index, place) => {
                    let record = &self.records[place.clone()];
                    let ends = self.joined.ends(index, time, record);
                    let residual = self.by_index.get(index).and_then(Option::as_ref);
                    if residual.is_none_or(|residual| residual.wants(cpu, record, ends, comms)) {
                        self.stored.push((cpu, time, place));
                    }
                }
            }
        }
        self.stored.sort_by_key(|&(cpu, time, _)| (cpu, time));
        self.stored.drain(..).for_each(|(cpu, time, place)| store(cpu, time, &self.records[place]));
        self.forget_records();
    }

    /// Keeps only the records that are held.
    fn forget_records(&mut self) {
        let mut kept = Vec::new();
        for (_, held) in &mut self.held {
            if let Held::Asks(_, _, place) = held {
                let start = kept.len();
                kept.extend_from_slice(&self.records[place.clone()]);
                *place = start..kept.len();
            }
        }
        self.records.clear();
        self.records.extend_from_slice(&kept);
    }
}

impl Residual {
    #[inline]
    fn wants(&self, cpu: u32, record: &[u8], ends: Ends, comms: &mut Comms) -> bool {
        let comm = if self.asks_comm { comm(record, comms) } else { None };
        self.predicate.matches(record, &Context { cpu, comm, pid: None, ends })
    }
}

/// The name of the task that was interrupted by the event in `record`.
#[cold]
fn comm<'c>(record: &[u8], comms: &'c mut Comms) -> Option<&'c str> {
    let pid = i32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    comms.learn(std::iter::once(pid));
    comms.get(pid)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tcpprobe::filter::Filter;

    use super::*;
    use crate::tracefs::Tracefs;

    fn format(system: &str, name: &str) -> Format {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/formats/6.18.44-fc-v669/events");
        Format::parse(system, &std::fs::read_to_string(format!("{folder}/{system}/{name}/format")).unwrap()).unwrap()
    }

    /// A record of this format with these numbers.
    fn record(format: &Format, fields: &[(&str, u64)]) -> Vec<u8> {
        let mut record = vec![0; format.record_size()];
        for (name, value) in fields {
            let field = format.field(name).unwrap();
            let (at, size) = (field.offset as usize, field.size as usize);
            record[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        }
        record
    }

    #[test]
    fn what_is_held_is_decided_in_the_order_of_time_whichever_cpu_is_read_first() {
        let formats = [format("sock", "inet_sock_set_state"), format("sock", "sock_send_length")];
        let filter = Filter::parse("sport == 80").unwrap();
        let predicates = formats.iter().map(|format| (format, Some(filter.predicate(format))));
        let mut residuals = Residuals::new(predicates);
        let mut comms = Comms::new(Tracefs::at(Path::new("/nowhere")));
        let sent = |number: u64| record(&formats[1], &[("sk", 0xffff_8880_0000_0940), ("ret", number)]);
        let state = |port: u64, old: u64, new: u64| {
            let fields = [("sport", port), ("dport", 9), ("protocol", 6), ("oldstate", old), ("newstate", new)];
            record(&formats[0], &[&fields[..], &[("skaddr", 0xffff_8880_0000_0940)]].concat())
        };
        let mut read = |cpu, index, time, record: &[u8]| residuals.verdict(index, cpu, (time, record), &mut comms);
        // The CPU that sends is read before the one that opens and closes.
        for time in [5, 15, 25, 35, 45] {
            assert_eq!(read(1, 1, time, &sent(time)), Verdict::Held);
        }
        assert_eq!(read(0, 0, 10, &state(80, 10, 3)), Verdict::Stored);
        assert_eq!(read(0, 0, 20, &state(80, 3, 1)), Verdict::Stored);
        assert_eq!(read(0, 0, 30, &state(81, 10, 3)), Verdict::Filtered);
        assert_eq!(read(0, 0, 40, &state(80, 10, 3)), Verdict::Stored);
        let mut times = Vec::new();
        residuals.release(25, &mut comms, |cpu, time, bytes| {
            assert_eq!((cpu, bytes), (1, &sent(time)[..]));
            times.push(time);
        });
        assert_eq!(times, [15, 25]);
        residuals.release(u64::MAX, &mut comms, |_, time, bytes| {
            assert_eq!(bytes, &sent(time)[..]);
            times.push(time);
        });
        assert_eq!(times, [15, 25, 45], "another socket had the address in between");
        assert!(residuals.held.is_empty() && residuals.records.is_empty());
    }

    #[test]
    fn after_a_loss_nobody_is_known() {
        let formats = [format("tcp", "tcp_cong_state_set"), format("sock", "sock_send_length")];
        let filter = Filter::parse("sport == 80").unwrap();
        let mut residuals = Residuals::new(formats.iter().map(|format| (format, Some(filter.predicate(format)))));
        let mut comms = Comms::new(Tracefs::at(Path::new("/nowhere")));
        let told = record(&formats[0], &[("skaddr", 0xffff_8880_0000_0940), ("sport", 80), ("dport", 9)]);
        let sent = record(&formats[1], &[("sk", 0xffff_8880_0000_0940)]);
        residuals.verdict(0, 0, (1, &told), &mut comms);
        residuals.verdict(1, 0, (2, &sent), &mut comms);
        residuals.lose(3);
        residuals.verdict(1, 0, (4, &sent), &mut comms);
        let mut times = Vec::new();
        residuals.release(u64::MAX, &mut comms, |_, time, _| times.push(time));
        assert_eq!(times, [2]);
    }
}
