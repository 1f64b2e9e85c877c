//! The shadow: a tracefs instance of the test's own that traces what a job does, in a buffer that nothing overflows.
//!
//! It is driven by plain files, not by the code under test, up to the walk through a page, which fixtures test.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tcpprobe::event::Record;
use tcpprobe::kernel::format::{Format, PageLayout};
use tcpprobe::kernel::page::{Lost, Page};
use tcpprobe_proto::v1::EventPlan;

use super::{Event, wait_until};

/// Room for the events of a test, should all of them happen on one CPU: some 200 000.
const BUFFER_KB_PER_CPU: u32 = 32 << 10;
/// Sub-buffers of the kernel's own size.
const PAGE_BYTES: usize = 4096;
/// What stays as it is so long will stay so.
const QUIET: Duration = Duration::from_millis(200);

/// A running shadow. Dropped, it leaves nothing behind.
pub struct Shadow {
    path: PathBuf,
    formats: HashMap<u16, Arc<Format>>,
    layout: PageLayout,
}

/// What the kernel traced.
pub struct Recorded {
    /// The lines of `trace`, without comments.
    pub text: Vec<String>,
    /// In the kernel's order: by time, then by CPU.
    pub events: Vec<Event>,
}

impl Shadow {
    /// Traces the events of a plan with their kernel filters, from now on.
    pub fn start(what: &str, plan: &[EventPlan]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = super::tracefs().unwrap().root().to_owned();
        let path = root.join(format!("instances/tcpprobe-test-{what}-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let mut shadow = Shadow { path, formats: HashMap::new(), layout: PageLayout::default() };
        shadow.layout = PageLayout::parse(&read(&root.join("events/header_page"))).unwrap();
        shadow.write("trace_clock", "boot");
        shadow.write("buffer_size_kb", &BUFFER_KB_PER_CPU.to_string());
        for event in plan {
            let (system, name) = event.event.split_once(':').unwrap();
            let folder = format!("events/{system}/{name}");
            let format = Format::parse(system, &shadow.read(&format!("{folder}/format"))).unwrap();
            shadow.formats.insert(format.id, Arc::new(format));
            if !event.kernel_filter.is_empty() {
                shadow.write(&format!("{folder}/filter"), &event.kernel_filter);
            }
            shadow.write(&format!("{folder}/enable"), "1");
        }
        shadow
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path.join(file), text).unwrap_or_else(|error| panic!("{file}: {text:?}: {error}"));
    }

    fn read(&self, file: &str) -> String {
        read(&self.path.join(file))
    }

    fn cpus(&self) -> Vec<u32> {
        let entries = fs::read_dir(self.path.join("per_cpu")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut cpus: Vec<u32> = names.map(|name| name.trim_start_matches("cpu").parse().unwrap()).collect();
        cpus.sort_unstable();
        cpus
    }

    /// Events traced so far, none of which may be lost.
    pub fn count(&self) -> u64 {
        let of = |cpu: u32| {
            let stats = self.read(&format!("per_cpu/cpu{cpu}/stats"));
            let value = |name: &str| -> u64 {
                let line = stats.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.trim().parse().unwrap()
            };
            let lost = ["overrun:", "commit overrun:", "dropped events:"].map(value);
            assert_eq!(lost, [0; 3], "the shadow itself lost events");
            value("entries:") + value("read events:")
        };
        self.cpus().into_iter().map(of).sum()
    }

    /// Waits for the last events of traffic that is over; how many there are in all.
    pub fn quiet(&self) -> u64 {
        let (mut count, mut since) = (self.count(), Instant::now());
        wait_until("the traffic is over", || {
            let now = self.count();
            if now != count {
                (count, since) = (now, Instant::now());
            }
            since.elapsed() >= QUIET
        });
        count
    }

    /// Takes what was traced so far out of the kernel's buffer, CPU by CPU.
    pub fn take(&self) -> Vec<Event> {
        self.cpus().into_iter().flat_map(|cpu| self.pages(cpu)).collect()
    }

    /// Ends the tracing and gives what was traced.
    pub fn stop(self) -> Recorded {
        self.write("tracing_on", "0");
        let count = self.count();
        let text = self.read("trace");
        let text: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
        let mut events = self.take();
        // The sort is stable: what one CPU did in the same nanosecond stays in its order.
        events.sort_by_key(|event| (event.time, event.cpu));
        assert_eq!((events.len() as u64, text.len() as u64), (count, count));
        Recorded { text, events }
    }

    fn pages(&self, cpu: u32) -> Vec<Event> {
        /// `O_NONBLOCK` of Linux.
        const NONBLOCK: i32 = 0o4000;
        let path = self.path.join(format!("per_cpu/cpu{cpu}/trace_pipe_raw"));
        let Ok(mut pipe) = fs::OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path) else {
            return Vec::new();
        };
        let mut events = Vec::new();
        let mut buffer = vec![0; PAGE_BYTES];
        // Nothing more is an error (EAGAIN), and on some kernels an empty read.
        while let Ok(1..) = pipe.read(&mut buffer) {
            let page = Page::parse(self.layout, &buffer).unwrap();
            assert_eq!(page.lost, Lost::None);
            let mut records = page.records();
            for (time, bytes) in records.by_ref() {
                let format = &self.formats[&u16::from_le_bytes([bytes[0], bytes[1]])];
                events.push(Event::new(&Record::new(time, cpu, None, format, bytes), format));
            }
            assert_eq!(records.error(), None);
        }
        events
    }
}

/// Reads a file in large pieces: the kernel makes the text of some anew for each piece, and gives others only one.
fn read(path: &Path) -> String {
    let mut file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut text, mut piece) = (Vec::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            0 => return String::from_utf8(text).unwrap(),
            length => text.extend_from_slice(&piece[..length]),
        }
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join("events/enable"), "0");
        // A process that another test is just starting may hold our files for a moment.
        for _ in 0..100 {
            match fs::remove_dir(&self.path) {
                Ok(()) => return,
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        eprintln!("left behind: {}", self.path.display());
    }
}
