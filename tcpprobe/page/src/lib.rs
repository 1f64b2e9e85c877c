//! A page of TCP connections: what a trace's events say over time, as one HTML file for a browser.
//!
//! The file needs nothing else: it opens from disk, and its Content-Security-Policy forbids the browser to ask any network for
//! anything. It has a list of all connections with what held them back, and the events of each, which it draws when asked. Several traces are
//! compared in one.
//!
//! Made in two passes over a trace: a [`Collector`](tcpprobe::flow::Collector) counts the events of each connection, then a
//! [`Plan`] says how many of them fit, and [`Rows`] keeps those.
//!
//! ```
//! use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe};
//! use tcpprobe::flow::Collector;
//! use tcpprobe_page::{Page, PageInput, Plan, Rows};
//!
//! let mut event = TcpProbe {
//!     family: AF_INET, src: "10.0.0.1:43210".parse()?, dest: "10.0.0.2:80".parse()?, mark: 0, data_len: 0,
//!     snd_nxt: 1000, snd_una: 1000, snd_cwnd: 10, ssthresh: SSTHRESH_INFINITE, snd_wnd: 65_536, srtt: 180,
//!     rcv_wnd: 65_536, sock_cookie: 7, skbaddr: 0, skaddr: 0,
//! };
//! let mut events = Vec::new();
//! for step in 0..100_u64 {
//!     events.push((step * 1_000_000, Event::TcpProbe(event)));
//!     event.snd_una += 1448;
//!     event.snd_nxt = event.snd_una + 14_480;
//! }
//!
//! let mut flows = Collector::default();
//! events.iter().for_each(|(time, event)| flows.push(*time, event));
//! let mut rows = Rows::new(Plan::new(&flows, 1_000_000, &[], |_| true));
//! events.iter().for_each(|(time, event)| rows.push(*time, event));
//! let page = Page::new(&PageInput::new(&flows, "web"), &rows.finish());
//! assert!(page.html.contains("Content-Security-Policy") && page.is_whole());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the order that data flows: `row` (what is kept of an event), `thin` (which are kept where not all fit), `plan`, `rows` (a trace's
//! events → the columns of each connection, by `columns`), `chunks` (columns → text), `list` (what is said of each connection), `assemble` (the file, and its
//! policy). What the browser runs is in `web/`, modules in the order of `assemble`.

mod assemble;
mod chunks;
mod columns;
mod list;
mod page;
mod plan;
mod row;
mod rows;
mod thin;

pub use page::{Page, PageInput, SIZE_DEFAULT, SIZE_MIN};
pub use plan::Plan;
pub use rows::{Kept, Rows};
