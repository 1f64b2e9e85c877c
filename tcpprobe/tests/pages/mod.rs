//! Reads the committed captures: pages of a real kernel, with the format files that explain them.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use tcpprobe::event::{Event, EventReader};
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Lost;
use tcpprobe::kernel::ring::{Buffer, Item, Loss};

/// The typed events of a capture, and what was lost in it.
#[derive(Debug, Default)]
pub struct Capture {
    /// In order of time.
    pub events: Vec<(u64, Event)>,
    /// From the event before to the event after the loss, on the CPU that lost them (from 0 where it lost the first);
    /// `None` for an unknown number.
    pub lost: Vec<(u64, u64, Option<u64>)>,
}

/// Reads `fixtures/captures/<kernel>/<case>`.
pub fn read(kernel: &str, case: &str) -> Result<Capture, Box<dyn Error>> {
    // Of whichever of the crates this is compiled into.
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("fixtures"));
    let fixtures = above.find(|folder| folder.is_dir()).ok_or("no fixtures")?;
    let formats = fixtures.join("formats").join(kernel).join("events");
    read_from(&fixtures.join("captures").join(kernel).join(case), &formats)
}

/// Reads the `cpuN.raw.gz` in `folder` with the format files under `formats`.
pub fn read_from(folder: &Path, formats: &Path) -> Result<Capture, Box<dyn Error>> {
    let layout = PageLayout::parse(&fs::read_to_string(formats.join("header_page"))?)?;
    let mut readers = HashMap::new();
    for event in ["tcp_probe", "tcp_retransmit_skb"] {
        let format = Format::parse("tcp", &fs::read_to_string(formats.join("tcp").join(event).join("format"))?)?;
        readers.insert(format.id, EventReader::new(&format));
    }
    let mut cpus = Vec::new();
    for cpu in 0.. {
        let Ok(file) = fs::File::open(folder.join(format!("cpu{cpu}.raw.gz"))) else { break };
        cpus.push((cpu, flate2::read::GzDecoder::new(file)));
    }
    let mut buffer = Buffer::new(layout, cpus);
    let mut capture = Capture::default();
    while let Some(item) = buffer.next_item()? {
        match item {
            Item::Record { time, bytes, .. } => {
                let id = bytes.first_chunk().map(|id| u16::from_le_bytes(*id)).ok_or("a record without an id")?;
                let event = readers.get(&id).and_then(|reader| reader.read(bytes));
                capture.events.extend(event.map(|event| (time, event)));
            }
            Item::Lost(Loss { from, to, lost, .. }) => {
                let count = if let Lost::Events(count) = lost { Some(count) } else { None };
                capture.lost.push((from.unwrap_or(0), to.unwrap_or(u64::MAX), count));
            }
            Item::Bad(bad) => return Err(bad.into()),
        }
    }
    if capture.events.is_empty() {
        return Err(format!("no events in {}", folder.display()).into());
    }
    Ok(capture)
}
