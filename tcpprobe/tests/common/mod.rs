//! The captures under `fixtures/`: pages and text of the same events, of several kernels.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tcpprobe::event::Record;
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Lost;
use tcpprobe::kernel::ring::{Buffer, Item, Loss, saved_cmdlines};

/// Cases that were recorded as pages only.
const WITHOUT_TEXT: [&str; 3] = ["streamed", "bulk-8-flows", "ping-pong"];

/// A case of one kernel.
pub struct Capture {
    /// The kernel's release, and the case.
    pub kernel: String,
    pub case: String,
    pub dir: PathBuf,
}

/// The decoded pages of a capture.
pub struct Decoded {
    pub formats: HashMap<u16, Format>,
    pub comms: HashMap<i32, String>,
    /// CPU, time and bytes, as the kernel orders them.
    pub records: Vec<(u32, u64, Vec<u8>)>,
    pub losses: Vec<Loss>,
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

/// All captures, in a fixed order.
pub fn captures() -> Vec<Capture> {
    let names = |dir: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let root = fixtures().join("captures");
    let mut captures = Vec::new();
    for kernel in names(&root) {
        for case in names(&root.join(&kernel)) {
            captures.push(Capture { dir: root.join(&kernel).join(&case), kernel: kernel.clone(), case });
        }
    }
    assert!(captures.len() >= 25, "captures are missing");
    captures
}

/// A gzipped file, inflated; `None` where there is none.
pub fn inflate(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).ok()?;
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    Some(bytes)
}

/// The format files of a kernel, by event id.
pub fn formats(kernel: &str) -> HashMap<u16, Format> {
    let mut formats = HashMap::new();
    for system in ["tcp", "sock"] {
        for event in std::fs::read_dir(fixtures().join("formats").join(kernel).join("events").join(system)).unwrap() {
            let text = std::fs::read_to_string(event.unwrap().path().join("format")).unwrap();
            let format = Format::parse(system, &text).unwrap();
            assert!(formats.insert(format.id, format).is_none());
        }
    }
    formats
}

impl Capture {
    /// The kernel's text; `None` for captures that were made without.
    pub fn text(&self) -> Option<String> {
        let text = inflate(&self.dir.join("trace.txt.gz")).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text.is_none(), WITHOUT_TEXT.contains(&&*self.case), "{}", self.dir.display());
        text
    }

    pub fn decode(&self) -> Decoded {
        let header = fixtures().join("formats").join(&self.kernel).join("events/header_page");
        let layout = PageLayout::parse(&std::fs::read_to_string(header).unwrap()).unwrap();
        let cpus: Vec<(u32, Vec<u8>)> =
            (0..2).filter_map(|cpu| Some((cpu, inflate(&self.dir.join(format!("cpu{cpu}.raw.gz")))?))).collect();
        let mut buffer = Buffer::new(layout, cpus.iter().map(|(cpu, raw)| (*cpu, raw.as_slice())));
        let (mut records, mut losses) = (Vec::new(), Vec::new());
        while let Some(item) = buffer.next_item().unwrap() {
            match item {
                Item::Record { time, cpu, bytes } => records.push((cpu, time, bytes.to_vec())),
                Item::Lost(loss) => losses.push(loss),
                Item::Bad(bad) => panic!("{}: {bad}", self.dir.display()),
            }
        }
        assert!(losses.iter().all(|loss| loss.from.is_none()), "a loss inside of a capture");
        let saved = std::fs::read(self.dir.join("saved_cmdlines")).unwrap_or_default();
        Decoded { formats: formats(&self.kernel), comms: saved_cmdlines(&saved), records, losses }
    }
}

impl Decoded {
    /// All records as the kernel orders them.
    pub fn merged(&self) -> Vec<Record<'_>> {
        let merged = self.records.iter().map(|(cpu, time, bytes)| {
            let format = &self.formats[&u16::from_le_bytes([bytes[0], bytes[1]])];
            let mut record = Record::new(*time, *cpu, None, format, bytes);
            record.comm = self.comms.get(&record.pid()).map(String::as_str);
            record
        });
        merged.collect()
    }

    /// How many events were lost.
    pub fn lost(&self) -> u64 {
        let counts = self.losses.iter().map(|loss| match loss.lost {
            Lost::Events(count) => count,
            lost => panic!("a loss without its count: {lost:?}"),
        });
        counts.sum()
    }
}
