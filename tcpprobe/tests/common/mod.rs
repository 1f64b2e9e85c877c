//! The captures under `fixtures/`: pages and text of the same events, of several kernels.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "each test program uses its part of it")]

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use tcpprobe::event::Record;
use tcpprobe::format::{Format, PageLayout};
use tcpprobe::page::{Lost, Page};

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
    /// Per CPU, its records in the order of its pages.
    pub cpus: Vec<Cpu>,
}

pub struct Cpu {
    pub number: u32,
    /// What was lost before the first page.
    pub lost: Lost,
    /// Time and bytes.
    pub records: Vec<(u64, Vec<u8>)>,
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
        let saved = std::fs::read_to_string(self.dir.join("saved_cmdlines")).unwrap_or_default();
        let comms = saved
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(pid, comm)| (pid.parse().unwrap(), comm.to_owned()))
            .collect();
        let cpus = (0..2)
            .filter_map(|number| {
                let raw = inflate(&self.dir.join(format!("cpu{number}.raw.gz")))?;
                Some(decode_cpu(number, &raw, layout))
            })
            .collect();
        Decoded { formats: formats(&self.kernel), comms, cpus }
    }
}

fn decode_cpu(number: u32, raw: &[u8], layout: PageLayout) -> Cpu {
    let mut cpu = Cpu { number, lost: Lost::None, records: Vec::new() };
    for (index, bytes) in raw.chunks(4096).enumerate() {
        let page = Page::parse(layout, bytes).unwrap();
        if index == 0 {
            cpu.lost = page.lost;
        } else {
            assert_eq!(page.lost, Lost::None, "a loss inside of a capture");
        }
        let mut records = page.records();
        cpu.records.extend(records.by_ref().map(|(time, record)| (time, record.to_vec())));
        assert_eq!(records.error(), None);
    }
    cpu
}

impl Decoded {
    /// All records as the kernel orders them: the earliest head of all CPUs, the lowest CPU where two are equal.
    pub fn merged(&self) -> Vec<Record<'_>> {
        let mut at = vec![0; self.cpus.len()];
        let mut merged = Vec::new();
        loop {
            let heads = self.cpus.iter().enumerate().filter_map(|(i, cpu)| Some((cpu.records.get(at[i])?.0, i)));
            let Some((time, i)) = heads.min() else { return merged };
            let cpu = &self.cpus[i];
            let bytes = &cpu.records[at[i]].1;
            at[i] += 1;
            let id = u16::from_le_bytes([bytes[0], bytes[1]]);
            let mut record = Record { time, cpu: cpu.number, comm: None, format: &self.formats[&id], bytes };
            record.comm = self.comms.get(&record.pid()).map(String::as_str);
            merged.push(record);
        }
    }
}
