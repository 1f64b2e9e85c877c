//! Pictures of TCP connections: what a trace's events say over time, as PNG or SVG.
//!
//! ```
//! use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe};
//! use tcpprobe::flow::Collector;
//! use tcpprobe_plot::{Format, Options, Plot, PlotInput, Size, render};
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
//!
//! let input = PlotInput { flows: &flows, diagnoses: &[], title: "web", kernel: None, host: None, utc_offset_ns: None, gaps: &[] };
//! let plot = Plot::new(&input, &Options::default())?;
//! assert_eq!(plot.table.rows[0].name, "10.0.0.1:43210 → 10.0.0.2:80");
//! let svg = String::from_utf8(render(&plot, Format::Svg, Size::default())?)?;
//! assert!(svg.contains("Congestion window, packets"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`model`] is what is drawn: connections in, a [`Plot`] out. `draw` is how: a [`Plot`] in, a file out. The one
//! knows no pixel, the other no connection; neither reads a file, a clock or the environment.
//!
//! # One pass or two
//! [`choose`] says which connections are drawn. Where
//! [`Collector::lacks_curves`](tcpprobe::flow::Collector::lacks_curves) of them, push the events once more into a `Collector` that
//! collects only those.

mod draw;
mod error;
pub mod model;
pub mod units;

pub use draw::{Color, Format, PALETTE, Size, of_sort, render};
pub use error::PlotError;
pub use model::{Choice, Gap, Options, PanelKind, Plot, PlotInput, Rank, TOP_MAX, choose, differences, is_ssh};

#[cfg(test)]
mod tests;
