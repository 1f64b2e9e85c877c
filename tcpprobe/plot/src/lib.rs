//! Plots: connections and their curves in, a picture out. Pure: no files, no clock, no environment.
//!
//! Three panels share a time axis: the congestion window with ssthresh, the smoothed RTT, and the retransmissions.
//! [`select`] says which connections are drawn; where [`Flows::lacks_curves`] of them, the caller pushes the events once
//! more, into a `Flows` that collects only those. [`render`] then draws them. In the order that data flows: `steps` (bins → points), `axis` (values → pixels and ticks),
//! `figure` (everything → shapes), `drawing` (shapes → bytes).

mod axis;
mod canvas;
mod drawing;
mod figure;
mod font;
mod legend;
mod panels;
mod steps;
mod units;

use tcpprobe::flow::{Flow, Flows};

/// The port of SSH, left out unless asked for: it is usually the connection that the person at work sits on.
const SSH_PORT: u16 = 22;
/// Most connections in one picture: as many colours as one can tell apart.
pub const TOP_MAX: usize = canvas::PALETTE.len();

/// What kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Pixels.
    #[default]
    Png,
    /// Vectors, with text as text.
    Svg,
}

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What kind of picture.
    pub format: Format,
    /// Width in pixels, at least 640.
    pub width: u32,
    /// Height in pixels, at least 480; the picture becomes higher where its parts need more.
    pub height: u32,
    /// How many connections to draw, those with the most traffic; at most [`TOP_MAX`].
    pub top: usize,
    /// Whether to draw connections on port 22 too.
    pub ssh: bool,
    /// Whether the time axis shows the trace's own clock, and not seconds from the first event.
    pub raw_time: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { format: Format::Png, width: 1600, height: 1200, top: 8, ssh: false, raw_time: false }
    }
}

/// A stretch of time in which events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last event before it, nanoseconds in the trace's clock.
    pub start_ns: u64,
    /// The first event after it.
    pub end_ns: u64,
    /// How many were lost; `None` where the kernel did not say.
    pub lost: Option<u64>,
}

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct PlotInput<'a> {
    /// The connections, with curves for those that [`select`] names.
    pub flows: &'a Flows,
    /// The name of the job or file.
    pub title: &'a str,
    /// The release of the kernel that recorded it.
    pub kernel: Option<&'a str>,
    /// The machine that recorded it.
    pub host: Option<&'a str>,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where it is known.
    pub utc_offset_ns: Option<i64>,
    /// Where events were lost.
    pub gaps: &'a [Gap],
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlotError {
    /// The trace has no event that could be drawn.
    #[error("nothing to draw: the trace has no tcp_probe and no tcp_retransmit_skb events")]
    NoEvents,
    /// There are connections, but all of them are on port 22.
    #[error("nothing to draw: port 22 (SSH) is left out, and {} on it; --ssh draws them", connections_are(*.0))]
    OnlySsh(usize),
    /// The curves of a connection were not collected: it needs a second pass.
    #[error("the curves of connection {0} were not collected")]
    NoCurves(u32),
    /// The font or the picture could not be made.
    #[error("cannot make the picture: {0}")]
    Encode(String),
}

fn connections_are(count: usize) -> String {
    if count == 1 { "the only connection is".to_owned() } else { format!("all {count} connections are") }
}

/// Which connections are drawn, and which are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// Ids of those drawn, the one with the most traffic first.
    pub shown: Vec<u32>,
    /// Connections that had too little traffic to be drawn.
    pub more: usize,
    /// Their part of the bytes of all connections but those left out, 0 to 1.
    pub more_share: f64,
    /// Connections left out because they are on port 22.
    pub ssh: usize,
}

/// Chooses the connections to draw.
///
/// # Errors
/// When there are none, or none but SSH.
pub fn select(flows: &Flows, options: &Options) -> Result<Selection, PlotError> {
    let is_ssh = |flow: &Flow| [flow.connection.local, flow.connection.peer].iter().any(|end| end.port() == SSH_PORT);
    let wanted = |flow: &Flow| options.ssh || !is_ssh(flow);
    let shown = flows.top_of(options.top.clamp(1, TOP_MAX), wanted);
    let ssh = flows.all().iter().filter(|flow| !wanted(flow)).count();
    if shown.is_empty() {
        return Err(if ssh > 0 { PlotError::OnlySsh(ssh) } else { PlotError::NoEvents });
    }
    let all: u64 = flows.all().iter().filter(|flow| wanted(flow)).map(|flow| flow.totals.traffic()).sum();
    let all = all + flows.beyond().traffic();
    let drawn: u64 = shown.iter().filter_map(|&id| flows.get(id)).map(|flow| flow.totals.traffic()).sum();
    let more = flows.all().len() - ssh - shown.len();
    let more_share = if all == 0 { 0.0 } else { (all - drawn) as f64 / all as f64 };
    Ok(Selection { shown, more, more_share, ssh })
}

/// Draws the picture: a PNG file, or an SVG document in UTF-8.
///
/// # Errors
/// Those of [`select`]; and when a selected connection has no curves.
pub fn render(input: &PlotInput, options: &Options) -> Result<Vec<u8>, PlotError> {
    let selection = select(input.flows, options)?;
    let fonts = font::Fonts::new()?;
    let figure = figure::Figure::new(input, options, &selection, &fonts)?;
    match options.format {
        Format::Png => drawing::png(figure.size(), &fonts, |canvas| figure.draw(canvas)),
        Format::Svg => drawing::svg(figure.size(), &fonts, |canvas| figure.draw(canvas)),
    }
}

#[cfg(test)]
mod tests;
