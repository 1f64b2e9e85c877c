//! The page of a trace.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tcpprobe::diagnose::{Cause, Diagnosis, Limit};
use tcpprobe::flow::{Collector, Flow};
use tcpprobe_plot::model::{COMPARED, Lost, sort_of_cause, sort_of_limit, summary};
use tcpprobe_plot::units::{counted, grouped};
use tcpprobe_plot::{Color, Gap, PALETTE, PanelKind, differences, of_sort};

use crate::chunks::{Chunks, text};
use crate::plan::Plan;
use crate::rows::{Kept, Rows, Track};
use crate::{assemble, list};

/// Bytes that a page may take, of itself.
pub const SIZE_DEFAULT: u64 = 20_000_000;
/// Bytes of a row, as guessed at first.
const ROW_BYTES: u64 = 6;
/// Fewer bytes are not enough for anything but what the browser runs.
pub const SIZE_MIN: u64 = 250_000;

/// A trace, as a page needs it.
#[derive(Debug, Clone, Copy)]
pub struct PageInput<'a> {
    /// The connections, with their totals.
    pub flows: &'a Collector,
    /// What was found of them.
    pub diagnoses: &'a [Diagnosis],
    /// Where events were lost.
    pub gaps: &'a [Gap],
    /// The name of the job or file.
    pub title: &'a str,
    /// The release of the kernel that recorded it.
    pub kernel: Option<&'a str>,
    /// The machine that recorded it.
    pub host: Option<&'a str>,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where it is known.
    pub utc_offset_ns: Option<i64>,
    /// Whether times are the trace's own clock's, and not counted from the first event.
    pub raw_time: bool,
    /// Ids of the connections that are drawn at first, the most important first; those with the most traffic where it is empty.
    pub chosen: &'a [u64],
    /// The panels that it has, in this order, those of limits and retransmissions as lanes below; all of them, and the sequence numbers, where it is `None`.
    pub panels: Option<&'a [PanelKind]>,
    /// The most bytes that the page may take; not fewer than [`SIZE_MIN`] are enough.
    pub size: u64,
    /// The command that makes this page, without its size: to say what shows more, where not all fits.
    pub command: &'a str,
}

impl<'a> PageInput<'a> {
    /// One of these connections, of which nothing else is known.
    #[must_use]
    pub fn new(flows: &'a Collector, title: &'a str) -> Self {
        PageInput {
            flows,
            title,
            diagnoses: &[],
            gaps: &[],
            kernel: None,
            host: None,
            utc_offset_ns: None,
            raw_time: false,
            chosen: &[],
            panels: None,
            size: SIZE_DEFAULT,
            command: "tcpprobectl plot --format html",
        }
    }
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The file.
    pub html: String,
    /// Connections in its list.
    pub connections: u64,
    /// Events that it shows.
    pub events: u64,
    /// Of how many.
    pub events_of: u64,
    /// Connections that are not in its list, for want of room.
    pub left_out: u64,
}

impl Page {
    /// The page of the connections that are wanted, of at most [`PageInput::size`] bytes (the first's, where there are several traces): `read`
    /// is called with the place of a trace and what is to take its events, once for each, or again where fewer fit, or many more.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fitting<E>(
        inputs: &[PageInput],
        wanted: impl Fn(&Flow<'_>) -> bool,
        mut read: impl FnMut(usize, &mut Rows) -> Result<(), E>,
    ) -> Result<Self, E> {
        let size = inputs.first().map_or(SIZE_DEFAULT, |input| input.size);
        let all: u64 = inputs.iter().map(|input| input.flows.events()).sum();
        let mut rows_max = size / ROW_BYTES;
        let mut is_first = true;
        loop {
            let mut kept = Vec::with_capacity(inputs.len());
            for (at, input) in inputs.iter().enumerate() {
                // As large a part of the room as it is of all events.
                let part = u128::from(rows_max) * u128::from(input.flows.events()) / u128::from(all.max(1));
                let mut rows = Rows::new(Plan::new(input.flows, part as u64, input.chosen, &wanted));
                read(at, &mut rows)?;
                kept.push(rows.finish());
            }
            let page = Page::compare(inputs, &kept);
            let taken = page.html.len() as u64;
            let is_small = is_first && !page.is_whole() && taken < size / 4 * 3;
            if taken <= size && !is_small || rows_max == 0 {
                return Ok(page);
            }
            rows_max = (u128::from(rows_max) * u128::from(size) * 9 / 10 / u128::from(taken)) as u64;
            is_first = false;
        }
    }

    /// The page of a trace.
    #[must_use]
    pub fn new(input: &PageInput, kept: &Kept) -> Self {
        Page::compare(std::slice::from_ref(input), std::slice::from_ref(kept))
    }

    /// The page of several traces, with what was kept of each: aligned at their first events, with a table of what differs. What is not of
    /// one trace (its panels, its size) is the first's.
    #[must_use]
    pub fn compare(inputs: &[PageInput], kept: &[Kept]) -> Self {
        let traces: Vec<Shown> = inputs.iter().zip(kept).map(|(input, kept)| Shown::new(input, kept)).collect();
        let mut all: Vec<(usize, &(Flow<'_>, &Track))> = traces
            .iter()
            .enumerate()
            .flat_map(|(number, trace)| trace.flows.iter().map(move |of| (number, of)))
            .collect();
        all.sort_by_key(|(number, (flow, _))| {
            let place = inputs[*number].chosen.iter().position(|id| *id == flow.connection.id).unwrap_or(usize::MAX);
            // The first of each trace, then the second of each; all others by their traffic.
            let turn = if place == usize::MAX { 0 } else { *number };
            (place, turn, Reverse(flow.totals.traffic() + flow.totals.bytes_acked), *number, flow.connection.id)
        });
        let mut chunks = Chunks::default();
        let (mut events, mut events_of) = (0, 0);
        let entry = |(number, (flow, track)): &(usize, &(Flow<'_>, &Track))| {
            let Shown { found, zero, .. } = &traces[*number];
            let found = found.of(flow);
            let place = list::columns(&mut chunks, track, found, *zero);
            (events, events_of) = (events + track.rows, events_of + track.events);
            let mut entry = list::entry(flow, track, found, place, *zero);
            if traces.len() > 1 {
                entry["trace"] = json!(number);
            }
            entry
        };
        let entries: Vec<Value> = all.iter().map(entry).collect();
        let connections = entries.len() as u64;
        let left_out = kept.iter().map(|kept| kept.left_out).sum();
        let mut page = Page { html: String::new(), connections, events, events_of, left_out };
        let title = inputs.iter().map(|input| input.title).collect::<Vec<_>>().join("  ·  ");
        let about = about(&traces, &page, &title);
        let list = text(json!(entries).to_string().as_bytes());
        page.html = assemble::html(&title, &about, &list, &chunks.finish());
        page
    }

    /// Whether it shows every event of every connection.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.events == self.events_of && self.left_out == 0
    }

    /// What it does not show, in words, and the command that shows more; empty where that is nothing.
    #[must_use]
    pub fn reduced(&self, input: &PageInput) -> String {
        if self.is_whole() {
            return String::new();
        }
        let mut words = Vec::new();
        if self.events < self.events_of {
            let (kept, all) = (grouped(self.events), counted(self.events_of, "event", "events"));
            words.push(format!("{kept} of {all} are kept, among them each extreme"));
        }
        if self.left_out > 0 {
            let those = counted(self.left_out, "connection", "connections");
            words.push(format!("{those} with the least traffic left out"));
        }
        // As large as all would be, by what a kept event takes, and twice as large where connections are missing.
        let all = u128::from(self.events_of) * if self.left_out > 0 { 2 } else { 1 };
        let needed = (u128::from(input.size) * all / u128::from(self.events.max(1))).div_ceil(1_000_000);
        let more = format!("`{} --size {needed}MB` shows more", input.command);
        format!("{}; {more}; --connection, --filter, --since and --until show less, in full", words.join("; "))
    }
}

/// What was found of connections, by their ends.
struct Found<'a>(HashMap<(SocketAddr, SocketAddr), Vec<&'a Diagnosis>>);

impl<'a> Found<'a> {
    fn new(all: &'a [Diagnosis]) -> Self {
        let mut found: HashMap<_, Vec<&Diagnosis>> = HashMap::new();
        for one in all {
            found.entry((one.connection.local, one.connection.peer)).or_default().push(one);
        }
        Found(found)
    }

    fn of(&self, flow: &Flow<'_>) -> Option<&'a Diagnosis> {
        let connection = flow.connection;
        let all = self.0.get(&(connection.local, connection.peer))?;
        let same_or_unknown = |a: u64, b: u64| a == 0 || b == 0 || a == b;
        let is_of = |found: &&&Diagnosis| {
            same_or_unknown(found.connection.cookie, connection.cookie)
                && found.from() <= flow.totals.last_time
                && flow.totals.first_time <= found.to()
        };
        all.iter().find(is_of).copied()
    }
}

/// What is shown of a trace.
struct Shown<'a> {
    input: &'a PageInput<'a>,
    flows: Vec<(Flow<'a>, &'a Track)>,
    found: Found<'a>,
    /// The first time that is shown.
    zero: u64,
}

impl<'a> Shown<'a> {
    fn new(input: &'a PageInput<'a>, kept: &'a Kept) -> Self {
        let of = |flow: Flow<'a>| Some((flow, kept.tracks.get(&flow.connection.id)?));
        let flows: Vec<(Flow<'a>, &Track)> = input.flows.all().into_iter().filter_map(of).collect();
        let found = Found::new(input.diagnoses);
        let begins = |(flow, _): &(Flow<'_>, &Track)| {
            let found = found.of(flow).filter(|found| !found.intervals.is_empty());
            flow.totals.first_time.min(found.map_or(u64::MAX, Diagnosis::from))
        };
        let zero = flows.iter().map(begins).min().unwrap_or(0);
        Shown { input, flows, found, zero }
    }

    /// Where events were lost: from, to, and how many.
    fn gaps(&self) -> impl Iterator<Item = (f64, f64, Option<u64>)> {
        let since = |time: u64| time as f64 - self.zero as f64;
        self.input.gaps.iter().map(move |gap| (since(gap.start_ns), since(gap.end_ns), gap.lost))
    }
}

fn color(Color(red, green, blue): Color) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// What the browser calls a panel.
fn panel(kind: PanelKind) -> &'static str {
    match kind {
        PanelKind::Throughput => "rate",
        PanelKind::Cwnd => "cwnd",
        PanelKind::Flight => "flight",
        PanelKind::Srtt => "srtt",
        PanelKind::Retransmissions | PanelKind::Limits => "lanes",
    }
}

/// What is said of all.
fn about(traces: &[Shown], page: &Page, title: &str) -> Value {
    let words = |name: &str| name.replace('_', " ");
    let limit = |limit: &Limit| json!({ "name": words(limit.name()), "color": color(of_sort(sort_of_limit(*limit))) });
    let cause = |cause: &Cause| json!({ "name": words(cause.name()), "color": color(of_sort(sort_of_cause(*cause))) });
    let inputs: Vec<&PageInput> = traces.iter().map(|trace| trace.input).collect();
    let is_comparison = traces.len() > 1;
    let mut gaps: Vec<(f64, f64, Option<u64>)> = traces.iter().flat_map(Shown::gaps).collect();
    gaps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let lost = |input: &&PageInput| {
        let lost = (!input.gaps.is_empty()).then(|| Lost::of(input.gaps).to_string())?;
        Some(if is_comparison { format!("{}: {lost}", input.title) } else { lost })
    };
    let lost: Vec<String> = inputs.iter().filter_map(lost).collect();
    // What is the same of all.
    let same = |of: fn(&PageInput) -> Option<String>| {
        let first = of(inputs.first()?);
        first.filter(|first| inputs.iter().all(|input| of(input).as_ref() == Some(first)))
    };
    let alone = traces.first().filter(|_| !is_comparison);
    let utc = alone.and_then(|one| Some(i128::from(one.input.utc_offset_ns?) + i128::from(one.zero)));
    let panels = inputs.first().and_then(|input| input.panels);
    json!({
        "title": title,
        "host": same(|input| input.host.map(str::to_owned)),
        "kernel": same(|input| input.kernel.map(str::to_owned)),
        // Nanoseconds since 1970 of the first time, as text: no number of a browser has so many digits.
        "utc": utc.map(|utc| utc.to_string()),
        "zero": alone.map_or(0, |one| one.zero).to_string(),
        "raw": alone.is_some_and(|one| one.input.raw_time),
        "events": page.events_of,
        "connections": page.connections,
        "reduced": inputs.first().map(|input| page.reduced(input)),
        "lost": (!lost.is_empty()).then(|| lost.join("; ")),
        "gaps": gaps,
        "traces": is_comparison.then(|| inputs.iter().map(|input| input.title).collect::<Vec<_>>()),
        "differences": is_comparison.then(|| differ(&inputs)),
        "chosen": inputs.iter().map(|input| input.chosen.len()).sum::<usize>().clamp(1, PALETTE.len()),
        "limits": Limit::ALL.iter().map(limit).collect::<Vec<_>>(),
        "causes": Cause::ALL.iter().map(cause).collect::<Vec<_>>(),
        "palette": PALETTE.map(color),
        "panels": panels.map(|panels| panels.iter().copied().map(panel).collect::<Vec<_>>()),
    })
}

/// What differs between traces, as a table of texts.
fn differ(inputs: &[&PageInput]) -> Value {
    let sums: Vec<_> = inputs.iter().map(|input| (input.title, summary(input.diagnoses))).collect();
    let table = differences(&sums);
    let rows = table.rows.into_iter().map(|row| json!([row.name, row.cells]));
    json!({ "headings": table.headings, "rows": rows.collect::<Vec<_>>(), "note": COMPARED })
}
