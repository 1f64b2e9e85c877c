//! An event as a short line for people: time of day, connection, what it says, in at most 100 columns where addresses allow.

use std::io::Write;

use tcpprobe::event::{Event, EventReader, Record, SSTHRESH_INFINITE, Socket};
use tcpprobe::export::Exporter;
use tcpprobe::kernel::names::{CONG_STATES, STATES};
use tcpprobe::source::{About, Gap};

use crate::value::timestamp;

/// Writes such lines.
#[derive(Default)]
pub struct BriefExporter {
    /// By the place of the format, each with the name of its event.
    readers: Vec<(EventReader, String)>,
}

impl Exporter for BriefExporter {
    fn begin(&mut self, about: &About, _out: &mut Vec<u8>) -> Result<(), tcpprobe::Error> {
        let reader =
            |known: &tcpprobe::source::SourceFormat| (EventReader::new(&known.format), known.format.name.clone());
        self.readers = about.formats.iter().map(reader).collect();
        Ok(())
    }

    fn event(&mut self, record: &Record<'_>, wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), tcpprobe::Error> {
        let Some((reader, name)) = self.readers.get(record.index) else { return Ok(()) };
        let time = wall_ns.map_or_else(|| seconds(record.time), timestamp::time_of_day);
        let (ends, words) = match reader.read(record.bytes) {
            Some(event) => (Some(event.socket()).filter(Socket::has_ends), words(&event)),
            None => (None, String::new()),
        };
        // The most frequent one says what it is by its numbers.
        let what = match name.strip_prefix("tcp_").unwrap_or(name) {
            "probe" => String::new(),
            other => format!("{other} "),
        };
        let ends = ends.map_or_else(String::new, |socket| format!("{} > {}", socket.local, socket.peer));
        let line = format!("{time} {ends:<36} {what}{words}");
        Ok(writeln!(out, "{}", crate::escape::text(line.trim_end()))?)
    }

    fn lost(&mut self, gap: &Gap, out: &mut Vec<u8>) -> Result<(), tcpprobe::Error> {
        let events = gap.lost.map_or_else(|| "an unknown number of".to_owned(), |lost| lost.to_string());
        Ok(writeln!(out, "CPU {}: {events} events LOST", gap.cpu)?)
    }
}

/// Of the trace's clock.
fn seconds(time: u64) -> String {
    format!("{}.{:06}", time / 1_000_000_000, time % 1_000_000_000 / 1000)
}

fn words(event: &Event) -> String {
    let state = |number: u8| STATES.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or("?");
    match event {
        Event::TcpProbe(probe) => {
            let flight = probe.snd_nxt.wrapping_sub(probe.snd_una);
            let ssthresh = match probe.ssthresh {
                SSTHRESH_INFINITE => String::new(),
                ssthresh => format!("/{ssthresh}"),
            };
            let srtt_ms = f64::from(probe.srtt) / 1000.0;
            let len = probe.data_len;
            format!("cwnd {}{ssthresh} srtt {srtt_ms:.3}ms flight {flight} len {len}", probe.snd_cwnd)
        }
        Event::TcpRetransmitSkb(event) => state(event.state).to_owned(),
        Event::InetSockSetState(event) => format!("{} > {}", state(event.oldstate), state(event.newstate)),
        Event::TcpCongStateSet(event) => (*CONG_STATES.get(usize::from(event.cong_state)).unwrap_or(&"?")).to_owned(),
        Event::TcpInfo(event) if event.snapshot.is_final() => format!("closed, mss {}", event.snapshot.snd_mss),
        Event::TcpInfo(event) => {
            let told = &event.snapshot;
            format!("mss {} unsent {} queued {} of {}", told.snd_mss, told.notsent_bytes, told.wmem_queued, told.sndbuf)
        }
        _ => String::new(),
    }
}
