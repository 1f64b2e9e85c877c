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
const NO_EVENTS: &str = "it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz";

/// Where what begins a file, and what it is then.
const MAGICS: [(usize, &[u8], Foreign); 55] = [
    (0, b"\xd4\xc3\xb2\xa1", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\xa1\xb2\xc3\xd4", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\x4d\x3c\xb2\xa1", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\xa1\xb2\x3c\x4d", Foreign { what: "a packet capture (pcap)", hint: PACKETS }),
    (0, b"\x0a\x0d\x0d\x0a", Foreign { what: "a packet capture (pcapng)", hint: PACKETS }),
    (0, b"2ELIFREP", PERF),
    (0, b"\x17\x08\x44tracing6\0\x01", TRACE_DAT_BIG_ENDIAN),
    (0, b"\x17\x08\x44tracing7\0\x01", TRACE_DAT_BIG_ENDIAN),
    (
        0,
        b"\x17\x08\x44tracing",
        Foreign { what: "a trace.dat of trace-cmd of a version that is not known", hint: TRACE_CMD },
    ),
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
    (0, b"\x5d\0\0", Foreign { what: "compressed by lzma", hint: "unpack it first: xz -dk --format=lzma FILE" }),
    (0, b"\x89LZO\0\r\n", Foreign { what: "compressed by lzop", hint: "unpack it first: lzop -d FILE" }),
    (0, b"\xff\x06\0\0sNaPpY", Foreign { what: "compressed by snappy", hint: UNPACK_FIRST }),
    (0, b"PK\x05\x06", Foreign { what: "an empty zip archive", hint: NO_EVENTS }),
    (0, b"Rar!\x1a\x07", Foreign { what: "a RAR archive", hint: UNPACK_FIRST }),
    (0, b"!<arch>\n", Foreign { what: "a package or library (ar)", hint: NO_EVENTS }),
    (0, b"\xed\xab\xee\xdb", Foreign { what: "a package (RPM)", hint: NO_EVENTS }),
    (0, b"070701", Foreign { what: "a cpio archive", hint: "unpack it first: cpio -id < FILE" }),
    (
        0,
        b"LPKSHHRH",
        Foreign { what: "a file of the journal", hint: "its text is read: journalctl --file FILE > FILE.txt" },
    ),
    (0, b"KDUMP   ", Foreign { what: "a dump of a kernel (kdump)", hint: CRASH }),
    (0, b"DISKDUMP", Foreign { what: "a dump of a kernel (diskdump)", hint: CRASH }),
    (0, b"\xc1\x1f\xfc\xc1", Foreign { what: "a CTF trace (LTTng)", hint: CTF }),
    (0, b"/* CTF ", Foreign { what: "the metadata of a CTF trace (LTTng)", hint: CTF }),
    (0, b"\x75\xd1\x1d\x57", Foreign { what: "the metadata of a CTF trace (LTTng)", hint: CTF }),
    (0, b"snoop\0\0\0", Foreign { what: "a packet capture (snoop)", hint: PACKETS }),
    (0, b"\x80\x04\x95", Foreign { what: "a pickle of Python", hint: NO_EVENTS }),
    (0, b"\x89HDF\r\n\x1a\n", Foreign { what: "an HDF5 file", hint: NO_EVENTS }),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Foreign { what: "a document of Office", hint: NO_EVENTS }),
    (0, b"{\\rtf", Foreign { what: "a document (RTF)", hint: "save it as plain text, which is read" }),
    (0, b"\x1a\x45\xdf\xa3", Foreign { what: "a film (Matroska)", hint: NO_EVENTS }),
    (0, b"-----BEGIN PGP ", Foreign { what: "encrypted by PGP", hint: "decrypt it first: gpg -d FILE" }),
    (0, b"age-encryption.org/", Foreign { what: "encrypted by age", hint: "decrypt it first: age -d FILE" }),
    (0, b"Salted__", Foreign { what: "encrypted by openssl", hint: "decrypt it first" }),
    (0, b"version https://git-lfs", Foreign { what: "a pointer of Git LFS", hint: "git lfs pull brings the file" }),
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

const CTF: &str = "it records other events; babeltrace2 reads it";
const CRASH: &str = "crash reads it: its extension trace saves the kernel's buffers as a trace.dat";
/// An ELF file may also be what a process or a kernel left.
const CORE: Foreign = Foreign {
    what: "a core dump (ELF)",
    hint: "of a kernel's, crash reads it, whose extension trace saves a trace.dat",
};
const TRACE_CMD: &str = "make text of it, which is read: trace-cmd report -i FILE > FILE.txt";
const TRACE_DAT_BIG_ENDIAN: Foreign =
    Foreign { what: "a trace.dat of trace-cmd of a big-endian machine", hint: TRACE_CMD };
const PERF: Foreign = Foreign {
    what: "a perf.data of a big-endian machine",
    hint: "make text of it, which is read: perf script -i FILE > FILE.txt",
};

/// Nothing was ever written into it, or it was lost.
pub const ZEROS: Foreign = Foreign { what: "nothing but NULs", hint: "what was in it is gone" };
/// A page may hold a trace, as those of systrace do.
pub const HTML: Foreign = Foreign { what: "an HTML page without events", hint: NO_EVENTS };

const BCC: &str = "it keeps no congestion window; `tcpprobectl trace` shows the kernel's events of it";
/// Bytes that are no text.
pub const BINARY: Foreign = Foreign {
    what: "binary data of no known kind",
    hint: "Perfetto's traces and what brotli packed look so; it takes .tcpp, ftrace text, trace.dat and perf.data, all also with .gz",
};

const JSON: Foreign =
    Foreign { what: "JSON", hint: "what was exported as JSON is not read back; keep the trace as .tcpp" };

/// How text that holds no event may begin, in lower case.
const TEXTS: [(&str, Foreign); 13] = [
    ("<!doctype html", HTML),
    ("<html", HTML),
    ("<svg", Foreign { what: "a picture (SVG)", hint: NO_EVENTS }),
    ("<?xml", Foreign { what: "XML", hint: NO_EVENTS }),
    (
        "{\"version\": 2, \"width\"",
        Foreign { what: "a recording of asciinema", hint: "its text is read: asciinema cat FILE > FILE.txt" },
    ),
    ("{\"traceevents\"", Foreign { what: "a trace of Chrome's format (JSON)", hint: NO_EVENTS }),
    ("{", JSON),
    ("[{", JSON),
    ("[\n", JSON),
    (
        "time,time_ns,",
        Foreign { what: "CSV", hint: "what was exported as CSV is not read back; keep the trace as .tcpp" },
    ),
    ("#!/", Foreign { what: "a script", hint: NO_EVENTS }),
    ("h4si", Foreign { what: "gzip in base64", hint: "unpack it first: base64 -d FILE > FILE.gz" }),
    ("begin 6", Foreign { what: "encoded by uuencode", hint: "unpack it first: uudecode FILE" }),
];

/// What stands together in one line of text that holds no event, which is then the output of this.
const LINES: [(&[&str], Foreign); 19] = [
    (&[" IP", " > ", ": Flags ["], Foreign { what: "output of tcpdump", hint: PACKETS }),
    (&[" TCP ", " Seq=", " Win="], Foreign { what: "output of tshark", hint: PACKETS }),
    (&["Recv-Q", "Send-Q"], Foreign { what: "output of ss or netstat", hint: SS }),
    (&[" cwnd:", " rtt:"], Foreign { what: "output of ss", hint: SS }),
    (&["Connecting to host ", ", port "], IPERF),
    (&["[ ID]", "Interval", "Transfer"], IPERF),
    (&["Attaching ", " probe"], BPFTRACE),
    (&["Attached ", " probe"], BPFTRACE),
    (&["LADDR", "RADDR"], Foreign { what: "output of bcc", hint: BCC }),
    (&["LADDR:LPORT", "RADDR:RPORT"], Foreign { what: "output of bcc", hint: BCC }),
    (&["execve(\"", ") = "], Foreign { what: "output of strace", hint: NO_EVENTS }),
    (&["ARRAY["], Foreign { what: "raw output of trace-cmd", hint: "make it without -R: trace-cmd report > FILE.txt" }),
    (&["tcp:tcp_probe("], PERF_TRACE),
    (&["tcp:tcp_retransmit_skb("], PERF_TRACE),
    (&["sock:inet_sock_set_state("], PERF_TRACE),
    (&["tcp:tcp_", ": "], TIMELESS),
    (&["sock:inet_sock_set_state: "], TIMELESS),
    (
        &["/* tcp_", " */"],
        Foreign {
            what: "a graph of functions without times",
            hint: "with the option funcgraph-abstime its events are read: echo 1 > options/funcgraph-abstime",
        },
    ),
    (
        &["print fmt: "],
        Foreign {
            what: "the format of an event",
            hint: "`convert DIR --formats EVENTS_DIR` takes it with saved pages",
        },
    ),
];

const SS: &str = "it is of one moment; what happens between two of them, `tcpprobectl trace` shows";
const IPERF: Foreign = Foreign { what: "output of iperf3", hint: NO_EVENTS };
const BPFTRACE: Foreign = Foreign { what: "output of bpftrace without lines of ftrace", hint: BCC };
const PERF_TRACE: Foreign = Foreign {
    what: "output of perf trace",
    hint: "it has no time of the kernel; record with perf record, and take perf script",
};
const TIMELESS: Foreign = Foreign {
    what: "output of perf script without times, or with columns that are not read",
    hint: "print them too: perf script -F comm,tid,cpu,time,event,trace",
};

/// What a file with this beginning is, if that is known and no trace.
pub fn of(head: &[u8]) -> Option<Foreign> {
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let is_core = has(0, b"\x7fELF") && (has(16, b"\x04\0") || has(16, b"\0\x04"));
    if is_core {
        return Some(CORE);
    }
    MAGICS.iter().find(|(at, magic, _)| has(*at, magic)).map(|(.., foreign)| *foreign)
}

/// Lines that are looked at.
const LINES_MAX: usize = 100;

/// What text with this beginning is, if it turns out to hold no event.
pub fn of_text(head: &[u8]) -> Option<Foreign> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let has = |start: &str| head.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()));
    if let Some((_, foreign)) = TEXTS.iter().find(|(start, _)| has(start)) {
        return Some(*foreign);
    }
    let lines = || head.split(|byte| *byte == b'\n').take(LINES_MAX);
    let holds =
        |line: &[u8], words: &[&str]| words.iter().all(|word| memchr::memmem::find(line, word.as_bytes()).is_some());
    let of_line = |line: &[u8]| LINES.iter().find(|(words, _)| holds(line, words)).map(|(_, foreign)| *foreign);
    lines().find_map(of_line).or_else(|| is_binary(head).then_some(BINARY))
}

/// Whether a tenth of a beginning is neither text nor NULs, of which logs have holes.
fn is_binary(head: &[u8]) -> bool {
    let head = &head[..head.len().min(4096)];
    let count = |is: fn(&u8) -> bool| head.iter().filter(|byte| is(byte)).count();
    let controls = count(|byte| matches!(byte, 1..=8 | 11 | 14..=26 | 28..=31 | 127));
    10 * controls > head.len() || std::str::from_utf8(head).is_err() && 3 * count(|byte| *byte >= 0x80) > head.len()
}
