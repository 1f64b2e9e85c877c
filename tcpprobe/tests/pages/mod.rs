//! Reads the committed captures: pages of a real kernel, with the format files that explain them.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use tcpprobe::event::{Event, EventReader};
use tcpprobe::format::{Format, PageLayout};
use tcpprobe::page::{Lost, Page};

/// The typed events of a capture, and what was lost in it.
pub struct Capture {
    /// In order of time.
    pub events: Vec<(u64, Event)>,
    /// From the event before to the event after the loss, on the CPU that lost them; `None` for an unknown number.
    pub lost: Vec<(u64, u64, Option<u64>)>,
}

/// Reads `fixtures/captures/<kernel>/<case>`.
pub fn read(kernel: &str, case: &str) -> Capture {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"));
    let formats = fixtures.join("formats").join(kernel).join("events");
    read_from(&fixtures.join("captures").join(kernel).join(case), &formats)
}

/// Reads the `cpuN.raw.gz` in `folder` with the format files under `formats`.
pub fn read_from(folder: &Path, formats: &Path) -> Capture {
    let layout = PageLayout::parse(&fs::read_to_string(formats.join("header_page")).unwrap()).unwrap();
    let readers: HashMap<u16, EventReader> = ["tcp_probe", "tcp_retransmit_skb"]
        .map(|event| fs::read_to_string(formats.join("tcp").join(event).join("format")).unwrap())
        .map(|text| Format::parse("tcp", &text).unwrap())
        .map(|format| (format.id, EventReader::new(&format)))
        .into();
    let mut capture = Capture { events: Vec::new(), lost: Vec::new() };
    for cpu in 0.. {
        let Ok(file) = fs::File::open(folder.join(format!("cpu{cpu}.raw.gz"))) else { break };
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        let mut before = None;
        for bytes in bytes.chunks(4096) {
            let page = Page::parse(layout, bytes).unwrap();
            match page.lost {
                Lost::None => {}
                Lost::Events(count) => capture.lost.push((before.unwrap_or(page.time), page.time, Some(count))),
                Lost::Unknown => capture.lost.push((before.unwrap_or(page.time), page.time, None)),
            }
            for (time, record) in page.records() {
                before = Some(time);
                let id = u16::from_le_bytes([record[0], record[1]]);
                capture
                    .events
                    .extend(readers.get(&id).and_then(|reader| reader.read(record)).map(|event| (time, event)));
            }
        }
    }
    capture.events.sort_by_key(|event| event.0);
    assert!(!capture.events.is_empty(), "no events in {}", folder.display());
    capture
}
