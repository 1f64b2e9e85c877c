//! Reads, writes, filters and explains the Linux kernel's tcp tracepoints.
//!
//! # Read a trace
//! [`open`] takes a `.tcpp` trace, ftrace text, or a file of trace-cmd or perf, plain or gzipped, and gives its events in the order of time.
//!
//! ```
//! use tcpprobe::event::Event;
//!
//! let mut largest = 0;
//! for event in tcpprobe::open("../fixtures/captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz")?.events() {
//!     if let Some(Event::TcpProbe(segment)) = event?.event {
//!         largest = largest.max(segment.snd_cwnd);
//!     }
//! }
//! assert_eq!(largest, 55);
//! # Ok::<(), tcpprobe::Error>(())
//! ```
//!
//! # Connections and their totals
//! A [`flow::Collector`] takes whole batches, columns where the trace has columns.
//!
//! ```
//! use tcpprobe::flow::Collector;
//!
//! let mut flows = Collector::default();
//! for item in tcpprobe::open("../fixtures/traces/version-2.tcpp")? {
//!     flows.item(&item?);
//! }
//! let top = flows.get(flows.top(1)[0]).expect("there are connections");
//! println!("{} → {}", top.connection.local, top.connection.peer);
//! assert_eq!((top.totals.bytes_acked, top.totals.retransmissions), (1_858_581, 26));
//! # Ok::<(), tcpprobe::Error>(())
//! ```
//!
//! # Filter
//! The language is the kernel's, and what the kernel cannot do ([`filter`]).
//!
//! ```
//! use tcpprobe::filter::Filter;
//! use tcpprobe::source::{EventFilter, Trace, Wanted};
//!
//! let filter = Filter::parse("sport == 5297 && srtt > 20ms")?;
//! let wanted = Wanted { events: EventFilter::new(vec!["tcp_probe".into()], Some(filter)), ..Wanted::default() };
//! let mut trace = Trace::open("../fixtures/traces/version-2.tcpp", wanted, |file| file)?;
//! for item in &mut trace {
//!     item?;
//! }
//! assert_eq!(trace.selected(), 1300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The rooms
//! In the order in which data flows; none knows those behind it.
//!
//! - [`kernel`]: what a kernel writes: formats, pages, rings, text.
//! - [`event`]: records with their kind, the table of events, typed events.
//! - [`filter`]: the language, split between kernel and user space.
//! - [`file`](mod@file): the `.tcpp` file, and its blocks of columns.
//! - [`source`]: a file or stream of any kind → events in batches, losses and damage as values.
//! - [`export`]: events → text, JSON, CSV, `.tcpp`.
//! - [`flow`]: a bounded table of connections, and observers: totals, curves.
//! - [`diagnose`]: what holds each connection back, and why it retransmitted.
//!
//! Nothing here opens a socket, reads a clock or asks the environment; files are opened in [`source`] alone, and nothing is `unsafe`.
//! What is marked as hidden is for the recorder, and may change at any time.
#![forbid(unsafe_code)]

pub mod diagnose;
mod error;
pub mod event;
pub mod export;
pub mod file;
pub mod filter;
pub mod flow;
pub mod kernel;
pub mod source;

pub use error::Error;
pub use source::open;
