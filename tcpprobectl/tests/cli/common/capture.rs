//! Committed captures, pages that a kernel wrote with its format files: as they are, and as a `.tcpp` trace.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use tcpprobe::event::Record;
use tcpprobe::file::{Account, Anchor, Header, Writer};
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::ring::{Buffer, Item, saved_cmdlines};

/// The kernel whose captures are used.
pub const KERNEL: &str = "6.18.44-fc-v669";
/// Wall-clock time at which the trace's clock was 0: 2026-01-31 12:00:00 UTC.
pub const BOOT_WALL_NS: i64 = 1_769_860_800_000_000_000;

pub fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"))
}

/// The `events/` folder of a kernel.
pub fn events(kernel: &str) -> PathBuf {
    fixtures().join("formats").join(kernel).join("events")
}

/// The folder of a case of [`KERNEL`].
pub fn folder(case: &str) -> PathBuf {
    fixtures().join("captures").join(KERNEL).join(case)
}

pub fn gunzip(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The kernel's own text of a case.
pub fn text(case: &str) -> String {
    String::from_utf8(gunzip(&folder(case).join("trace.txt.gz"))).unwrap()
}

/// CPU, time and bytes of all records of a case of [`KERNEL`], as the kernel orders them.
pub fn records(case: &str) -> Vec<(u32, u64, Vec<u8>)> {
    let pages: Vec<Vec<u8>> = (0..2).map(|cpu| gunzip(&folder(case).join(format!("cpu{cpu}.raw.gz")))).collect();
    let mut buffer = Buffer::new(PageLayout::default(), (0..).zip(pages.iter().map(Vec::as_slice)));
    let mut records = Vec::new();
    while let Some(item) = buffer.next_item().unwrap() {
        if let Item::Record { time, cpu, bytes } = item {
            records.push((cpu, time, bytes.to_vec()));
        }
    }
    records
}

/// The events of a case as a trace; `lost` events are missing in its ledger.
pub fn trace(case: &str, lost: u64) -> Vec<u8> {
    accounted(case, |account| vec![Account { lost, ..account }])
}

/// The events of a case as a trace, and that nobody knows what happened on CPU 0 in the half of its time.
pub fn disturbed_trace(case: &str) -> Vec<u8> {
    accounted(case, |account| vec![account, Account::unknown(0, account.from, account.from.midpoint(account.to))])
}

/// The events of a case as a trace with these accounts, made of the one that is all right.
fn accounted(case: &str, accounts: impl FnOnce(Account) -> Vec<Account>) -> Vec<u8> {
    let formats: Vec<Format> = ["tcp/tcp_probe", "tcp/tcp_retransmit_skb", "sock/inet_sock_set_state"]
        .iter()
        .map(|event| {
            let text = fs::read_to_string(events(KERNEL).join(event).join("format")).unwrap();
            Format::parse(event.split('/').next().unwrap(), &text).unwrap()
        })
        .collect();
    let by_id: HashMap<u16, &Format> = formats.iter().map(|format| (format.id, format)).collect();
    let comms = saved_cmdlines(&fs::read(folder(case).join("saved_cmdlines")).unwrap());
    let records = records(case);

    let header = Header::new("a-test").with("kernel", KERNEL).with("host", "box").with("job", "web");
    let schema = tcpprobe::file::block::Schema::new(formats.clone()).unwrap();
    let anchor = Anchor { time: 0, wall: BOOT_WALL_NS };
    let mut writer = Writer::new(Vec::new(), &header, &schema, &[anchor]).unwrap();
    for (cpu, time, bytes) in &records {
        let format = by_id[&u16::from_le_bytes([bytes[0], bytes[1]])];
        let pid = i32::from_le_bytes(bytes[4..8].try_into().unwrap());
        let comm = comms.get(&pid).map(String::as_str);
        assert!(writer.push(&Record::new(*time, *cpu, comm, format, bytes)).unwrap());
    }
    let (from, to) = (records[0].1, records[records.len() - 1].1);
    let account = Account { cpu: 1, from, to, stored: records.len() as u64, ..Account::default() };
    writer.account(&accounts(account)).unwrap();
    writer.finish().unwrap().0
}
