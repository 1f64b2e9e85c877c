//! Reads the committed captures: pages of a real kernel, with the format files that explain them.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::Path;

use tcpprobe::event::{Event, EventReader};
use tcpprobe::format::{Format, PageLayout};
use tcpprobe::page::{Lost, Page};

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
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"));
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
    let mut capture = Capture::default();
    for cpu in 0.. {
        let Ok(file) = fs::File::open(folder.join(format!("cpu{cpu}.raw.gz"))) else { break };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)?;
        let mut before = 0;
        for bytes in bytes.chunks(4096) {
            let page = Page::parse(layout, bytes)?;
            match page.lost {
                Lost::None => {}
                Lost::Events(count) => capture.lost.push((before, page.time, Some(count))),
                Lost::Unknown => capture.lost.push((before, page.time, None)),
            }
            for (time, record) in page.records() {
                before = time;
                let id = record.first_chunk().map(|id| u16::from_le_bytes(*id)).ok_or("a record without an id")?;
                let event = readers.get(&id).and_then(|reader| reader.read(record));
                capture.events.extend(event.map(|event| (time, event)));
            }
        }
    }
    capture.events.sort_by_key(|event| event.0);
    if capture.events.is_empty() {
        return Err(format!("no events in {}", folder.display()).into());
    }
    Ok(capture)
}
