//! A panel of lanes: bars whose height is a count.

use super::axis::TimeAxis;
use super::canvas::{Align, Canvas, Lettering, Point, Rect};
use super::color::{DARK, GRID};
use super::font::{Fonts, TEXT};
use super::frame::{Common, stretches};
use crate::model::{Ink, Lane, Panel};
use crate::units::{duration, grouped};

/// What happened in one stretch of this width shares a bar.
const BAR_PITCH: f32 = 4.0;

/// How high a panel of these lanes is.
pub fn height(lanes: &[Lane]) -> f32 {
    let is_spans = lanes.iter().all(|lane| lane.bars.is_empty());
    match lanes.len() {
        0 => 36.0,
        count if is_spans => 24.0 * count as f32,
        count @ 1..=4 => 36.0 * count as f32,
        count @ 5..=8 => 26.0 * count as f32,
        count => 20.0 * count as f32,
    }
}

/// How wide the widest label of these lanes is.
pub fn labels_width(lanes: &[Lane], fonts: &Fonts) -> f32 {
    lanes.iter().map(|lane| fonts.width(&lane.label, TEXT, true)).fold(0.0, f32::max)
}

/// Draws `lanes`, all of `panel`.
pub fn draw(common: &Common, canvas: &mut impl Canvas, rect: Rect, panel: &Panel, lanes: &[Lane]) {
    let bars: Vec<Vec<(f32, u64)>> = lanes.iter().map(|lane| bars(lane, common.time)).collect();
    let highest = bars.iter().flatten().map(|bar| bar.1).max().unwrap_or(0);
    let pitch = duration((common.time.ns_per_pixel() * f64::from(BAR_PITCH)) as u64);
    let mut remarks = panel.remarks.clone();
    remarks.extend((highest > 1).then(|| format!("highest bar: {} in {pitch}", grouped(highest))));
    common.draw_frame(canvas, rect, panel, &remarks, None);
    let height = rect.height() / lanes.len() as f32;
    for (at, (lane, bars)) in lanes.iter().zip(bars).enumerate() {
        let bottom = rect.top + height * (at + 1) as f32;
        if at + 1 < lanes.len() {
            canvas.fill(Rect { top: bottom.round() - 1.0, bottom: bottom.round(), ..rect }, GRID, 1.0);
        }
        let color = common.color(lane.ink);
        for (left, right, ink) in stretches(&lane.spans, common.time) {
            let (left, right) = (left.clamp(rect.left, rect.right), right.clamp(rect.left, rect.right));
            let span = Rect { left, right, top: (bottom - height + 4.0).round(), bottom: (bottom - 4.0).round() };
            canvas.fill(span, common.color(ink), 1.0);
        }
        for (x, count) in bars {
            // Even a single one must be seen beside a burst.
            let part = 0.25 + 0.75 * count as f32 / highest as f32;
            let top = bottom - 1.0 - part * (height - 4.0);
            canvas.fill(Rect { left: x, right: x + BAR_PITCH - 1.0, top, bottom: bottom - 1.0 }, color, 1.0);
        }
        let (bold, color) = if let Ink::Row(_) = lane.ink { (true, color) } else { (false, DARK) };
        let lettering = Lettering { size: TEXT, bold, color, align: Align::Right };
        let at = Point { x: rect.left - 10.0, y: bottom - height / 2.0 + 6.0 };
        canvas.text(at, &lane.label, lettering);
    }
}

/// Left edge and count of each bar of a lane.
fn bars(lane: &Lane, time: &TimeAxis) -> Vec<(f32, u64)> {
    let mut bars: Vec<(f32, u64)> = Vec::new();
    for bar in &lane.bars {
        let left = (time.at(bar.time_ns) / BAR_PITCH).floor() * BAR_PITCH;
        match bars.last_mut() {
            Some(last) if last.0 == left => last.1 += bar.count,
            _ => bars.push((left, bar.count)),
        }
    }
    bars
}
