//! Shades: gaps as stretches of pixels.

use super::axis::TimeAxis;
use super::canvas::{Align, Canvas, Lettering, Point, Rect};
use super::color::{SHADE, SHADE_TEXT};
use super::font::{Fonts, TEXT};
use crate::model::{Gap, Lost};

const WIDTH_MIN: f32 = 2.0;

/// A stretch of the time axis in which events were lost.
pub struct Shade {
    left: f32,
    right: f32,
    lost: Lost,
}

/// `gaps` as pixels; those that touch become one.
pub fn shades(gaps: &[Gap], time: &TimeAxis) -> Vec<Shade> {
    let mut shades: Vec<Shade> = Vec::new();
    for gap in gaps {
        let (left, right) = (time.at(gap.start_ns), time.at(gap.end_ns));
        match shades.last_mut() {
            Some(before) if left <= before.right => {
                before.right = before.right.max(right);
                before.lost = before.lost.and(gap);
            }
            _ => shades.push(Shade { left, right: right.max(left + WIDTH_MIN), lost: Lost::of([gap]) }),
        }
    }
    shades
}

/// Shades a panel.
pub fn draw(shades: &[Shade], canvas: &mut impl Canvas, rect: Rect) {
    for shade in shades {
        canvas.fill(Rect { left: shade.left, right: shade.right, ..rect }, SHADE.0, SHADE.1);
    }
}

/// Says what was lost, wherever there is room to say it.
pub fn draw_labels(shades: &[Shade], canvas: &mut impl Canvas, rect: Rect, fonts: &Fonts) {
    let mut free = rect.left;
    for shade in shades {
        let text = shade.lost.to_string();
        let half = fonts.width(&text, TEXT, false) / 2.0 + 6.0;
        let x = ((shade.left + shade.right) / 2.0).clamp(rect.left + half, rect.right - half);
        if x - half >= free {
            let lettering = Lettering { size: TEXT, bold: false, color: SHADE_TEXT, align: Align::Center };
            canvas.text(Point { x, y: rect.top + 20.0 }, &text, lettering);
            free = x + half;
        }
    }
}
