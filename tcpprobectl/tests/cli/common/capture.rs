//! A committed capture as a `.tcpp` trace: pages that a kernel wrote, with its format files.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use tcpprobe::event::Record;
use tcpprobe::format::{Format, PageLayout};
use tcpprobe::page::Page;
use tcpprobe::trace::{Account, Anchor, Header, Writer};

/// The kernel whose captures are used.
pub const KERNEL: &str = "6.18.44-fc-v669";
/// Wall-clock time at which the trace's clock was 0: 2026-01-31 12:00:00 UTC.
pub const BOOT_WALL_NS: i64 = 1_769_860_800_000_000_000;

fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"))
}

fn gunzip(path: PathBuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The kernel's own text of a case.
pub fn text(case: &str) -> String {
    let path = fixtures().join("captures").join(KERNEL).join(case).join("trace.txt.gz");
    String::from_utf8(gunzip(path)).unwrap()
}

/// The events of a case as a trace; `lost` events are missing in its ledger.
pub fn trace(case: &str, lost: u64) -> Vec<u8> {
    let formats: Vec<Format> = ["tcp/tcp_probe", "tcp/tcp_retransmit_skb", "sock/inet_sock_set_state"]
        .iter()
        .map(|event| {
            let path = fixtures().join("formats").join(KERNEL).join("events").join(event).join("format");
            Format::parse(event.split('/').next().unwrap(), &fs::read_to_string(path).unwrap()).unwrap()
        })
        .collect();
    let by_id: HashMap<u16, &Format> = formats.iter().map(|format| (format.id, format)).collect();
    let folder = fixtures().join("captures").join(KERNEL).join(case);
    let names = fs::read_to_string(folder.join("saved_cmdlines")).unwrap();
    let comms: HashMap<i32, &str> =
        names.lines().filter_map(|l| l.split_once(' ')).map(|(pid, comm)| (pid.parse().unwrap(), comm)).collect();

    let mut records = Vec::new();
    for cpu in 0..2 {
        for page in gunzip(folder.join(format!("cpu{cpu}.raw.gz"))).chunks(4096) {
            let page = Page::parse(PageLayout::default(), page).unwrap();
            records.extend(page.records().map(|(time, bytes)| (time, cpu, bytes.to_vec())));
        }
    }
    // As the kernel merges them: by time, then by CPU.
    records.sort_by_key(|record| (record.0, record.1));

    let header = Header::new("a-test").with("kernel", KERNEL).with("host", "box").with("job", "web");
    let schema = tcpprobe::block::Schema::new(formats.clone()).unwrap();
    let anchor = Anchor { time: 0, wall: BOOT_WALL_NS };
    let mut writer = Writer::new(Vec::new(), &header, &schema, &[anchor], None).unwrap();
    for (time, cpu, bytes) in &records {
        let format = by_id[&u16::from_le_bytes([bytes[0], bytes[1]])];
        let pid = i32::from_le_bytes(bytes[4..8].try_into().unwrap());
        let comm = comms.get(&pid).copied();
        assert!(writer.push(&Record { time: *time, cpu: *cpu, comm, format, bytes }).unwrap());
    }
    let (from, to) = (records[0].0, records[records.len() - 1].0);
    writer
        .account(&[Account { cpu: 1, from, to, stored: records.len() as u64, filtered: 0, lost, dropped: 0 }])
        .unwrap();
    writer.finish().unwrap().0
}
