//! Formats made from lines, each from the fields that the line itself has.
//!
//! A format says which fields a line has, what each is ([`Shape`]), and what stands between them, so that the `print fmt`
//! made of it prints the line again. Lines that differ in any of that have formats of their own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::latency::Latency;
use super::shape::Shape;
use crate::event::EventKind;
use crate::event::table::{self, FieldType, Known, KnownField};
use crate::kernel::format::{Field, Format};
use crate::kernel::text::{Fields, LineError, TextEvent};

/// Most formats at a time: a `.tcpp` schema has 255 at most.
const FORMATS_MAX: usize = 200;
/// Most text of all formats at a time: half of what a schema may have.
const TEXT_BYTES_MAX: usize = 2 << 20;
/// Most fields that a format is made of; a line with more is one text. A format may have 256, and these have common ones too.
const FIELDS_MAX: usize = 200;
/// Most words beside the fields, in bytes; a line with more is one text.
const WORDS_BYTES_MAX: usize = 1 << 10;
/// Where the dynamic part of a record ends at most: `__data_loc` has 16 bits for it.
const RECORD_BYTES_MAX: usize = u16::MAX as usize;

/// A field of a line as its record will have it.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    /// What stands before its name, since the field before.
    before: &'a str,
    name: &'a str,
    value: &'a str,
    shape: Shape,
}

/// A format, and where the values of a line go.
#[derive(Debug)]
struct Made {
    format: Arc<Format>,
    kind: EventKind,
    /// Of each part: the field, and the port beside a sockaddr.
    fields: Vec<(Field, Option<Field>)>,
    size: usize,
    pattern: Option<Pattern>,
}

/// What all lines of a format without text have in common: by it, most lines are read without asking what they have.
#[derive(Debug)]
struct Pattern {
    /// For each part, what stands between the value before and its own, its shape, and how that is known.
    parts: Vec<(Box<str>, Shape, Origin)>,
    after: Box<str>,
    has_lazy_count: bool,
}

/// How the shape of a part is known.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// The table has the event and the field.
    Table,
    /// By the looks of the value, and of what the table calls by this name.
    Looks(Option<&'static KnownField>),
}

/// The formats of the lines so far.
#[derive(Debug, Default)]
pub struct TextFormats {
    made: Vec<Made>,
    by_signature: HashMap<Box<[u8]>, usize>,
    /// The format of the last line of each event.
    last: HashMap<Box<str>, usize, RandomState>,
    text_bytes: usize,
    /// Kept for its memory.
    signature: Vec<u8>,
}

impl TextFormats {
    /// The formats so far, in their order.
    pub fn formats(&self) -> impl ExactSizeIterator<Item = &Arc<Format>> {
        self.made.iter().map(|made| &made.format)
    }

    /// The format at this place, and its kind.
    pub fn get(&self, index: usize) -> Option<(&Arc<Format>, EventKind)> {
        self.made.get(index).map(|made| (&made.format, made.kind))
    }

    /// Whether there are so many that it is time to begin anew.
    pub fn is_full(&self) -> bool {
        self.made.len() >= FORMATS_MAX || self.text_bytes >= TEXT_BYTES_MAX
    }

    /// The format of an event of the table with these fields of it.
    pub fn typical(&mut self, known: &Known, names: &[&'static str], latency: Latency) -> Option<usize> {
        let part = |(at, &name): (usize, &&'static str)| {
            let shape = Shape::Known(table::field_of_text(name)?);
            Some(Part { before: if at > 0 { " " } else { "" }, name, value: "", shape })
        };
        let parts: Vec<Part<'_>> = names.iter().enumerate().map(part).collect::<Option<_>>()?;
        self.find_or_make(known.name, Some(known), &parts, "", latency)
    }

    /// Appends the record of `event` to `bytes`; gives the place of its format.
    ///
    /// # Errors
    /// When an event of the table lacks a field that every kernel prints, or has one that cannot be read.
    pub fn record(&mut self, event: &TextEvent<'_>, bytes: &mut Vec<u8>) -> Result<usize, LineError> {
        let latency = Latency::of(event.flags);
        let last = self.last.get(event.name).and_then(|&last| Some((last, self.made.get(last)?)));
        if let Some((index, made)) = last {
            let start = bytes.len();
            if made.put_alike(event, latency, bytes).is_some() {
                return Ok(index);
            }
            bytes.truncate(start);
        }
        let known = table::known(event.name);
        let whole = || LineError { column: event.body_at + 1, what: "the line", reason: "does not fit into a record" };
        let (parts, after) = parts(known, event)?;
        let parts = if fits(&parts, after) && (!parts.is_empty() || event.body.is_empty()) {
            parts
        } else {
            vec![Part { before: "", name: "", value: event.body, shape: Shape::Text }]
        };
        let after = if parts.len() == 1 && parts[0].name.is_empty() { "" } else { after };
        let index = self.find_or_make(event.name, known, &parts, after, latency).ok_or_else(whole)?;
        self.made[index].put(&parts, event.pid, latency, bytes).ok_or_else(whole)?;
        match self.last.get_mut(event.name) {
            Some(last) => *last = index,
            None => drop(self.last.insert(event.name.into(), index)),
        }
        Ok(index)
    }

    fn find_or_make(
        &mut self,
        name: &str,
        known: Option<&Known>,
        parts: &[Part<'_>],
        after: &str,
        latency: Latency,
    ) -> Option<usize> {
        self.sign(name, parts, after, latency);
        if let Some(&index) = self.by_signature.get(&*self.signature) {
            return Some(index);
        }
        // 0 is no event's.
        let id = u16::try_from(self.made.len() + 1).ok()?;
        let made = Made::new(name, known, parts, after, latency, id)?;
        self.text_bytes += made.format.text.len();
        self.made.push(made);
        self.by_signature.insert(self.signature.clone().into(), self.made.len() - 1);
        Some(self.made.len() - 1)
    }

    /// Everything that a format depends on, as bytes.
    fn sign(&mut self, name: &str, parts: &[Part<'_>], after: &str, latency: Latency) {
        let signature = &mut self.signature;
        signature.clear();
        let mut put = |text: &str, end: u8| {
            signature.extend_from_slice(text.as_bytes());
            // No text has these bytes.
            signature.extend_from_slice(&[0xff, end]);
        };
        put(name, latency.lazy_count.is_some().into());
        for part in parts {
            put(part.before, 0);
            put(part.name, part.shape.code());
        }
        put(after, 0);
    }
}

fn fits(parts: &[Part<'_>], after: &str) -> bool {
    let words = parts.iter().map(|part| part.before.len() + part.name.len()).sum::<usize>() + after.len();
    parts.len() <= FIELDS_MAX && words <= WORDS_BYTES_MAX.max(64 * parts.len())
}

/// The fields of a line, and what stands behind the last of them.
fn parts<'a>(known: Option<&Known>, event: &TextEvent<'a>) -> Result<(Vec<Part<'a>>, &'a str), LineError> {
    let body = event.body;
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(16);
    let mut end = 0;
    for field in Fields::new(body) {
        let start = field.at - 1 - field.name.len();
        let is_again = parts.iter().any(|part| part.name == field.name);
        let of_table = table::field_of_text(field.name).filter(|_| known.is_some() && !is_again).map(Shape::Known);
        let (value, shape) = match of_table {
            Some(shape) => {
                let mut bytes = [0; 28];
                match (shape.put(field.word(), &mut bytes), shape.may_be_text()) {
                    (Some(()), _) => (field.word(), shape),
                    (None, true) => (field.value, Shape::of_value(field.value)),
                    (None, false) if known.is_some_and(|known| known.text.contains(&field.name)) => {
                        let what = table::field_of_text(field.name).map_or("the field", |field| field.text);
                        let column = event.body_at + field.at + 1;
                        return Err(LineError { column, what, reason: shape.complaint() });
                    }
                    (None, false) => (field.value, Shape::of_value(field.value)),
                }
            }
            None => (field.value, Shape::guess(field.name, field.value)),
        };
        parts.push(Part { before: &body[end..start], name: field.name, value, shape });
        end = field.at + value.len();
    }
    // The module of kernels before 4.16, whose payload has its old name, did not always tell the own window.
    let is_module = |name: &str| name == "rcv_wnd" && parts.iter().any(|part| part.name == "length");
    for &name in known.map_or(&[][..], |known| known.required).iter().filter(|name| !is_module(name)) {
        if !parts.iter().any(|part| part.name == name) {
            return Err(LineError { column: event.body_at + body.len() + 1, what: name, reason: "is missing" });
        }
    }
    Ok((parts, body[end..].trim_end_matches(' ')))
}

impl Made {
    /// Lays the fields out as a C compiler does. `None` where that is no format.
    fn new(
        name: &str,
        known: Option<&Known>,
        parts: &[Part<'_>],
        after: &str,
        latency: Latency,
        id: u16,
    ) -> Option<Self> {
        let mut layout = Layout::default();
        layout.common("unsigned short", "common_type", 2, false);
        layout.common("unsigned char", "common_flags", 1, false);
        layout.common("unsigned char", "common_preempt_count", 1, false);
        layout.common("int", "common_pid", 4, true);
        if latency.lazy_count.is_some() {
            layout.common("unsigned char", "common_preempt_lazy_count", 1, false);
        }
        layout.text.push('\n');
        let mut print = String::new();
        let mut arguments = String::new();
        let mut names: Vec<(String, Option<String>)> = Vec::new();
        for part in parts {
            let own = match part.shape {
                Shape::Known(field) => field.name,
                _ if part.name.is_empty() => "text",
                _ => part.name,
            };
            let (ctype, brackets, size, signed) = part.shape.declaration();
            let own = layout.field(ctype, own, brackets, size, signed);
            let has_port = |side: &str| parts.iter().any(|other| other.name == side);
            let port = match part.shape {
                Shape::Known(field) if field.field_type == FieldType::Sockaddr => {
                    let port = if field.name == "saddr" { "sport" } else { "dport" };
                    (!has_port(port)).then(|| layout.field("__u16", port, "", 2, false))
                }
                _ => None,
            };
            escape(part.before, &mut print);
            if !part.name.is_empty() {
                let _ = write!(print, "{}=", part.name);
            }
            let (conversion, argument) = part.shape.print(&own);
            print.push_str(conversion);
            let _ = write!(arguments, ", {argument}");
            names.push((own, port));
        }
        escape(after, &mut print);
        let system = known.map_or_else(|| system(name), |known| known.system);
        let text = format!("name: {name}\nID: {id}\nformat:\n{}\nprint fmt: \"{print}\"{arguments}\n", layout.text);
        let format = Format::parse(system, &text).ok()?;
        let find = |name: &str| format.field(name).cloned();
        let fields = names.iter().map(|(own, port)| Some((find(own)?, port.as_deref().and_then(find))));
        Some(Made {
            fields: fields.collect::<Option<_>>()?,
            kind: EventKind::of(name),
            size: format.record_size(),
            format: Arc::new(format),
            pattern: Pattern::new(known, parts, after, latency),
        })
    }

    /// Appends the record of a line that has this format; `None` where it may have another.
    fn put_alike(&self, event: &TextEvent<'_>, latency: Latency, out: &mut Vec<u8>) -> Option<()> {
        let pattern = self.pattern.as_ref().filter(|pattern| pattern.has_lazy_count == latency.lazy_count.is_some())?;
        let start = out.len();
        out.resize(start + self.size, 0);
        put_common(&mut out[start..], self.format.id, event.pid, latency);
        let mut rest = event.body;
        for ((before, shape, origin), (field, port)) in pattern.parts.iter().zip(&self.fields) {
            rest = rest.strip_prefix(&**before)?;
            let (word, behind) = rest.split_at(memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len()));
            rest = behind;
            if !origin.gives(*shape, word) {
                return None;
            }
            put_value(*shape, word, field, port.as_ref(), &mut out[start..])?;
        }
        (rest.trim_end_matches(' ') == &*pattern.after).then_some(())
    }

    /// Appends the record; `None` where it would be too long.
    fn put(&self, parts: &[Part<'_>], pid: i32, latency: Latency, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.resize(start + self.size, 0);
        put_common(&mut out[start..], self.format.id, pid, latency);
        for (part, (field, port)) in parts.iter().zip(&self.fields) {
            let at = start + field.offset as usize;
            if part.shape == Shape::Text {
                let (from, length) = (out.len() - start, part.value.len() + 1);
                (from + length <= RECORD_BYTES_MAX).then_some(())?;
                let location = from as u32 | (length as u32) << 16;
                out[at..at + 4].copy_from_slice(&location.to_le_bytes());
                out.extend_from_slice(part.value.as_bytes());
                out.push(0);
                continue;
            }
            put_value(part.shape, part.value, field, port.as_ref(), &mut out[start..])?;
        }
        Some(())
    }
}

impl Pattern {
    /// `None` where a value may hold blanks, or is none that the table expects.
    fn new(known: Option<&Known>, parts: &[Part<'_>], after: &str, latency: Latency) -> Option<Self> {
        let pattern = |(at, part): (usize, &Part<'_>)| {
            let field = table::field_of_text(part.name);
            let is_again = parts[..at].iter().any(|other| other.name == part.name);
            let origin = match (field.filter(|_| known.is_some() && !is_again), part.shape) {
                (_, Shape::Text) => return None,
                (Some(_), Shape::Known(_)) => Origin::Table,
                (Some(_), _) => return None,
                (None, _) => Origin::Looks(field),
            };
            Some((format!("{}{}=", part.before, part.name).into(), part.shape, origin))
        };
        // Without a field, a line is one text, or none.
        (!parts.is_empty()).then_some(())?;
        Some(Pattern {
            parts: parts.iter().enumerate().map(pattern).collect::<Option<_>>()?,
            after: after.into(),
            has_lazy_count: latency.lazy_count.is_some(),
        })
    }
}

impl Origin {
    /// Whether a value has this shape; of the table's fields that shows when it is read.
    fn gives(self, shape: Shape, value: &str) -> bool {
        match self {
            Origin::Table => true,
            Origin::Looks(known) => Shape::by_looks(known, value) == shape,
        }
    }
}

/// Writes a value that is no text into its field of `record`, and the port of an address where it has a field.
fn put_value(shape: Shape, value: &str, field: &Field, port: Option<&Field>, record: &mut [u8]) -> Option<()> {
    let at = field.offset as usize;
    shape.put(value, &mut record[at..at + field.size as usize])?;
    if let Some(port) = port {
        let be = [record[at + 2], record[at + 3]];
        let at = port.offset as usize;
        record[at..at + 2].copy_from_slice(&u16::from_be_bytes(be).to_le_bytes());
    }
    Some(())
}

/// Writes the common fields, which lie in all formats made here at the same places.
#[inline]
pub fn put_common(record: &mut [u8], id: u16, pid: i32, latency: Latency) {
    let Latency { flags, preempt_count, lazy_count } = latency;
    let [low, high] = id.to_le_bytes();
    let [a, b, c, d] = pid.to_le_bytes();
    record[..8].copy_from_slice(&[low, high, flags, preempt_count, a, b, c, d]);
    if let Some(lazy_count) = lazy_count {
        record[8] = lazy_count;
    }
}

/// The subsystem of an event that the table has not, where its name tells it; text does not.
fn system(name: &str) -> &'static str {
    match name {
        _ if name.starts_with("tcp_") => "tcp",
        _ if ["inet_", "sock_", "sk_"].iter().any(|prefix| name.starts_with(prefix)) => "sock",
        _ => "",
    }
}

/// Words as part of a C string of a `print fmt`.
fn escape(words: &str, out: &mut String) {
    for byte in words.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b'%' => out.push_str("%%"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Always three digits, for another may follow.
            byte => {
                let _ = write!(out, "\\{byte:03o}");
            }
        }
    }
}

/// Fields one after the other, each where its size wants it.
#[derive(Debug, Default)]
struct Layout {
    text: String,
    end: u32,
    names: Vec<String>,
}

impl Layout {
    fn common(&mut self, ctype: &str, name: &str, size: u32, signed: bool) {
        self.field(ctype, name, "", size, signed);
    }

    /// Adds a field; gives its name, which no other field has.
    fn field(&mut self, ctype: &str, name: &str, brackets: &str, size: u32, signed: bool) -> String {
        // A name in C begins with no digit.
        let first = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
        let mut own = format!("{first}{name}");
        let mut number = 2;
        while self.names.contains(&own) {
            own = format!("{first}{name}_{number}");
            number += 1;
        }
        let alignment = if brackets.is_empty() { size } else { 1 };
        let offset = self.end.next_multiple_of(alignment);
        self.end = offset + size;
        let signed = u8::from(signed);
        let _ =
            writeln!(self.text, "\tfield:{ctype} {own}{brackets};\toffset:{offset};\tsize:{size};\tsigned:{signed};");
        self.names.push(own.clone());
        own
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event<'a>(name: &'a str, body: &'a str) -> TextEvent<'a> {
        TextEvent { time: 0, ticks: false, cpu: 0, pid: 1, comm: "", flags: "", name, body, body_at: 0, line: body }
    }

    /// Bodies with the same few names again and again, and with what may go wrong at each place.
    fn bodies() -> impl Strategy<Value = Vec<(&'static str, String)>> {
        let name = prop::sample::select(vec!["state", "sport", "x", "skaddr", "mark", "src", "reason", "x"]);
        let value = prop::sample::select(vec![
            "1",
            "12",
            "300",
            "70000",
            "-1",
            "0x1f",
            "007",
            "TCP_ESTABLISHED",
            "NEW_STATE",
            "a b",
            "",
            "1.2.3.4:80",
            "00000000e2f6aacc",
            "NOT_SPECIFIED",
            "x",
        ]);
        let blank = prop::sample::select(vec![" ", " ", " ", "  ", " words ", ","]);
        let field = (blank, name, value).prop_map(|(blank, name, value)| format!("{blank}{name}={value}"));
        let body = (prop::collection::vec(field, 0..4), prop::sample::select(vec!["", " ", " end"]))
            .prop_map(|(fields, end)| format!("{}{end}", fields.concat()));
        let event = prop::sample::select(vec!["tcp_send_reset", "tcp_other", "inet_sock_set_state"]);
        prop::collection::vec((event, body), 1..60)
    }

    proptest! {
        #[test]
        fn a_line_is_read_the_same_after_any_other(lines in bodies()) {
            let (mut formats, mut plain) = (TextFormats::default(), TextFormats::default());
            for (name, body) in &lines {
                let (mut bytes, mut expected) = (vec![7], vec![7]);
                plain.last.clear();
                let index = formats.record(&event(name, body), &mut bytes);
                prop_assert_eq!(&index, &plain.record(&event(name, body), &mut expected), "{}: {}", name, body);
                if index.is_ok() {
                    prop_assert_eq!(&bytes, &expected, "{}: {}", name, body);
                }
            }
        }
    }
}
