//! Events of our own: what the daemon itself has to say of a job's connections (subsystem `tcpprobe`), beside what the kernel
//! recorded.
//!
//! A thread of the control side makes whole records, laid out as one of the formats says that the job's schema has beside the
//! kernel's (`Plan::schema()`), and hands them over: [`OwnEvents::hand_over`]. The capture takes them when it
//! seals a block: they are the events of a CPU that no machine has ([`OWN_CPU`]), with a line of their own in the ledger. What was handed over and found
//! no room, or was not to be understood, is dropped in that line. What was not handed over is in no account: it never was an event.
//!
//! The capture waits for nobody: where the queue is just being filled, it takes what is in it with the next block.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tcpprobe::file::block::BlockBuilder;
use tcpprobe::file::{Account, OWN_CPU};

use crate::lock::{lock, try_lock};

/// Most events that wait for a block: a second of what the daemon may make, several times.
const WAITING_MAX: usize = 16 << 10;

/// An event of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnEvent {
    /// When what it tells was so, in the trace's clock.
    pub time: u64,
    /// The record, from `common_type` on, of a format in the job's schema.
    pub record: Box<[u8]>,
}

/// Where events of our own are handed over to one capture. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub struct OwnEvents(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    queue: Mutex<Queue>,
    /// How many events are in the queue, or were refused.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    events: Vec<OwnEvent>,
    dropped: u64,
    /// Nobody takes anything any more.
    has_ended: bool,
}

impl OwnEvents {
    /// Hands events over, in the order of time. `false` where the capture has ended: then they are nowhere.
    pub fn hand_over(&self, events: impl IntoIterator<Item = OwnEvent>) -> bool {
        let mut queue = lock(&self.0.queue);
        if queue.has_ended {
            return false;
        }
        for event in events {
            match queue.events.len() < WAITING_MAX {
                true => queue.events.push(event),
                false => queue.dropped += 1,
            }
        }
        self.0.waiting.store(queue.events.len() + usize::from(queue.dropped > 0), Ordering::Relaxed);
        true
    }

    /// Whether the capture has ended, so that nobody takes anything any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.0.queue).has_ended
    }
}

/// The capture's side.
#[derive(Debug)]
pub(super) struct Intake {
    own: OwnEvents,
    /// What was taken and is not in the block yet; kept for its memory.
    taken: Vec<OwnEvent>,
    dropped: u64,
    /// Where the open interval of the account begins, in the trace's clock.
    from: u64,
    /// Up to this time, readers have been promised, all events are in blocks that were sealed.
    promised: u64,
}

impl Intake {
    /// Accounts for events from `since` on, in the trace's clock.
    pub fn new(own: OwnEvents, since: u64) -> Self {
        Intake { own, taken: Vec::new(), dropped: 0, from: since, promised: 0 }
    }

    /// Whether anything waits for a block.
    pub fn is_waiting(&self) -> bool {
        self.own.0.waiting.load(Ordering::Relaxed) > 0
    }

    /// Puts what was handed over into the block that is about to be sealed, and closes the interval at `now`.
    ///
    /// An event may come late, though only by the time that handing it over takes: a block that is sealed already says that all
    /// is in it up to then. It is put behind that moment.
    pub fn take(&mut self, builder: &mut BlockBuilder, now: u64, accounts: &mut Vec<Account>) {
        if let Some(mut queue) = try_lock(&self.own.0.queue) {
            std::mem::swap(&mut self.taken, &mut queue.events);
            self.dropped += std::mem::take(&mut queue.dropped);
            self.own.0.waiting.store(0, Ordering::Relaxed);
        }
        let mut stored = 0;
        for OwnEvent { time, record } in self.taken.drain(..) {
            let time = time.max(self.promised + 1);
            match builder.push(OWN_CPU, &[(time, &record)]) {
                0 => stored += 1,
                _ => self.dropped += 1,
            }
        }
        let dropped = std::mem::take(&mut self.dropped);
        if stored + dropped > 0 {
            accounts.push(Account { cpu: OWN_CPU, from: self.from, to: now, stored, dropped, ..Account::default() });
        }
        self.from = now;
    }

    /// The next block is the last one: what is handed over later is refused, and nobody fills the queue then.
    pub fn end(&self) {
        lock(&self.own.0.queue).has_ended = true;
    }

    /// A block was sealed that says so.
    pub fn promise(&mut self, complete_until: u64) {
        self.promised = self.promised.max(complete_until);
    }
}

impl Drop for Intake {
    /// Also where the capture ended by an error.
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tcpprobe::file::block::{Block, BlockBuilder, Projection, Schema, Seal};
    use tcpprobe::kernel::format::Format;

    use super::*;

    const ID: u16 = u16::MAX;

    fn schema() -> Arc<Schema> {
        let format = |system, name, id| {
            let text = format!(
                "name: {name}\nID: {id}\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
                 \tfield:u32 n;\toffset:8;\tsize:4;\tsigned:0;\n\nprint fmt: \"n=%u\", REC->n\n"
            );
            Format::parse(system, &text).unwrap()
        };
        Schema::new([format("tcp", "tcp_demo", 7), format("tcpprobe", "demo", ID)]).unwrap()
    }

    fn record(id: u16, number: u32) -> Vec<u8> {
        let mut record = vec![0; 12];
        record[..2].copy_from_slice(&id.to_le_bytes());
        record[8..].copy_from_slice(&number.to_le_bytes());
        record
    }

    fn event(time: u64, number: u32) -> OwnEvent {
        OwnEvent { time, record: record(ID, number).into() }
    }

    /// Times and CPUs of a block.
    fn sealed(builder: &mut BlockBuilder) -> Vec<(u64, u32)> {
        let (mut payload, schema) = (Vec::new(), Arc::clone(builder.schema()));
        builder.seal(&Seal::default(), None, |_| None, &mut payload);
        let block = Block::decode(&payload, &schema, &Projection::default()).unwrap();
        block.rows().iter().map(|row| (row.time, row.cpu)).collect()
    }

    #[test]
    fn what_was_handed_over_is_in_the_block_and_in_its_line_of_the_ledger() {
        let own = OwnEvents::default();
        let (mut intake, mut builder, mut accounts) =
            (Intake::new(own.clone(), 5), BlockBuilder::new(schema()), vec![]);
        assert!(!intake.is_waiting());
        builder.push(3, &[(20, &record(7, 0)), (40, &record(7, 1))]);
        let foreign = OwnEvent { time: 1, record: record(9, 0).into() };
        let short = OwnEvent { time: 2, record: record(ID, 0)[..8].into() };
        assert!(own.hand_over([event(30, 0), event(35, 1), foreign, short]));
        assert!(intake.is_waiting());
        intake.take(&mut builder, 50, &mut accounts);
        assert_eq!(sealed(&mut builder), [(20, 3), (40, 3), (30, OWN_CPU), (35, OWN_CPU)]);
        let expected = Account { cpu: OWN_CPU, from: 5, to: 50, stored: 2, dropped: 2, ..Account::default() };
        assert_eq!(accounts, [expected]);
        intake.take(&mut builder, 60, &mut accounts);
        assert_eq!((builder.len(), accounts.len()), (0, 1), "an interval without any has no account");
    }

    #[test]
    fn what_finds_no_room_is_dropped() {
        let own = OwnEvents::default();
        let (mut intake, mut builder, mut accounts) =
            (Intake::new(own.clone(), 0), BlockBuilder::new(schema()), vec![]);
        own.hand_over((0..WAITING_MAX as u32 + 3).map(|number| event(9, number)));
        own.hand_over([event(9, 0)]);
        intake.take(&mut builder, 10, &mut accounts);
        assert_eq!((accounts[0].stored, accounts[0].dropped), (WAITING_MAX as u64, 4));
        own.hand_over([event(11, 0)]);
        intake.take(&mut builder, 12, &mut accounts);
        assert_eq!((accounts[1].stored, accounts[1].dropped), (1, 0), "there is room again");
    }

    /// A block that is sealed says that everything up to a time is in it or before.
    #[test]
    fn an_event_that_comes_late_breaks_no_promise() {
        let own = OwnEvents::default();
        let (mut intake, mut builder) = (Intake::new(own.clone(), 0), BlockBuilder::new(schema()));
        intake.promise(100);
        intake.promise(90);
        own.hand_over([event(99, 0), event(100, 1), event(150, 2)]);
        intake.take(&mut builder, 200, &mut vec![]);
        assert_eq!(sealed(&mut builder), [(101, OWN_CPU), (101, OWN_CPU), (150, OWN_CPU)]);
    }

    #[test]
    fn the_capture_waits_for_nobody() {
        let own = OwnEvents::default();
        let (mut intake, mut builder, mut accounts) =
            (Intake::new(own.clone(), 0), BlockBuilder::new(schema()), vec![]);
        own.hand_over([event(1, 0)]);
        let filling = own.0.queue.lock().unwrap();
        intake.take(&mut builder, 10, &mut accounts);
        assert_eq!((builder.len(), accounts.len()), (0, 0));
        drop(filling);
        intake.take(&mut builder, 20, &mut accounts);
        assert_eq!((builder.len(), accounts[0].stored), (1, 1), "it is in the next one");
    }

    #[test]
    fn who_comes_when_the_capture_has_ended_is_told() {
        let own = OwnEvents::default();
        let (mut intake, mut builder, mut accounts) =
            (Intake::new(own.clone(), 0), BlockBuilder::new(schema()), vec![]);
        assert!(own.hand_over([event(1, 0)]));
        intake.end();
        assert!(!own.hand_over([event(2, 0)]) && own.has_ended());
        intake.take(&mut builder, 10, &mut accounts);
        assert_eq!(accounts[0].stored, 1, "what came before is in the last block");
        drop(intake);
        assert!(!own.hand_over([event(3, 0)]));
    }
}
