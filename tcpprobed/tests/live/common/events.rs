//! Events in a form in which two recordings of the same can be compared.
//!
//! Each tracefs instance stamps and fills in its own copy of an event. What may differ between the copies: the time, by
//! as much as happened between the two; pointers, which a stored trace replaces by ids; and whether the scheduler wanted
//! the CPU back just then.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tcpprobe::event::{Record, Value};
use tcpprobe::file::{Account, Item, Reader, Totals};
use tcpprobe::kernel::format::{Format, Kind};

/// `TRACE_FLAG_NEED_RESCHED_LAZY`, `_NEED_RESCHED`, `_PREEMPT_RESCHED` (`include/linux/trace_events.h`).
const RESCHED_FLAGS: u8 = 0x02 | 0x04 | 0x20;
/// Far more than the time between two copies of an event, far less than any mistake about clocks.
pub const COPIES_APART_NS_MAX: u64 = 5_000_000_000;

/// One event.
#[derive(Clone)]
pub struct Event {
    pub cpu: u32,
    /// Nanoseconds in the `boot` clock.
    pub time: u64,
    pub format: Arc<Format>,
    pub record: Vec<u8>,
    /// All fields but pointers.
    fields: Vec<u8>,
    /// The pointers, in the order of the fields.
    pointers: Vec<u64>,
}

impl Event {
    pub fn new(record: &Record<'_>, format: &Arc<Format>) -> Self {
        let (mut fields, mut pointers) = (Vec::new(), Vec::new());
        for field in &format.fields {
            if field.kind == Kind::Pointer {
                pointers.push(field.unsigned(record.bytes).unwrap());
                continue;
            }
            let start = fields.len();
            fields.extend_from_slice(field.bytes(record.bytes).unwrap());
            if field.name == "common_flags" {
                fields[start] &= !RESCHED_FLAGS;
            }
        }
        let (cpu, time, record) = (record.cpu, record.time, record.bytes.to_vec());
        Event { cpu, time, format: Arc::clone(format), record, fields, pointers }
    }

    /// The same for all copies of an event: a hash of its CPU, its kind and its fields, sequence numbers among them.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key().hash(&mut hasher);
        hasher.finish()
    }

    fn key(&self) -> (u32, &str, &[u8]) {
        (self.cpu, &self.format.name, &self.fields)
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}] {}:", self.time, self.cpu, self.format.name)?;
        for field in &self.format.fields {
            match Value::of(field, &self.record).unwrap() {
                Value::Unsigned(value) | Value::Pointer(value) => write!(f, " {}={value:#x}", field.name)?,
                Value::Signed(value) => write!(f, " {}={value}", field.name)?,
                Value::Text(bytes) | Value::Bytes(bytes) => write!(f, " {}={bytes:x?}", field.name)?,
            }
        }
        Ok(())
    }
}

/// What a trace holds.
pub struct Trace {
    /// In the order in which the reader gives them.
    pub events: Vec<Event>,
    pub accounts: Vec<Account>,
    /// The sum of the accounts.
    pub totals: Totals,
}

impl Trace {
    /// Reads a trace, in which nothing may be damaged.
    pub fn decode(bytes: &[u8]) -> Self {
        Self::read(Reader::new(bytes))
    }

    /// Reads all that `reader` gives.
    pub fn read(mut reader: Reader<impl std::io::Read>) -> Self {
        let mut trace = Trace { events: Vec::new(), accounts: Vec::new(), totals: Totals::default() };
        let mut formats: HashMap<u16, Arc<Format>> = HashMap::new();
        while let Some(item) = reader.next_item().unwrap() {
            match item {
                Item::Header(_) => {}
                Item::Damage(damage) => panic!("damaged: {damage}"),
                Item::Accounts(accounts) => trace.accounts.extend(accounts),
                Item::Events(batch) => batch.for_each(|record| {
                    let format = formats.entry(record.format.id).or_insert_with(|| Arc::new(record.format.clone()));
                    trace.events.push(Event::new(&record, format));
                }),
            }
        }
        trace.accounts.iter().for_each(|account| trace.totals.add(account));
        trace.check_intervals();
        trace
    }

    /// The account is kept by intervals that follow one another, on every CPU and through every restart.
    fn check_intervals(&self) {
        let mut ends: HashMap<u32, u64> = HashMap::new();
        for account in &self.accounts {
            assert!(account.from <= account.to, "{account:?}");
            if account.stored + account.filtered > 0 {
                let end = ends.entry(account.cpu).or_insert(account.from);
                assert!(*end <= account.from, "begins before {end}: {account:?}");
                *end = account.to;
            }
        }
    }
}

/// Sorted so that the same events of two recordings stand side by side.
fn sorted(events: &[Event]) -> Vec<&Event> {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by(|a, b| a.key().cmp(&b.key()).then(a.time.cmp(&b.time)));
    sorted
}

/// What is in only one of both: of the first, of the second.
fn differences<'e>(first: &[&'e Event], second: &[&'e Event]) -> (Vec<&'e Event>, Vec<&'e Event>) {
    let (mut only_first, mut only_second) = (Vec::new(), Vec::new());
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let order = match (first.peek(), second.peek()) {
            (None, None) => return (only_first, only_second),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => a.key().cmp(&b.key()),
        };
        if order.is_lt() {
            only_first.extend(first.next());
        } else if order.is_gt() {
            only_second.extend(second.next());
        } else {
            first.next();
            second.next();
        }
    }
}

/// Checks that both recordings are of exactly the same events, and that the pointers in them join the same ones.
#[track_caller]
pub fn assert_same(stored: &[Event], traced: &[Event]) {
    let (stored, traced) = (sorted(stored), sorted(traced));
    let (extra, missing) = differences(&stored, &traced);
    assert!(
        extra.is_empty() && missing.is_empty(),
        "{} stored that were not traced, {} traced that are not stored; of {} and {}\n{:#?}\n{:#?}",
        extra.len(),
        missing.len(),
        stored.len(),
        traced.len(),
        &extra[..extra.len().min(3)],
        &missing[..missing.len().min(3)],
    );
    let (mut to_id, mut to_pointer) = (HashMap::new(), HashMap::new());
    for (ours, theirs) in stored.iter().zip(&traced) {
        assert!(ours.time.abs_diff(theirs.time) < COPIES_APART_NS_MAX, "another time\n{ours:?}\n{theirs:?}");
        for (&id, &pointer) in ours.pointers.iter().zip(&theirs.pointers) {
            assert_eq!(*to_id.entry(pointer).or_insert(id), id, "one pointer, two ids\n{ours:?}\n{theirs:?}");
            assert_eq!(*to_pointer.entry(id).or_insert(pointer), pointer, "one id, two pointers\n{ours:?}\n{theirs:?}");
            assert!(id != pointer || pointer == 0, "a kernel pointer is told\n{ours:?}");
        }
    }
}

/// Checks that all that is stored was traced, each event at most once; how many traced events are not stored.
#[track_caller]
pub fn assert_part(stored: &[Event], traced: &[Event]) -> u64 {
    let (extra, missing) = differences(&sorted(stored), &sorted(traced));
    let shown = &extra[..extra.len().min(3)];
    assert!(extra.is_empty(), "{} stored twice, or never traced: {shown:#?}", extra.len());
    missing.len() as u64
}
