//! The figure: title, three panels over one time axis, and below them a legend that is a table.

use jiff::Timestamp;
use tcpprobe::flow::{Curves, Flow};

use super::axis::TimeAxis;
use super::canvas::{Align, Canvas, Color, DARK, GREY, Lettering, PALETTE, Point, Rect};
use super::font::Fonts;
use super::legend::{self, Legend};
use super::panels::{self, Shade};
use super::units::{counted, duration};
use super::{Options, PlotError, PlotInput, Selection};

const MARGIN_LEFT: f32 = 96.0;
pub const MARGIN_RIGHT: f32 = 28.0;
const HEAD_HEIGHT: f32 = 76.0;
/// Above each panel, for its heading.
const HEADING_HEIGHT: f32 = 40.0;
/// Below the panels, for the labels of the time axis.
const TIME_HEIGHT: f32 = 66.0;
const PANEL_HEIGHT_MIN: f32 = 180.0;
/// Between the legend and the lower edge.
const FOOT_HEIGHT: f32 = 14.0;

/// Size of most texts: readable still where the picture is as wide as a printed page.
pub const TEXT: f32 = 16.0;
/// Size of the headings of the panels.
pub const HEADING: f32 = 18.0;
const TITLE: f32 = 26.0;

/// One connection in the figure.
pub struct Line<'a> {
    pub flow: &'a Flow,
    pub curves: &'a Curves,
    pub color: Color,
    pub name: String,
}

/// Where everything is.
struct Layout {
    width: f32,
    height: f32,
    cwnd: Rect,
    srtt: Rect,
    lanes: Rect,
    legend_top: f32,
}

impl Layout {
    /// As high as asked for, or as high as is needed.
    fn new((width, height): (f32, f32), lanes_height: f32, legend_height: f32) -> Self {
        let fixed = HEAD_HEIGHT + 3.0 * HEADING_HEIGHT + lanes_height + TIME_HEIGHT + legend_height + FOOT_HEIGHT;
        let height = height.max((fixed + 2.0 * PANEL_HEIGHT_MIN).ceil());
        let room = height - fixed;
        let panel = |top: f32, height: f32| Rect {
            left: MARGIN_LEFT,
            right: width - MARGIN_RIGHT,
            top: top.round(),
            bottom: (top + height).round(),
        };
        let cwnd = panel(HEAD_HEIGHT + HEADING_HEIGHT, 0.55 * room);
        let srtt = panel(cwnd.bottom + HEADING_HEIGHT, 0.45 * room);
        let lanes = panel(srtt.bottom + HEADING_HEIGHT, lanes_height);
        Layout { width, height, cwnd, srtt, lanes, legend_top: lanes.bottom + TIME_HEIGHT }
    }
}

/// Everything about a picture but its pixels.
pub struct Figure<'a> {
    input: &'a PlotInput<'a>,
    fonts: &'a Fonts,
    lines: Vec<Line<'a>>,
    shades: Vec<Shade>,
    time: TimeAxis,
    /// Times of the first and the last event of the connections drawn.
    range: (u64, u64),
    raw_time: bool,
    legend: Legend,
    layout: Layout,
}

impl<'a> Figure<'a> {
    pub fn new(
        input: &'a PlotInput<'a>,
        options: &Options,
        selection: &Selection,
        fonts: &'a Fonts,
    ) -> Result<Self, PlotError> {
        let lines = selection.shown.iter().zip(PALETTE).map(|(&id, color)| {
            let flow = input.flows.get(id).ok_or(PlotError::NoCurves(id))?;
            let curves = flow.curves.as_deref().ok_or(PlotError::NoCurves(id))?;
            let name = format!("{} → {}", flow.connection.local, flow.connection.peer);
            Ok(Line { flow, curves, color, name })
        });
        let lines: Vec<Line> = lines.collect::<Result<_, PlotError>>()?;
        let first = lines.iter().map(|line| line.flow.totals.first_time).min().ok_or(PlotError::NoEvents)?;
        let last = lines.iter().map(|line| line.flow.totals.last_time).max().ok_or(PlotError::NoEvents)?;
        let legend = Legend::new(&lines, legend::notes(input, selection));
        let size = (options.width.max(640) as f32, options.height.max(480) as f32);
        let layout = Layout::new(size, panels::lanes_height(&lines), legend.height());
        let time = TimeAxis::new((first, last), options.raw_time, MARGIN_LEFT, size.0 - MARGIN_RIGHT);
        let shades = panels::shades(input.gaps, (first, last), &time);
        Ok(Figure {
            input,
            fonts,
            lines,
            shades,
            time,
            range: (first, last),
            raw_time: options.raw_time,
            legend,
            layout,
        })
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.layout.width as u32, self.layout.height as u32)
    }

    pub fn draw(&self, canvas: &mut impl Canvas) {
        let Layout { cwnd, srtt, lanes, width, legend_top, .. } = self.layout;
        self.draw_head(canvas);
        let ticks = self.time.ticks(|label| self.fonts.width(label, TEXT, false));
        let grid: Vec<f32> = ticks.iter().map(|tick| tick.0).collect();
        let panel = panels::Panels {
            lines: &self.lines,
            shades: &self.shades,
            time: &self.time,
            grid: &grid,
            fonts: self.fonts,
        };
        panel.draw_cwnd(canvas, cwnd);
        panel.draw_srtt(canvas, srtt);
        panel.draw_retransmissions(canvas, lanes);
        self.draw_time_labels(canvas, &ticks);
        self.legend.draw(canvas, self.fonts, Point { x: 24.0, y: legend_top }, width - MARGIN_RIGHT);
    }

    fn draw_head(&self, canvas: &mut impl Canvas) {
        let left = 24.0;
        let width = self.layout.width - left - MARGIN_RIGHT;
        let title = Lettering { size: TITLE, bold: true, color: DARK, align: Align::Left };
        canvas.text(Point { x: left, y: 40.0 }, &self.fonts.fit(self.input.title, TITLE, true, width), title);
        let flows = self.input.flows;
        let facts = [
            self.input.host.map(str::to_owned),
            self.input.kernel.map(|kernel| format!("Linux {kernel}")),
            self.utc(self.range.0),
            Some(duration(self.range.1 - self.range.0)),
            Some(counted(flows.events(), "event", "events")),
            Some(counted(flows.all().len() as u64, "connection", "connections")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let subtitle = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Left };
        let text = self.fonts.fit(&facts.join("  ·  "), TEXT, false, width);
        canvas.text(Point { x: left, y: 68.0 }, &text, subtitle);
    }

    fn draw_time_labels(&self, canvas: &mut impl Canvas, ticks: &[(f32, String)]) {
        let Rect { left, right, bottom, .. } = self.layout.lanes;
        let lettering = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Center };
        for (x, label) in ticks {
            canvas.text(Point { x: *x, y: bottom + 22.0 }, label, lettering);
        }
        let unit = self.time.unit;
        let what = match self.utc(self.range.0) {
            _ if self.raw_time => format!("time in the trace's clock, {unit}"),
            Some(utc) => format!("{unit} since {utc}"),
            None => format!("{unit} since {:.6} s in the trace's clock", self.range.0 as f64 / 1e9),
        };
        canvas.text(Point { x: (left + right) / 2.0, y: bottom + 47.0 }, &what, lettering);
    }

    /// RFC 3339, to the microsecond.
    fn utc(&self, time: u64) -> Option<String> {
        let nanos = i128::from(time) + i128::from(self.input.utc_offset_ns?);
        Some(format!("{:.6}", Timestamp::from_nanosecond(nanos - nanos.rem_euclid(1000)).ok()?))
    }
}
