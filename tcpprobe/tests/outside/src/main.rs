//! Prints the connections of a trace: `connections FILE`, or `connections DIR EVENTS_DIR` for saved pages.
use tcpprobe::file::block::PointerKey;
use tcpprobe::flow::Collector;
use tcpprobe::source::{RingDump, Trace, Wanted};

fn main() -> Result<(), tcpprobe::Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let trace = match &arguments[..] {
        [pages, formats] => {
            Trace::ring_dump(RingDump::open(pages, formats, PointerKey::new([1; 16]))?, Wanted::default())?
        }
        [file, ..] => tcpprobe::open(file)?,
        [] => return Ok(()),
    };
    let mut flows = Collector::default();
    for item in trace {
        flows.item(&item?);
    }
    for flow in flows.all() {
        println!(
            "{} → {}: {} bytes acknowledged",
            flow.connection.local, flow.connection.peer, flow.totals.bytes_acked
        );
    }
    Ok(())
}
