//! ftrace text, and what else the kernel says in text beside a buffer.

use std::io::{Cursor, Read};

use tcpprobe::event::{Event, Record};
use tcpprobe::export::TextWriter;
use tcpprobe::kernel::ring::{CpuStats, current_clock, saved_cmdlines};
use tcpprobe::kernel::text::{LINE_BYTES_MAX, Layout, Line, TextEvent, TextReader, parse_line};
use tcpprobe::source::{Item, Problem, Trace, TraceEvent, Wanted};

use super::flows;
use super::input::Trickle;

/// The kernel's names of tasks are shorter.
const TASK_COMM_LEN: usize = 16;
/// What is later, in nanoseconds, might be rounded to no time at all.
const TIME_MAX: u64 = 1 << 63;

pub fn run(input: &[u8]) {
    let lines = lines(TextReader::new(input));
    assert!(lines == self::lines(TextReader::new(Trickle::new(input))));
    assert_eq!(lines.len(), line_count(input));
    if let Ok(trace) = Trace::sniff("input", Cursor::new(input), Wanted::default()) {
        trace.for_each(drop);
    }
    let text = String::from_utf8_lossy(input);
    if let Err((line, ..)) = CpuStats::parse(&text) {
        assert!(line <= text.lines().count());
    }
    assert!(saved_cmdlines(input).len() <= lines.len());
    assert!(current_clock(&text).is_none_or(|clock| text.contains(&format!("[{clock}]"))));
    // What is no text is taken out before a line is read, and what stands for others replaced.
    let is_other = |c: char| matches!(c, '\0' | '\t' | '\r' | '\u{1b}' | '"' | '&' | '\u{a0}' | '\u{feff}');
    let is_between = |line: &str| line.starts_with('<') || line.ends_with('>') || line.contains("/* ");
    let is_plain = |line: &&str| line.len() < LINE_BYTES_MAX && !line.contains(is_other) && !is_between(line);
    text.split('\n').map(|line| line.trim_end_matches('\r')).filter(is_plain).for_each(line);
    flows::check(&events(input));
}

/// How many lines are in a text: a line feed ends one, and a carriage return that none follows.
fn line_count(input: &[u8]) -> usize {
    let is_end = |at: usize| match input[at] {
        b'\n' => true,
        b'\r' => !matches!(input.get(at + 1), Some(b'\r' | b'\n')),
        _ => false,
    };
    let ends = (0..input.len()).filter(|at| is_end(*at)).count();
    ends + usize::from(input.last().is_some_and(|byte| !matches!(byte, b'\n' | b'\r')))
}

/// The events that have a type, with their times: the same however the text comes.
fn events(input: &[u8]) -> Vec<(u64, Event)> {
    let events = |trace: Trace<'_>| -> Vec<TraceEvent> { trace.events().map_while(Result::ok).collect() };
    let all = events(Trace::text("input", input, Wanted::default()).expect("nothing is wanted of it"));
    let trickled = events(Trace::text("input", Trickle::new(input), Wanted::default()).expect("nothing is wanted"));
    assert_eq!(all.len(), trickled.len());
    assert!(all.iter().zip(&trickled).all(|(a, b)| (a.time, a.event, &a.bytes) == (b.time, b.event, &b.bytes)));
    all.into_iter().filter_map(|event| Some((event.time, event.event?))).collect()
}

/// What a reader makes of each line.
fn lines<R: Read>(mut reader: TextReader<R>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().expect("nothing fails") {
        lines.push(match line {
            Ok(Line::Event(event)) => format!("{event:?}"),
            Ok(line) => format!("{line:?}"),
            Err(broken) => broken.to_string(),
        });
    }
    lines
}

fn line(line: &str) {
    let event = match parse_line(line) {
        Ok(event) => event,
        Err(error) => return assert!((1..=line.len() + 1).contains(&error.column), "{error}"),
    };
    assert!(line.contains(event.comm) && line.ends_with(event.body));
    fields_stand_by_themselves(&event);
    let Some(read) = read(line) else { return };
    both_ways_agree(&read, line);
    is_the_same_when_written(&read);
}

/// The event of a line; `None` where its body cannot be read, which is told.
fn read(line: &str) -> Option<TraceEvent> {
    let text = format!("a-1 [000] 1.0: e: b=1\n{line}\n");
    let trace = || Trace::text("line", text.as_bytes(), Wanted::default()).expect("nothing is wanted of it");
    let events: Vec<TraceEvent> = trace().events().map(|event| event.expect("nothing fails")).collect();
    if events.len() == 2 {
        return events.into_iter().nth(1);
    }
    let broken = |item| match item {
        Ok(Item::Problem(Problem::BrokenLine(broken))) => Some(broken),
        _ => None,
    };
    let broken = trace().find_map(broken).expect("a line that is no event is told");
    assert!((1..=line.len() + 1).contains(&broken.reason.column), "{broken}");
    None
}

/// A field that no kernel prints makes the reader of a tcp_probe go the general way, and the event is the same.
fn both_ways_agree(event: &TraceEvent, line: &str) {
    let other = read(&format!("{line} colour=blue")).expect("a field more is no error");
    assert_eq!(event.event, other.event);
}

/// Fields are of the body, and the same without what is between them.
fn fields_stand_by_themselves(event: &TextEvent<'_>) {
    let fields: Vec<(&str, &str)> = event.fields().collect();
    let joined: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(joined.iter().all(|field| event.body.contains(field)));
    // The last one keeps a carriage return at the end of the one before.
    let line = format!("a-1 [000] 1.0: e: {} last=.", joined.join(" "));
    assert!(parse_line(&line).expect("it is an event").fields().eq(fields.into_iter().chain([("last", ".")])));
}

/// An event that was read is printed as the same event, if a kernel could have recorded it.
fn is_the_same_when_written(event: &TraceEvent) {
    let record = Record::new(event.time, event.cpu, event.comm.as_deref(), &event.format, &event.bytes);
    let comm = event.comm.as_deref().unwrap_or_default();
    if record.pid() <= 0 || comm.is_empty() || comm.len() >= TASK_COMM_LEN || event.time > TIME_MAX {
        return;
    }
    for layout in [Layout::FourColumns, Layout::BottomHalves] {
        let mut writer = TextWriter::new(Vec::new(), layout);
        writer.event(&record).expect("nothing fails");
        let text = String::from_utf8(writer.into_inner()).expect("it was text");
        let again = read(&text).expect("what was written is read");
        assert_eq!(
            (&again.comm, again.cpu, &again.format.name),
            (&event.comm, event.cpu, &event.format.name),
            "{text}"
        );
        assert_eq!((again.time, again.event), ((event.time + 500) / 1000 * 1000, event.event), "{text}");
    }
}
