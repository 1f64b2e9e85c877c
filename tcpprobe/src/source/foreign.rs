//! Files that are no traces, named for what they are, with the way out.

/// What a file is that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    /// `a packet capture (pcap)`
    pub what: &'static str,
    /// What to do.
    pub hint: &'static str,
}

const PACKETS: &str = "packets do not tell congestion windows; tcpdump and Wireshark read it";
const UNPACK_FIRST: &str = "unpack it first";
const NO_EVENTS: &str = "it takes .tcpp and ftrace text, both also with .gz";

/// Where what begins a file, and what it is then.
const MAGICS: [(usize, &[u8], Foreign); 32] = [
    (0, b"\xd4\xc3\xb2\xa1", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\xa1\xb2\xc3\xd4", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\x4d\x3c\xb2\xa1", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\xa1\xb2\x3c\x4d", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\x0a\x0d\x0d\x0a", Foreign { what: "a packet capture (pcapng)", hint: PACKETS }),
    (0, b"PERFILE2", PERF),
    (0, b"2ELIFREP", PERF),
    (0, b"\x17\x08\x44tracing6\0", Foreign { what: "a trace.dat of trace-cmd (version 6)", hint: TRACE_CMD }),
    (0, b"\x17\x08\x44tracing7\0", Foreign { what: "a trace.dat of trace-cmd (version 7)", hint: TRACE_CMD }),
    (0, b"\x17\x08\x44tracing", Foreign { what: "a trace.dat of trace-cmd", hint: TRACE_CMD }),
    (0, b"\x28\xb5\x2f\xfd", Foreign { what: "compressed by zstd", hint: "unpack it first: zstd -d FILE" }),
    (0, b"\xfd7zXZ\0", Foreign { what: "compressed by xz", hint: "unpack it first: xz -dk FILE" }),
    (0, b"BZh", Foreign { what: "compressed by bzip2", hint: "unpack it first: bzip2 -dk FILE" }),
    (0, b"\x04\x22\x4d\x18", Foreign { what: "compressed by lz4", hint: "unpack it first: lz4 -d FILE" }),
    (0, b"\x02\x21\x4c\x18", Foreign { what: "compressed by lz4", hint: "unpack it first: lz4 -d FILE" }),
    // One layer of gzip is undone before this is asked.
    (0, b"\x1f\x8b", Foreign { what: "compressed by gzip twice", hint: "unpack it first: gzip -dk FILE" }),
    (0, b"LZIP", Foreign { what: "compressed by lzip", hint: "unpack it first: lzip -dk FILE" }),
    (0, b"\x1f\x9d", Foreign { what: "compressed by compress", hint: "unpack it first: uncompress FILE" }),
    (0, b"PK\x03\x04", Foreign { what: "a zip archive", hint: "unpack it first: unzip FILE" }),
    (0, b"7z\xbc\xaf\x27\x1c", Foreign { what: "a 7-Zip archive", hint: UNPACK_FIRST }),
    (257, b"ustar", Foreign { what: "a tar archive", hint: "unpack it first: tar -xf FILE" }),
    (0, b"\x7fELF", Foreign { what: "a program or library (ELF)", hint: NO_EVENTS }),
    (0, b"SQLite format 3\0", Foreign { what: "an SQLite database", hint: NO_EVENTS }),
    (0, b"PAR1", Foreign { what: "a Parquet table", hint: NO_EVENTS }),
    (0, b"ARROW1", Foreign { what: "an Arrow table", hint: NO_EVENTS }),
    (0, b"\x89PNG\r\n\x1a\n", Foreign { what: "a picture (PNG)", hint: NO_EVENTS }),
    (0, b"\xff\xd8\xff", Foreign { what: "a picture (JPEG)", hint: NO_EVENTS }),
    (0, b"GIF8", Foreign { what: "a picture (GIF)", hint: NO_EVENTS }),
    (0, b"%PDF-", Foreign { what: "a PDF document", hint: NO_EVENTS }),
    (0, b"ElfFile\0", Foreign { what: "a Windows event log (EVTX)", hint: NO_EVENTS }),
    // The first event of the first buffer: EVENT_TRACE_HEADER of 32 or 64 bits.
    (72, b"\x02\x00\x01\xc0", Foreign { what: "a Windows event trace (ETL)", hint: NO_EVENTS }),
    (72, b"\x02\x00\x02\xc0", Foreign { what: "a Windows event trace (ETL)", hint: NO_EVENTS }),
];

const TRACE_CMD: &str = "make text of it, which is read: trace-cmd report -i FILE > FILE.txt";
const PERF: Foreign =
    Foreign { what: "a perf.data", hint: "make text of it, which is read: perf script -i FILE > FILE.txt" };

/// Nothing was ever written into it, or it was lost.
pub const ZEROS: Foreign = Foreign { what: "nothing but NULs", hint: "what was in it is gone" };
/// A page may hold a trace, as those of systrace do.
pub const HTML: Foreign = Foreign { what: "an HTML page without events", hint: NO_EVENTS };

/// How text that holds no event may begin, in lower case.
const TEXTS: [(&str, Foreign); 8] = [
    ("<!doctype html", HTML),
    ("<html", HTML),
    ("<svg", Foreign { what: "a picture (SVG)", hint: NO_EVENTS }),
    ("<?xml", Foreign { what: "XML", hint: NO_EVENTS }),
    ("{", Foreign { what: "JSON", hint: "what was exported as JSON is not read back; keep the trace as .tcpp" }),
    ("[{", Foreign { what: "JSON", hint: "what was exported as JSON is not read back; keep the trace as .tcpp" }),
    (
        "time,time_ns,",
        Foreign { what: "CSV", hint: "what was exported as CSV is not read back; keep the trace as .tcpp" },
    ),
    ("#!/", Foreign { what: "a script", hint: NO_EVENTS }),
];

/// What a file with this beginning is, if that is known and no trace.
pub fn of(head: &[u8]) -> Option<Foreign> {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    MAGICS.iter().find(|(at, magic, _)| has(*at, magic)).map(|(.., foreign)| *foreign)
}

/// What text with this beginning is, if it turns out to hold no event.
pub fn of_text(head: &[u8]) -> Option<Foreign> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let has = |start: &str| head.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()));
    TEXTS.iter().find(|(start, _)| has(start)).map(|(_, foreign)| *foreign)
}
