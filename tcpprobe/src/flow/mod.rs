//! Connections: whose an event is, and what the events of a trace say about each.
//!
//! [`FlowTable`] finds the connection of each event, and is bounded however many there are: closed ones leave. What is kept of
//! a connection, [`Observer`]s say: they get the events of each, from columns ([`FlowTable::batch`]) or from records
//! ([`FlowTable::event`]), and its state when it leaves.
//!
//! [`Collector`] is the table for a picture of a whole trace: it keeps, for every connection, [`Totals`] and (for those asked
//! for) [`Curves`]: each value over time, reduced while it grows, so that memory stays flat for any input.
//!
//! ```
//! use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe};
//! use tcpprobe::flow::{Collector, Metric};
//!
//! let mut event = TcpProbe {
//!     family: AF_INET, src: "10.0.0.1:43210".parse()?, dest: "10.0.0.2:80".parse()?, mark: 0, data_len: 0,
//!     snd_nxt: 1000, snd_una: 1000, snd_cwnd: 10, ssthresh: SSTHRESH_INFINITE, snd_wnd: 65_536, srtt: 180,
//!     rcv_wnd: 65_536, sock_cookie: 7, skbaddr: 0, skaddr: 0,
//! };
//! let mut flows = Collector::default();
//! for step in 0..100_u64 {
//!     flows.push(step * 1_000_000, &Event::TcpProbe(event));
//!     event.snd_una += 1448;
//!     event.snd_nxt = event.snd_una + 14_480;
//!     event.snd_cwnd += 1;
//! }
//! let top = flows.top(8);
//! let flow = flows.get(top[0]).ok_or("no connection")?;
//! assert_eq!(flow.totals.bytes_acked, 99 * 1448);
//! let curves = flow.curves.ok_or("no curves")?;
//! assert_eq!(curves.range(Metric::SndCwnd), Some((10, 109)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # One pass or two
//! [`Collector::default`] collects the curves of every connection while they fit into [`Limits::bins_total`], and then
//! lets go of those of the connections with the least traffic. Where [`Collector::lacks_curves`] of the connections that
//! one wants, push the same events in the same order into a second one with [`Collect::Only`] those: ids are the
//! same in both.

mod collector;
mod columns;
mod connection;
mod curves;
mod ends;
mod label;
mod observer;
mod process_tree;
mod readers;
mod series;
mod table;
mod totals;
mod whose;

pub use collector::{Collect, Collector, Flow, Limits};
pub use connection::Connection;
pub use curves::{CollectCurves, Curves, Metric, Moved};
pub use ends::Ends;
pub use label::Label;
pub use observer::{Observation, Observer, Probe};
pub use process_tree::{OfTree, ProcessTree, TreeSockets};
pub use readers::Readers;
pub use series::{Bin, Mark, Marks, Series};
pub use table::{FlowTable, OPEN_MAX};
pub use totals::{CountTotals, Counted, Totals};
pub use whose::{Told, Whose};
