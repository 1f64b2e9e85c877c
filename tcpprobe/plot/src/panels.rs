//! The three panels: congestion window, smoothed RTT, retransmissions.

use tcpprobe::flow::Metric;

use super::Gap;
use super::axis::{Scale, TimeAxis, ValueAxis};
use super::canvas::{Align, Canvas, Color, DARK, FRAME, GREY, GRID, Lettering, Point, Rect, Stroke};
use super::figure::{HEADING, Line, TEXT};
use super::font::Fonts;
use super::steps::steps;
use super::units::{counted, duration, grouped};

/// Least distance of two ticks on a vertical axis.
const TICK_DISTANCE: f32 = 44.0;
/// Retransmissions in one stretch of this width share a bar.
const BAR_PITCH: f32 = 4.0;
/// Size of the marks on a curve, and in a crowd.
const MARK_SIZES: [f32; 2] = [7.0, 4.0];
/// More marks than this are a crowd.
const CROWD: usize = 250;
/// From this ratio of the largest to the usual value on, an axis is logarithmic.
const LOG_RATIO: u32 = 40;
const SHADE_WIDTH_MIN: f32 = 2.0;
const SHADE: (Color, f32) = (Color(0xd0, 0x20, 0x20), 0.14);
const SHADE_TEXT: Color = Color(0xa0, 0x18, 0x18);

/// A stretch of the time axis in which events were lost.
pub struct Shade {
    left: f32,
    right: f32,
    lost: u64,
    /// Whether more may have been lost.
    unknown: bool,
}

/// `gaps` within `range` as pixels; those that touch become one.
pub fn shades(gaps: &[Gap], range: (u64, u64), time: &TimeAxis) -> Vec<Shade> {
    let mut inside: Vec<&Gap> = gaps.iter().filter(|gap| gap.end_ns >= range.0 && gap.start_ns <= range.1).collect();
    inside.sort_by_key(|gap| gap.start_ns);
    let mut shades: Vec<Shade> = Vec::new();
    for gap in inside {
        let (left, right) = (time.at(gap.start_ns), time.at(gap.end_ns));
        let (lost, unknown) = (gap.lost.unwrap_or(0), gap.lost.is_none());
        match shades.last_mut() {
            Some(before) if left <= before.right => {
                before.right = before.right.max(right);
                before.lost = before.lost.saturating_add(lost);
                before.unknown |= unknown;
            }
            _ => shades.push(Shade { left, right: right.max(left + SHADE_WIDTH_MIN), lost, unknown }),
        }
    }
    shades
}

/// `1,234 events lost`, as far as it is known.
pub fn lost_text(lost: u64, unknown: bool) -> String {
    match (lost, unknown) {
        (0, true) => "events lost".to_owned(),
        (lost, true) => format!("more than {} lost", counted(lost, "event", "events")),
        (lost, false) => format!("{} lost", counted(lost, "event", "events")),
    }
}

/// The connections with retransmissions: each has a lane.
fn lanes<'a>(lines: &'a [Line<'a>]) -> impl Iterator<Item = &'a Line<'a>> {
    lines.iter().filter(|line| line.flow.totals.retransmissions > 0)
}

/// How high the panel of retransmissions must be.
pub fn lanes_height(lines: &[Line]) -> f32 {
    match lanes(lines).count() {
        0 => 36.0,
        count @ 1..=4 => 36.0 * count as f32,
        count @ 5..=8 => 26.0 * count as f32,
        count => 20.0 * count as f32,
    }
}

fn median(values: impl Iterator<Item = u32>) -> Option<u32> {
    let mut values: Vec<u32> = values.collect();
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable(middle).1)
}

/// What the panels have in common.
pub struct Panels<'a> {
    pub lines: &'a [Line<'a>],
    pub shades: &'a [Shade],
    pub time: &'a TimeAxis,
    /// Pixels of the ticks of the time axis.
    pub grid: &'a [f32],
    pub fonts: &'a Fonts,
}

impl Panels<'_> {
    pub fn draw_cwnd(&self, canvas: &mut impl Canvas, rect: Rect) {
        let heading = "Congestion window, packets";
        let Some((min, max)) = self.range(&[Metric::SndCwnd, Metric::Ssthresh]) else {
            return self.draw_empty(canvas, rect, heading, "no tcp_probe events");
        };
        let scale = if self.needs_log(Metric::SndCwnd, max) { Scale::Log } else { Scale::FromZero };
        let axis = ValueAxis::new(scale, (min.into(), max.into()), rect.bottom, rect.top);
        let mut remarks = Vec::new();
        if self.range(&[Metric::Ssthresh]).is_some() {
            remarks.push("dashed: ssthresh, where it is set");
        }
        if lanes(self.lines).next().is_some() {
            remarks.push("▼ retransmission");
        }
        self.draw_frame(canvas, rect, heading, &remarks, Some(&axis));
        self.draw_shade_labels(canvas, rect);
        for line in self.lines {
            self.draw_steps(canvas, line, Metric::Ssthresh, |packets| axis.at(f64::from(packets)));
        }
        for line in self.lines {
            self.draw_steps(canvas, line, Metric::SndCwnd, |packets| axis.at(f64::from(packets)));
        }
        self.draw_marks(canvas, &axis);
    }

    pub fn draw_srtt(&self, canvas: &mut impl Canvas, rect: Rect) {
        let heading = "Smoothed RTT, milliseconds";
        let Some((min, max)) = self.range(&[Metric::Srtt]) else {
            return self.draw_empty(canvas, rect, heading, "no tcp_probe events");
        };
        let scale = match max - min {
            _ if self.needs_log(Metric::Srtt, max) => Scale::Log,
            span if min > max / 2 && span > max / 32 => Scale::Near,
            _ => Scale::FromZero,
        };
        let [low, high] = [min, max].map(|micros| f64::from(micros) * 1e-3);
        let axis = ValueAxis::new(scale, (low, high), rect.bottom, rect.top);
        self.draw_frame(canvas, rect, heading, &[], Some(&axis));
        for line in self.lines {
            self.draw_steps(canvas, line, Metric::Srtt, |micros| axis.at(f64::from(micros) * 1e-3));
        }
    }

    /// A lane for each connection that has any: bars whose height is a count.
    pub fn draw_retransmissions(&self, canvas: &mut impl Canvas, rect: Rect) {
        let heading = "Retransmissions by connection";
        let lanes: Vec<(&Line, Vec<(f32, u64)>)> = lanes(self.lines).map(|line| (line, self.bars(line))).collect();
        let Some(highest) = lanes.iter().flat_map(|(_, bars)| bars).map(|bar| bar.1).max() else {
            return self.draw_empty(canvas, rect, heading, "none");
        };
        let pitch = duration((self.time.ns_per_pixel() * f64::from(BAR_PITCH)) as u64);
        let remark = match highest {
            1 => "number at the left".to_owned(),
            _ => format!("number at the left, highest bar: {} in {pitch}", grouped(highest)),
        };
        self.draw_frame(canvas, rect, heading, &[&remark], None);
        let height = rect.height() / lanes.len() as f32;
        for (row, (line, bars)) in lanes.iter().enumerate() {
            let bottom = rect.top + height * (row + 1) as f32;
            if row + 1 < lanes.len() {
                canvas.fill(Rect { top: bottom.round() - 1.0, bottom: bottom.round(), ..rect }, GRID, 1.0);
            }
            for &(x, count) in bars {
                // Even a single one must be seen beside a burst.
                let part = 0.25 + 0.75 * count as f32 / highest as f32;
                let top = bottom - 1.0 - part * (height - 4.0);
                canvas.fill(Rect { left: x, right: x + BAR_PITCH - 1.0, top, bottom: bottom - 1.0 }, line.color, 1.0);
            }
            let lettering = Lettering { size: TEXT, bold: true, color: line.color, align: Align::Right };
            let at = Point { x: rect.left - 10.0, y: bottom - height / 2.0 + 6.0 };
            canvas.text(at, &grouped(line.flow.totals.retransmissions), lettering);
        }
    }

    /// Left edge and count of each bar of a lane.
    fn bars(&self, line: &Line) -> Vec<(f32, u64)> {
        let mut bars: Vec<(f32, u64)> = Vec::new();
        for mark in line.curves.retransmissions.bins() {
            let left = (self.time.at(mark.first_time) / BAR_PITCH).floor() * BAR_PITCH;
            match bars.last_mut() {
                Some(bar) if bar.0 == left => bar.1 += mark.count,
                _ => bars.push((left, mark.count)),
            }
        }
        bars
    }

    /// Smallest and largest value that is drawn of these metrics.
    fn range(&self, metrics: &[Metric]) -> Option<(u32, u32)> {
        let ranges = self.lines.iter().flat_map(|line| metrics.iter().filter_map(|&metric| line.curves.range(metric)));
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Whether `max` is so far above what is usual for `metric` that a linear axis would show nothing else.
    ///
    /// Connections that sent next to nothing, like the receivers of bulk data, do not count.
    fn needs_log(&self, metric: Metric, max: u32) -> bool {
        let most = self.lines.iter().map(|line| line.flow.totals.bytes_acked).max().unwrap_or(0);
        let senders = self.lines.iter().filter(|line| line.flow.totals.bytes_acked >= most / 100);
        let usual = senders.filter_map(|line| median(line.curves.bins(metric).filter_map(|bin| bin.last))).min();
        usual.is_some_and(|usual| usual > 0 && max / usual >= LOG_RATIO)
    }

    /// Heading, grid, shades, frame and the labels of the vertical axis.
    fn draw_frame(
        &self,
        canvas: &mut impl Canvas,
        rect: Rect,
        heading: &str,
        remarks: &[&str],
        axis: Option<&ValueAxis>,
    ) {
        let vertical = |x: f32| Rect { left: x.round(), right: x.round() + 1.0, ..rect };
        let horizontal = |y: f32| Rect { top: y.round(), bottom: y.round() + 1.0, ..rect };
        for &x in self.grid {
            canvas.fill(vertical(x), GRID, 1.0);
        }
        let label = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Right };
        for (value, text) in axis.map(|axis| axis.ticks(TICK_DISTANCE)).unwrap_or_default() {
            let y = axis.map_or(rect.bottom, |axis| axis.at(value));
            canvas.fill(horizontal(y), GRID, 1.0);
            canvas.text(Point { x: rect.left - 10.0, y: y + 6.0 }, &text, label);
        }
        for shade in self.shades {
            canvas.fill(Rect { left: shade.left, right: shade.right, ..rect }, SHADE.0, SHADE.1);
        }
        for edge in [vertical(rect.left), vertical(rect.right), horizontal(rect.bottom), horizontal(rect.top)] {
            canvas.fill(edge, FRAME, 1.0);
        }
        let title = Lettering { size: HEADING, bold: true, color: DARK, align: Align::Left };
        canvas.text(Point { x: rect.left, y: rect.top - 10.0 }, heading, title);
        let mut remarks = remarks.to_vec();
        match axis.map(ValueAxis::scale) {
            Some(Scale::Log) => remarks.push("logarithmic"),
            Some(Scale::Near) => remarks.push("the axis does not begin at 0"),
            Some(Scale::FromZero) | None => {}
        }
        let x = rect.left + self.fonts.width(heading, HEADING, true) + 18.0;
        let remark = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Left };
        canvas.text(Point { x, y: rect.top - 10.0 }, &remarks.join("  ·  "), remark);
    }

    /// A panel that has only `reason` to show.
    fn draw_empty(&self, canvas: &mut impl Canvas, rect: Rect, heading: &str, reason: &str) {
        self.draw_frame(canvas, rect, heading, &[], None);
        let at = Point { x: (rect.left + rect.right) / 2.0, y: (rect.top + rect.bottom) / 2.0 + 6.0 };
        canvas.text(at, reason, Lettering { size: TEXT, bold: false, color: GREY, align: Align::Center });
    }

    /// Says what was lost, wherever there is room to say it.
    fn draw_shade_labels(&self, canvas: &mut impl Canvas, rect: Rect) {
        let mut free = rect.left;
        for shade in self.shades {
            let text = lost_text(shade.lost, shade.unknown);
            let half = self.fonts.width(&text, TEXT, false) / 2.0 + 6.0;
            let x = ((shade.left + shade.right) / 2.0).clamp(rect.left + half, rect.right - half);
            if x - half >= free {
                let lettering = Lettering { size: TEXT, bold: false, color: SHADE_TEXT, align: Align::Center };
                canvas.text(Point { x, y: rect.top + 20.0 }, &text, lettering);
                free = x + half;
            }
        }
    }

    fn draw_steps(&self, canvas: &mut impl Canvas, line: &Line, metric: Metric, y: impl Fn(u32) -> f32) {
        let (width, dash) = if metric == Metric::Ssthresh { (1, Some((5, 4))) } else { (2, None) };
        let stroke = Stroke { color: line.color, width, dash };
        for points in steps(line.curves.bins(metric), |time| self.time.at(time), y) {
            canvas.line(&points, stroke);
        }
    }

    /// Retransmissions, where the curve was when they happened.
    fn draw_marks(&self, canvas: &mut impl Canvas, axis: &ValueAxis) {
        let mut marks = Vec::new();
        for line in self.lines {
            let mut free = 0.0;
            for mark in line.curves.retransmissions.bins() {
                let x = self.time.at(mark.first_time);
                let packets = line.curves.at(Metric::SndCwnd, mark.first_time);
                if let Some(packets) = packets.filter(|_| x >= free) {
                    marks.push((Point { x, y: axis.at(f64::from(packets)) - 1.0 }, line.color));
                    free = x + MARK_SIZES[1];
                }
            }
        }
        let size = if marks.len() > CROWD { MARK_SIZES[1] } else { MARK_SIZES[0] };
        for (tip, color) in marks {
            canvas.mark(tip, size, color);
        }
    }
}
