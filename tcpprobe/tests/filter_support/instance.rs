//! A tracefs instance of the test's own, removed when it is dropped.

use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::Page;

const TRACEFS: &str = "/sys/kernel/tracing";
/// `O_NONBLOCK` of Linux.
const NONBLOCK: i32 = 0o4000;

/// A CPU and a record of it.
pub type Recorded = (u32, Vec<u8>);

pub struct Instance {
    path: PathBuf,
}

impl Instance {
    /// `None`, with the reason printed, where there is no tracefs to write to; `TCPPROBE_REQUIRE_TRACEFS=1` makes that
    /// a failure.
    pub fn new(name: &str) -> Option<Self> {
        let path = Path::new(TRACEFS).join(format!("instances/tcpprobe-test-filter-{}-{name}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Instance { path }),
            Err(error) => {
                let reason = format!("no instance of tracefs can be made: {}: {error}", path.display());
                assert!(std::env::var_os("TCPPROBE_REQUIRE_TRACEFS").is_none_or(|value| value != "1"), "{reason}");
                println!("skipped: {reason}");
                None
            }
        }
    }

    /// Writes a file of the instance, in one `write(2)`.
    pub fn write(&self, file: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.path.join(file), text)
    }

    /// Reads a file of the instance.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).unwrap_or_default()
    }

    /// The formats of all events of the running kernel that jobs can have.
    pub fn formats(&self) -> Vec<Format> {
        let events = fs::read_dir(self.path.join("events/tcp")).unwrap();
        let tcp = events.map(|event| ("tcp", event.unwrap().file_name().into_string().unwrap()));
        let all = tcp.chain([("sock", "inet_sock_set_state".to_owned())]);
        let text =
            |system, event: &str| fs::read_to_string(self.path.join("events").join(system).join(event).join("format"));
        all.filter_map(|(system, event)| Some(Format::parse(system, &text(system, &event).ok()?).unwrap())).collect()
    }

    /// All records, and empties the buffer.
    pub fn records(&self) -> Vec<Recorded> {
        let mut records = Vec::new();
        let cpus = fs::read_dir(self.path.join("per_cpu")).unwrap();
        for cpu in cpus.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
            let number = cpu.trim_start_matches("cpu").parse().unwrap();
            let path = self.path.join("per_cpu").join(&cpu).join("trace_pipe_raw");
            let mut pipe = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path).unwrap();
            let mut buffer = vec![0; 4096];
            // Nothing more is an error (EAGAIN), and on some kernels an empty read.
            while let Ok(1..) = pipe.read(&mut buffer) {
                let page = Page::parse(PageLayout::default(), &buffer).unwrap();
                assert_eq!(page.lost, tcpprobe::kernel::page::Lost::None);
                records.extend(page.records().map(|(_, record)| (number, record.to_vec())));
            }
        }
        records
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.write("events/enable", "0");
        if let Err(error) = fs::remove_dir(&self.path) {
            println!("{} is left behind: {error}", self.path.display());
        }
    }
}
