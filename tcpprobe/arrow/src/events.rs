//! Batches of the events.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch, TimestampNanosecondArray, new_null_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use foldhash::fast::RandomState;
use tcpprobe::event::{EventKind, EventReader, Record, SSTHRESH_INFINITE};
use tcpprobe::export::{Cell, Columns};
use tcpprobe::flow::{Connection, CountTotals, Counted, FlowTable, OPEN_MAX, Totals};
use tcpprobe::kernel::format::{Field, Format, Kind};
use tcpprobe::kernel::names::STATES;
use tcpprobe::source::{About, Batch, Item, SourceFormat};

use crate::Error;
use crate::columns::EVENTS;
use crate::numbers::{Blocks, Chunk, Records};
use crate::table::{Column, Table, Type};
use crate::tables::{BATCH_ROWS, connection};
use crate::threads::share_out;
use crate::words::{self, NONE, Texts, Words};

/// A column whose name is not that of the field.
const RENAMED: [(&str, &str); 1] = [("pid", "common_pid")];
/// Columns that are made of fields, but are no numbers.
const STATE_COLUMNS: [&str; 3] = ["state", "oldstate", "newstate"];
/// Fields beside a short address, which say the same.
const LONG_ADDRESSES: [(&str, &str); 2] = [("saddr", "saddr_v6"), ("daddr", "daddr_v6")];

/// Columns that follow from others, or are no fields.
const OTHERS: [&str; 9] = ["time", "clock_ns", "event", "conn", "cpu", "comm", IN_FLIGHT, "acked_bytes", "sent_bytes"];

/// The one that follows from two others.
const IN_FLIGHT: &str = "in_flight_bytes";

/// Threads whose names are known at a time, each at a place by its number.
const LATELY: usize = 64;

/// The value by which the kernel says that there is none.
fn not_set(name: &str) -> Option<u64> {
    match name {
        "ssthresh" | "tcpi_snd_ssthresh" => Some(SSTHRESH_INFINITE.into()),
        "tcpi_min_rtt" => Some(u32::MAX.into()),
        "tcpi_pacing_rate" => Some(u64::MAX),
        _ => None,
    }
}

type Count = CountTotals<fn(&Connection, Totals)>;

/// Makes batches of events.
#[derive(Debug)]
pub struct EventTable {
    flows: FlowTable<Count>,
    readers: Vec<EventReader>,
    plans: Vec<Plan>,
    empty: Empty,
}

impl Default for EventTable {
    fn default() -> Self {
        let forget: fn(&Connection, Totals) = |_, _| {};
        let flows = FlowTable::new(CountTotals::new(forget), OPEN_MAX);
        EventTable { flows, readers: Vec::new(), plans: Vec::new(), empty: Empty::new() }
    }
}

/// What is known of the connection of each event.
#[derive(Debug, Default)]
struct Conns(Vec<Option<(i32, i64, i64)>>);

impl Conns {
    fn push(&mut self, of: Option<(&Connection, &Counted)>) -> Result<(), Error> {
        let bytes = |count: u64| count.cast_signed();
        let known = of.map(|(of, counted)| {
            let Totals { bytes_acked, bytes_sent, .. } = counted.totals;
            connection(of.id).map(|conn| (conn, bytes(bytes_acked), bytes(bytes_sent)))
        });
        self.0.push(known.transpose()?);
        Ok(())
    }
}

impl EventTable {
    /// Takes an item, and gives its events.
    pub fn item(
        &mut self,
        item: &Item,
        counts_ticks: bool,
        give: &mut impl FnMut(RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match item {
            Item::Begin(about) => self.begin(about),
            Item::Lost(_) => self.flows.lose(),
            Item::Events(batch) => {
                let mut conns = Conns::default();
                match batch {
                    Batch::Columns(columns) => {
                        let mut pushed = Ok(());
                        self.flows.batch_each(columns, |of| {
                            if pushed.is_ok() {
                                pushed = conns.push(of);
                            }
                        });
                        pushed?;
                        for (part, conns) in columns.order().chunks(BATCH_ROWS).zip(conns.0.chunks(BATCH_ROWS)) {
                            let chunk = Blocks::new(columns, part);
                            give(self.batch(&chunk, conns, |time| columns.clock().wall(time), counts_ticks)?)?;
                        }
                    }
                    Batch::Rows(rows) => {
                        let mut records = Vec::with_capacity(rows.len());
                        for record in rows.iter() {
                            let event = self.readers.get(record.index).and_then(|reader| reader.read(record.bytes));
                            conns.push(event.and_then(|event| self.flows.event_of(record.time, &event)))?;
                            records.push(record);
                        }
                        for (part, conns) in records.chunks(BATCH_ROWS).zip(conns.0.chunks(BATCH_ROWS)) {
                            let chunk = Records::new(part.to_vec());
                            give(self.batch(&chunk, conns, |time| batch.wall(time), counts_ticks)?)?;
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, about: &About) {
        self.plans = about.formats.iter().map(Plan::new).collect();
        self.readers = about.formats.iter().map(|known| EventReader::new(&known.format)).collect();
    }

    fn batch<C: Chunk + Sync>(
        &self,
        chunk: &C,
        conns: &[Option<(i32, i64, i64)>],
        wall: impl Fn(u64) -> Option<i64> + Sync,
        counts_ticks: bool,
    ) -> Result<RecordBatch, Error> {
        let count = chunk.groups().len();
        let view = View::new(chunk, &self.plans, &self.empty);
        let ends = Ends::read(&view);
        let mut arrays = share_out(count, EVENTS, |column| -> Result<ArrayRef, Error> {
            Ok(match column.name {
                "time" => {
                    let walls = (0..count).map(|at| wall(chunk.time(at)));
                    Arc::new(walls.collect::<TimestampNanosecondArray>())
                }
                "clock_ns" => Arc::new(Int64Array::from_iter_values((0..count).map(|at| chunk.time(at).cast_signed()))),
                "event" => view.events()?,
                "conn" => Arc::new(conns.iter().map(|known| known.map(|(conn, ..)| conn)).collect::<Int32Array>()),
                "acked_bytes" => {
                    Arc::new(conns.iter().map(|known| known.map(|(_, acked, _)| acked)).collect::<Int64Array>())
                }
                "sent_bytes" => {
                    Arc::new(conns.iter().map(|known| known.map(|(.., sent)| sent)).collect::<Int64Array>())
                }
                "cpu" => Arc::new(Int32Array::from_iter_values((0..count).map(|at| chunk.cpu(at).cast_signed()))),
                "comm" => view.comms()?,
                "saddr" => ends.column(0)?,
                "daddr" => ends.column(1)?,
                "fields" => view.others()?,
                // Of two others, when they are made.
                IN_FLIGHT => view.none(column.data_type),
                name if STATE_COLUMNS.contains(&name) => view.states(name)?,
                name => {
                    let mut numbers = view.numbers(name);
                    if let Some(side) = ["sport", "dport"].iter().position(|port| *port == name) {
                        ends.ports(side, &mut numbers, &view);
                    }
                    numbers.map_or_else(|| view.none(column.data_type), |numbers| array(column, numbers))
                }
            })
        })?;
        let place = |name: &str| EVENTS.iter().position(|column| column.name == name);
        if let (Some(nxt), Some(una), Some(flight)) = (place("snd_nxt"), place("snd_una"), place(IN_FLIGHT)) {
            arrays[flight] = in_flight(arrays[nxt].as_primitive(), arrays[una].as_primitive());
        }
        Ok(RecordBatch::try_new(Table::Events.schema(counts_ticks), arrays)?)
    }
}

/// A column without a value of each type that may be so, as long as a batch: made once.
#[derive(Debug)]
struct Empty([(Type, ArrayRef); 3]);

impl Empty {
    fn new() -> Self {
        Empty([Type::Int32, Type::Int64, Type::Text].map(|of| (of, new_null_array(&of.to_arrow(), BATCH_ROWS))))
    }

    fn rows(&self, of: Type, count: usize) -> ArrayRef {
        let known = self.0.iter().find(|(known, all)| *known == of && count <= all.len());
        known.map_or_else(|| new_null_array(&of.to_arrow(), count), |(_, all)| all.slice(0, count))
    }
}

/// Numbers of a column, and which there are; all, where nothing is said.
#[derive(Debug, Clone)]
struct Numbers {
    values: Vec<i64>,
    valid: Option<NullBuffer>,
}

fn array(column: &Column, Numbers { values, valid }: Numbers) -> ArrayRef {
    if column.data_type == Type::Int32 {
        #[expect(clippy::cast_possible_truncation, reason = "fields of four bytes at most")]
        let narrow: Vec<i32> = values.into_iter().map(|value| value as i32).collect();
        return Arc::new(Int32Array::new(narrow.into(), valid));
    }
    Arc::new(Int64Array::new(values.into(), valid))
}

/// Bytes in flight, modulo 2^32.
fn in_flight(nxt: &Int64Array, una: &Int64Array) -> ArrayRef {
    let between = |(nxt, una): (&i64, &i64)| i64::from((nxt - una) as u32);
    let values: Vec<i64> = nxt.values().iter().zip(una.values()).map(between).collect();
    Arc::new(Int64Array::new(values.into(), NullBuffer::union(nxt.nulls(), una.nulls())))
}

/// Where the fields of a format go.
#[derive(Debug)]
struct Plan {
    format: Arc<Format>,
    /// The fields of the columns of numbers and states that it has.
    fields: HashMap<&'static str, Field>,
    /// As exports name and read all of its fields.
    columns: Columns,
    /// Of these, the places of `saddr`, `daddr`, `sport` and `dport`, where they are not among `fields`.
    ends: [Option<usize>; 4],
    /// Of these, which go into the column of others.
    others: Vec<bool>,
}

impl Plan {
    fn new(known: &SourceFormat) -> Self {
        let SourceFormat { format, kind } = known;
        let mut fields = HashMap::new();
        for column in EVENTS.iter().filter(|column| !OTHERS.contains(&column.name)) {
            let of_column = RENAMED.iter().find(|(name, _)| *name == column.name);
            let name = of_column.map_or(column.name, |(_, field)| field);
            // Before 4.18 the payload length had another name.
            let before = (name == "data_len" && *kind == EventKind::TcpProbe).then_some("length");
            let field = format.field(name).or_else(|| format.field(before?));
            let is_state = STATE_COLUMNS.contains(&name);
            let fits = |field: &&Field| {
                matches!(field.kind, Kind::Integer | Kind::Pointer)
                    && (column.data_type != Type::Int32 || field.size <= 4)
                    && (!is_state || *kind != EventKind::Other)
            };
            if let Some(field) = field.filter(fits) {
                fields.insert(column.name, field.clone());
            }
        }
        let columns = Columns::new(format);
        let names: Vec<&str> = columns.names().collect();
        let address = |name: &str| {
            let field = format.field(name)?;
            (field.kind == Kind::Array && matches!(field.size, 4 | 16 | 28)).then_some(())?;
            names.iter().position(|known| *known == name)
        };
        let port = |name: &str| {
            if fields.contains_key(name) || format.field(name).is_some() {
                return None;
            }
            names.iter().position(|known| *known == name)
        };
        let ends = [address("saddr"), address("daddr"), port("sport"), port("dport")];
        let is_other = |(at, name): (usize, &&str)| {
            let says_the_same = |(short, long): &(&str, &str)| {
                long == name && ends[..2].iter().flatten().any(|place| names[*place] == *short)
            };
            let is_field = fields.values().any(|field| field.name == **name);
            !is_field && !ends.contains(&Some(at)) && !LONG_ADDRESSES.iter().any(says_the_same)
        };
        let others = names.iter().enumerate().map(is_other).collect();
        Plan { format: format.clone(), fields, ends, others, columns }
    }

    fn has_others(&self) -> bool {
        self.others.contains(&true)
    }

    /// The event's other fields, as JSON.
    fn put_others(&self, record: &Record<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let cells = self.columns.cells(record).zip(&self.others).filter(|(_, is_other)| **is_other);
        for (at, ((name, cell), _)) in cells.enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            put_string(out, name)?;
            out.push(b':');
            match cell {
                None => out.extend_from_slice(b"null"),
                Some(Cell::Unsigned(number)) => write!(out, "{number}")?,
                Some(Cell::Signed(number)) => write!(out, "{number}")?,
                Some(Cell::Text(text)) => put_string(out, &text)?,
                Some(other) => put_string(out, &other.to_string())?,
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn put_string(out: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    serde_json::to_writer(out, text).map_err(|error| Error::Write(error.into()))
}

/// Which rows of a batch.
struct Bits(Vec<u64>);

impl Bits {
    fn none(count: usize) -> Self {
        Bits(vec![0; count.div_ceil(64)])
    }

    fn set(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn clear(&mut self, at: usize) {
        self.0[at / 64] &= !(1 << (at % 64));
    }

    fn add(&mut self, others: &Bits) {
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    fn into_nulls(self, count: usize) -> NullBuffer {
        NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(self.0), 0, count))
    }
}

/// The events of a group.
struct Members {
    rows: Vec<u32>,
    bits: Bits,
}

/// Events, and what is known of their formats.
struct View<'a, C> {
    chunk: &'a C,
    plans: &'a [Plan],
    empty: &'a Empty,
    /// By group.
    members: Vec<Members>,
}

impl<'a, C: Chunk> View<'a, C> {
    fn new(chunk: &'a C, plans: &'a [Plan], empty: &'a Empty) -> Self {
        let count = chunk.groups().len();
        let nobody = |_| Members { rows: Vec::new(), bits: Bits::none(count) };
        let mut members: Vec<Members> = chunk.formats().iter().map(nobody).collect();
        for (at, &group) in chunk.groups().iter().enumerate() {
            let of = &mut members[group as usize];
            of.rows.push(at as u32);
            of.bits.set(at);
        }
        View { chunk, plans, empty, members }
    }

    /// A column without a value.
    fn none(&self, of: Type) -> ArrayRef {
        self.empty.rows(of, self.chunk.groups().len())
    }

    fn plan(&self, group: u32) -> Option<&'a Plan> {
        self.plans.get(*self.chunk.formats().get(group as usize)?)
    }

    /// The numbers of a column; `None` where no event has any.
    fn numbers(&self, name: &str) -> Option<Numbers> {
        let groups = 0..self.chunk.formats().len();
        let fields: Vec<Option<&Field>> =
            groups.map(|group| self.plan(group as u32).and_then(|plan| plan.fields.get(name))).collect();
        if fields.iter().all(Option::is_none) {
            return None;
        }
        let not_set = not_set(name);
        let mut values = vec![0; self.chunk.groups().len()];
        let mut none: Vec<u32> = Vec::new();
        for (group, field) in fields.iter().enumerate() {
            let Some(field) = field else { continue };
            let source = self.chunk.numbers(group, field);
            // How far a signed number is to be moved to have its sign.
            let unused = if field.signed { 64 - 8 * field.size } else { 0 };
            for &at in &self.members[group].rows {
                match self.chunk.number(&source, at as usize).filter(|number| Some(*number) != not_set) {
                    Some(number) => values[at as usize] = (number << unused).cast_signed() >> unused,
                    None => none.push(at),
                }
            }
        }
        let of_fields = || fields.iter().zip(&self.members).filter(|(field, _)| field.is_some());
        let has_all = of_fields().map(|(_, of)| of.rows.len()).sum::<usize>() == values.len();
        let valid = (!has_all || !none.is_empty()).then(|| {
            let mut valid = Bits::none(values.len());
            of_fields().for_each(|(_, of)| valid.add(&of.bits));
            none.iter().for_each(|&at| valid.clear(at as usize));
            valid.into_nulls(values.len())
        });
        Some(Numbers { values, valid })
    }

    /// The names of the events.
    fn events(&self) -> Result<ArrayRef, Error> {
        let mut words = Words::default();
        let groups = 0..self.chunk.formats().len();
        let names: Vec<i32> = groups
            .map(|group| words.place(self.plan(group as u32).map_or("", |plan| plan.format.name.as_str())))
            .collect();
        self.chunk.groups().iter().for_each(|&group| words.push(Some(names[group as usize])));
        words.finish()
    }

    /// The names of threads.
    fn comms(&self) -> Result<ArrayRef, Error> {
        let mut words = Words::default();
        let pids = self.numbers("pid");
        let mut lately: [Option<(u32, i32, Option<i32>)>; LATELY] = [None; LATELY];
        for at in 0..self.chunk.groups().len() {
            #[expect(clippy::cast_possible_truncation, reason = "a field of four bytes")]
            let pid = pids.as_ref().map_or(0, |pids| pids.values[at] as i32);
            let mut find = || self.chunk.comm(at, pid).map(|comm| words.place(comm));
            let place = match self.chunk.names(at) {
                None => find(),
                Some(names) => match &mut lately[pid.cast_unsigned() as usize % LATELY] {
                    Some((of, thread, place)) if (*of, *thread) == (names, pid) => *place,
                    other => {
                        let place = find();
                        *other = Some((names, pid, place));
                        place
                    }
                },
            };
            words.push(place);
        }
        words.finish()
    }

    /// A column of states.
    fn states(&self, name: &'static str) -> Result<ArrayRef, Error> {
        let Some(Numbers { values, valid }) = self.numbers(name) else {
            return Ok(self.none(Type::Text));
        };
        let mut words = Words::default();
        for (at, value) in values.into_iter().enumerate() {
            if valid.as_ref().is_some_and(|valid| valid.is_null(at)) {
                words.push(None);
                continue;
            }
            let known = usize::try_from(value).ok().and_then(|value| STATES.get(value.checked_sub(1)?));
            match known {
                Some(name) => words.push_text(Some(name)),
                None => words.push_text(Some(&value.to_string())),
            }
        }
        words.finish()
    }

    /// The column of other fields.
    fn others(&self) -> Result<ArrayRef, Error> {
        let plans: Vec<Option<&Plan>> = (0..self.chunk.formats().len())
            .map(|group| self.plan(group as u32).filter(|plan| plan.has_others()))
            .collect();
        if plans.iter().all(Option::is_none) {
            return Ok(self.none(Type::Text));
        }
        let (mut words, mut json) = (Words::default(), Vec::new());
        for (at, &group) in self.chunk.groups().iter().enumerate() {
            let Some(plan) = plans[group as usize] else {
                words.push(None);
                continue;
            };
            json.clear();
            self.chunk.record(at, |record| plan.put_others(record, &mut json))?;
            words.push_text(Some(&String::from_utf8_lossy(&json)));
        }
        words.finish()
    }
}

/// The ends of an event's socket, as far as they are no numbers of the record.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    addresses: [Option<i32>; 2],
    ports: [Option<u16>; 2],
}

/// The ends of all events.
struct Ends {
    addresses: [Texts; 2],
    /// Of each event.
    list: Vec<End>,
}

impl Ends {
    fn read<C: Chunk>(view: &View<'_, C>) -> Self {
        let mut addresses = [Texts::default(), Texts::default()];
        let mut places: [HashMap<IpAddr, i32, RandomState>; 2] = Default::default();
        let mut known: Vec<Option<End>> = vec![None; view.chunk.identities()];
        let mut list = Vec::with_capacity(view.chunk.groups().len());
        for (at, &group) in view.chunk.groups().iter().enumerate() {
            let identity = &mut known[view.chunk.identity(at)];
            let end = *identity.get_or_insert_with(|| {
                let Some(plan) = view.plan(group) else { return End::default() };
                view.chunk.record(at, |record| {
                    let mut end = End::default();
                    let cell = |place: usize| plan.columns.cells(record).nth(plan.ends[place]?)?.1;
                    for side in 0..2 {
                        if let Some(Cell::Address(address)) = cell(side) {
                            let place = places[side].entry(address);
                            let place =
                                place.or_insert_with(|| addresses[side].place(&address.to_canonical().to_string()));
                            end.addresses[side] = Some(*place);
                        }
                        if let Some(Cell::Unsigned(port)) = cell(2 + side) {
                            end.ports[side] = u16::try_from(port).ok();
                        }
                    }
                    end
                })
            });
            list.push(end);
        }
        Ends { addresses, list }
    }

    /// The addresses of one side.
    fn column(&self, side: usize) -> Result<ArrayRef, Error> {
        words::column(&self.addresses[side], self.list.iter().map(|end| end.addresses[side].unwrap_or(NONE)).collect())
    }

    /// Adds ports that only addresses tell.
    fn ports<C: Chunk>(&self, side: usize, numbers: &mut Option<Numbers>, view: &View<'_, C>) {
        if self.list.iter().all(|end| end.ports[side].is_none()) {
            return;
        }
        let count = view.chunk.groups().len();
        let Numbers { values, valid } =
            numbers.take().unwrap_or(Numbers { values: vec![0; count], valid: Some(NullBuffer::new_null(count)) });
        let is_valid = |at: usize| valid.as_ref().is_none_or(|valid| valid.is_valid(at));
        let port = |at: usize| if is_valid(at) { Some(values[at]) } else { self.list[at].ports[side].map(i64::from) };
        let ports: Vec<Option<i64>> = (0..count).map(port).collect();
        *numbers = Some(Numbers {
            values: ports.iter().map(|port| port.unwrap_or(0)).collect(),
            valid: Some(ports.iter().map(Option::is_some).collect::<Vec<bool>>().into()),
        });
    }
}
