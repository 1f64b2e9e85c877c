//! A tracing instance of our own, and what it recorded, as the kernel's text.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What a trace of today has.
const EVENTS: [&str; 8] = [
    "tcp/tcp_probe",
    "tcp/tcp_retransmit_skb",
    "tcp/tcp_cong_state_set",
    "tcp/tcp_retransmit_synack",
    "tcp/tcp_destroy_sock",
    "tcp/tcp_receive_reset",
    "tcp/tcp_send_reset",
    "sock/inet_sock_set_state",
];
/// Where instances are, and how ours are called: then the process, and the scenario.
pub const INSTANCES: &str = "/sys/kernel/tracing/instances";
pub const PREFIX: &str = "tcpprobe-test-truth-";
/// KB for each CPU.
const BUFFER_KB: u32 = 65_536;

/// How often it is tried to remove one that is busy.
const REMOVALS: u32 = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(20);

/// Removed when it goes.
pub struct Recording(PathBuf);

impl Recording {
    /// Of the connections of a port.
    pub fn start(tag: &str, port: u16) -> Result<Self> {
        let folder = Path::new(INSTANCES).join(format!("{PREFIX}{tag}"));
        fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let recording = Recording(folder);
        recording.set("buffer_size_kb", &BUFFER_KB.to_string())?;
        recording.set("trace_clock", "boot")?;
        for event in EVENTS {
            let path = format!("events/{event}");
            if !recording.0.join(&path).is_dir() {
                continue;
            }
            // A reset that was sent has its ports in an address alone; the reader leaves those of others out.
            if event != "tcp/tcp_send_reset" {
                recording.set(&format!("{path}/filter"), &format!("sport=={port} || dport=={port}"))?;
            }
            recording.set(&format!("{path}/enable"), "1")?;
        }
        Ok(recording)
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        let path = self.0.join(file);
        fs::write(&path, value).with_context(|| path.display().to_string())
    }

    /// All that was recorded.
    pub fn text(&self) -> Result<String> {
        self.set("tracing_on", "0")?;
        let text = String::from_utf8_lossy(&fs::read(self.0.join("trace"))?).into_owned();
        let entries = text.lines().find(|line| line.contains("entries-in-buffer/entries-written")).unwrap_or_default();
        let numbers: Vec<&str> = entries
            .split_whitespace()
            .filter(|word| word.contains('/') && word.as_bytes()[0].is_ascii_digit())
            .collect();
        match numbers.first().and_then(|both| both.split_once('/')) {
            Some((present, written)) if present == written => Ok(text),
            _ => bail!("events were lost: {entries}"),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // While anybody reads a file of it, it is busy.
        for _ in 0..REMOVALS {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == ErrorKind::ResourceBusy => thread::sleep(REMOVAL_PAUSE),
                Err(error) => return eprintln!("{}: {error}", self.0.display()),
                Ok(()) => return,
            }
        }
        eprintln!("{}: somebody keeps it busy; the next bench removes it", self.0.display());
    }
}
