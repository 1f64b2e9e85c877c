//! What a file is, told by how it begins.

use std::io::{self, BufReader, Cursor, Read};

use super::foreign::{self, Foreign};
use super::gzip::{self, Gunzip};
use super::input::{Damage, Input};
use super::perf_data;
use super::rewritten::Rewritten;
use super::tracing_data;
use super::unwrap::{self, Unwrap};
use super::utf16::{self, Utf16};
use crate::file::{FRAME_HEAD_BYTES, Kind, MAGIC, frame_head};

/// Enough that reading a file is not held up by system calls, and to see what kind of file it is.
pub const BUFFER_BYTES: usize = 256 << 10;

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A `.tcpp` trace.
    Tcpp,
    /// A `trace.dat` of trace-cmd, of version 6 or 7.
    TraceDat,
    /// A `perf.data`.
    PerfData,
    /// Ftrace text, or what will turn out to be nothing; then that is what it looks like.
    Text(Option<Foreign>),
    /// What is no trace, and is known.
    Foreign(Foreign),
}

/// Undoes gzip, where there is any, and looks what there is.
pub fn sniff<'a>(mut input: impl Read + 'a) -> io::Result<(Content, Input<'a>)> {
    let head = peek(&mut input, gzip::MAGIC.len())?;
    let is_gzip = head.starts_with(&gzip::MAGIC);
    let whole = Cursor::new(head).chain(input);
    let damage = Damage::default();
    if is_gzip {
        let inflated = Gunzip::new(BufReader::with_capacity(BUFFER_BYTES, whole), damage.clone());
        return told(Vec::new(), inflated, damage);
    }
    let (head, rest) = whole.into_inner();
    told(head.into_inner(), rest, damage)
}

/// Looks what begins with `head`, of which more may be needed.
fn told<'a>(mut head: Vec<u8>, mut rest: impl Read + 'a, damage: Damage) -> io::Result<(Content, Input<'a>)> {
    if head.len() < FRAME_HEAD_BYTES {
        let missing = FRAME_HEAD_BYTES - head.len();
        head.extend(peek(&mut rest, missing)?);
    }
    if let Some(order) = utf16::order(&head) {
        let mut text = Rewritten::new(Cursor::new(head).chain(rest), Utf16(order));
        let head = peek(&mut text, FRAME_HEAD_BYTES)?;
        return Ok((Content::Text(foreign::of_text(&head)), Input::new(Cursor::new(head).chain(text), damage)));
    }
    // A hole at the front, however long, tells nothing.
    let mut nuls = 0;
    loop {
        let zeros = head.iter().take_while(|byte| **byte == 0).count();
        if zeros < head.len() {
            break;
        }
        nuls += zeros as u64;
        head = peek(&mut rest, 1)?;
        if head.is_empty() {
            break;
        }
    }
    let content = match head.is_empty() && nuls > 0 {
        true => Content::Foreign(foreign::ZEROS),
        false => content(&head),
    };
    let is_wrapped = matches!(content, Content::Text(_)) && unwrap::is_wrapped(&head);
    let whole = io::repeat(0).take(nuls).chain(Cursor::new(head)).chain(rest);
    let input = match is_wrapped {
        true => Input::new(Rewritten::new(whole, Unwrap::default()), damage),
        false => Input::new(whole, damage),
    };
    Ok((content, input))
}

/// The first bytes of `input`: what it gives at once, and no fewer than `least` unless it ends. (A pipe may give them one by one.)
fn peek(input: &mut impl Read, least: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; BUFFER_BYTES];
    let mut length = 0;
    while length < least {
        match input.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What came before it is to be read; then it comes again.
            Err(_) if length > 0 => break,
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Tells by the first bytes what a file is. A damaged trace may not begin with a frame: then one further on tells.
/// Text may hold the letters of a frame's magic, but not the head behind them, nor zeros at its very beginning.
pub fn content(head: &[u8]) -> Content {
    if head.starts_with(perf_data::MAGIC) {
        return Content::PerfData;
    }
    // The version, and that numbers are little-endian.
    if head.strip_prefix(tracing_data::MAGIC).is_some_and(|rest| matches!(rest, [b'6' | b'7', 0, 0, ..])) {
        return Content::TraceDat;
    }
    let is_frame = |at: usize| {
        let Some(head) = head.get(at..at + FRAME_HEAD_BYTES) else { return false };
        let is_known = frame_head(head).is_some_and(|frame| !matches!(frame.kind, Kind::Unknown(_)));
        is_known && head[5..8] == [0; 3]
    };
    let has_frame = memchr::memmem::find_iter(head, &MAGIC).any(is_frame);
    // What is cut short within its first head.
    if has_frame || head.starts_with(&MAGIC) {
        return Content::Tcpp;
    }
    foreign::of(head).map_or_else(|| Content::Text(foreign::of_text(head)), Content::Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::put_frame;

    #[test]
    fn beginnings() {
        let mut frame = Vec::new();
        put_frame(Kind::Ledger, &mut frame, |out| out.extend([1; 30]));
        let check = |bytes: &[u8], expected| assert_eq!(content(bytes), expected, "{bytes:?}");
        check(&frame, Content::Tcpp);
        check(&[b"damage".as_slice(), &frame].concat(), Content::Tcpp);
        check(b"TCPP", Content::Tcpp);
        check(b"PERFILE2\x68\0\0\0\0\0\0\0", Content::PerfData);
        check(b"\x17\x08\x44tracing6\0\0\x08", Content::TraceDat);
        check(b"\x17\x08\x44tracing7\0\0\x08", Content::TraceDat);
        for text in [
            "",
            "# tracer: nop\n",
            "      TCPPworker-12    [000] .....     1.000000: tcp_probe: a=1\n",
            "a TCPP\x04 and more than a head of a frame has\n",
            // What a file is, no word in it tells.
            "          BZh-12    [000] .....     1.000000: tcp_probe: <html> PERFILE2 {\n",
        ] {
            check(text.as_bytes(), Content::Text(None));
        }
    }

    #[test]
    fn what_is_known_and_no_trace_is_named() {
        let check = |bytes: &[u8], expected: &str| match sniff(bytes).unwrap().0 {
            Content::Foreign(foreign) => assert_eq!(foreign.what, expected),
            Content::Text(Some(foreign)) => assert_eq!(foreign.what, expected),
            content => panic!("{expected} is taken for {content:?}"),
        };
        check(b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "a packet capture (pcap)");
        check(b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", "a packet capture (pcapng)");
        check(b"2ELIFREP\0\0\0\0\0\0\0\x68", "a perf.data of a big-endian machine");
        check(b"\x17\x08\x44tracing6\0\x01\x08", "a trace.dat of trace-cmd of a big-endian machine");
        check(b"\x17\x08\x44tracing7\0\x01\x08", "a trace.dat of trace-cmd of a big-endian machine");
        check(b"\x17\x08\x44tracing8\0\0\x08", "a trace.dat of trace-cmd of a version that is not known");
        check(b"\x28\xb5\x2f\xfd\x24\x05", "compressed by zstd");
        check(b"BZh91AY&SY", "compressed by bzip2");
        check(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0", "a program or library (ELF)");
        check(b"SQLite format 3\0\x10\0", "an SQLite database");
        check(&[&[0, 0, 1, 0][..], &[7; 68], b"\x02\x00\x02\xc0"].concat(), "a Windows event trace (ETL)");
        check(b"\n<!DOCTYPE HTML><p>", "an HTML page without events");
        check(b"\xff\xfe{\0\"\0", "JSON");
        check(&[0; 600_000], "nothing but NULs");
    }
}
