//! A panel of curves, with the marks on them.

use super::axis::ValueAxis;
use super::canvas::{Canvas, Point, Rect, Stroke};
use super::frame::Common;
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
    remarks.extend(curves.scale.remark());
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
    let (width, dash) = match curve.shape {
        Shape::Steps => (2, None),
        Shape::DashedSteps => (1, Some((5, 4))),
    };
    let stroke = Stroke { color: common.color(curve.row), width, dash };
    for points in steps(&curve.samples, |time| common.time.at(time), |value| axis.at(value)) {
        canvas.line(&points, stroke);
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
                tips.push((Point { x, y: axis.at(mark.value) - 1.0 }, common.color(mark.row)));
                free = x + MARK_SIZES[1];
            }
        }
    }
    let size = if tips.len() > CROWD { MARK_SIZES[1] } else { MARK_SIZES[0] };
    for (tip, color) in tips {
        canvas.mark(tip, size, color);
    }
}
