//! A panel of curves, with the marks on them.

use super::axis::ValueAxis;
use super::canvas::{Canvas, Point, Rect};
use super::color::BAND;
use super::frame::{Common, stroke};
use super::shades;
use super::steps::steps;
use crate::model::{Curve, Curves, Panel, Shape};

/// Size of the marks on a curve, and in a crowd.
const MARK_SIZES: [f32; 2] = [7.0, 4.0];
/// More marks than this are a crowd.
const CROWD: usize = 250;

/// Draws `curves`, all of `panel`; `first` is the topmost, which says how much was lost in the gaps of all.
pub fn draw(common: &Common, canvas: &mut impl Canvas, rect: Rect, panel: &Panel, curves: &Curves, first: bool) {
    let axis = ValueAxis::new(curves.scale, curves.range, rect.bottom, rect.top);
    let mut remarks = panel.remarks.clone();
    remarks.extend(curves.scale.remark().map(str::to_owned));
    common.draw_frame(canvas, rect, panel, &remarks, Some(&axis));
    if first {
        shades::draw_labels(common.shades, canvas, rect, common.fonts);
    }
    for curve in &curves.curves {
        draw_curve(common, canvas, curve, &axis);
    }
    draw_marks(common, canvas, curves, &axis);
}

fn draw_curve(common: &Common, canvas: &mut impl Canvas, curve: &Curve, axis: &ValueAxis) {
    let color = common.color(curve.ink);
    if curve.shape == Shape::Band {
        return draw_band(common, canvas, curve, axis);
    }
    let stroke = stroke(curve.shape, curve.ink, color);
    for points in steps(&curve.samples, |time| common.time.at(time), |value| axis.at(value)) {
        canvas.line(&points, stroke);
    }
}

/// What the values of each stretch of time span, up to the next.
fn draw_band(common: &Common, canvas: &mut impl Canvas, curve: &Curve, axis: &ValueAxis) {
    let color = common.color(curve.ink);
    for (at, sample) in curve.samples.iter().enumerate() {
        let Some((min, max)) = sample.range else { continue };
        let next = curve.samples.get(at + 1).map_or(sample.last_ns, |next| next.first_ns);
        let (left, right) = (common.time.at(sample.first_ns).round(), common.time.at(next).round());
        canvas.fill(Rect { left, right, top: axis.at(max), bottom: axis.at(min) }, color, BAND);
    }
}

/// Marks whose tips touch the curve; of those of one row that would cover each other, the first.
fn draw_marks(common: &Common, canvas: &mut impl Canvas, curves: &Curves, axis: &ValueAxis) {
    let mut tips = Vec::new();
    for marks in curves.marks.chunk_by(|a, b| a.row == b.row) {
        let mut free = 0.0;
        for mark in marks {
            let x = common.time.at(mark.time_ns);
            if x >= free {
                tips.push((Point { x, y: axis.at(mark.value) - 1.0 }, common.color(mark.ink)));
                free = x + MARK_SIZES[1];
            }
        }
    }
    let size = if tips.len() > CROWD { MARK_SIZES[1] } else { MARK_SIZES[0] };
    for (tip, color) in tips {
        canvas.mark(tip, size, color);
    }
}
