//! A panel's frame: heading, grid, shades and the labels of the vertical axis.

use super::axis::{TimeAxis, ValueAxis};
use super::canvas::{Align, Canvas, Lettering, Point, Rect};
use super::color::{Color, DARK, FRAME, GREY, GRID, PALETTE};
use super::font::{Fonts, HEADING, TEXT};
use super::shades::{self, Shade};
use crate::model::{Panel, Row};

/// Least distance of two ticks on a vertical axis.
const TICK_DISTANCE: f32 = 44.0;

/// What the panels have in common.
pub struct Common<'a> {
    pub fonts: &'a Fonts,
    pub rows: &'a [Row],
    pub shades: &'a [Shade],
    pub time: &'a TimeAxis,
    /// Pixels of the ticks of the time axis.
    pub grid: &'a [f32],
}

impl Common<'_> {
    /// The colour of what belongs to a row of the table.
    pub fn color(&self, row: usize) -> Color {
        PALETTE[self.rows[row].color % PALETTE.len()]
    }

    /// The frame around `rect`, with the heading of `panel`, and `remarks` behind it.
    pub fn draw_frame(
        &self,
        canvas: &mut impl Canvas,
        rect: Rect,
        panel: &Panel,
        remarks: &[&str],
        axis: Option<&ValueAxis>,
    ) {
        for &x in self.grid {
            canvas.fill(rect.vertical(x), GRID, 1.0);
        }
        let label = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Right };
        for (value, text) in axis.map(|axis| axis.ticks(TICK_DISTANCE)).unwrap_or_default() {
            let y = axis.map_or(rect.bottom, |axis| axis.at(value));
            canvas.fill(rect.horizontal(y), GRID, 1.0);
            canvas.text(Point { x: rect.left - 10.0, y: y + 6.0 }, &text, label);
        }
        shades::draw(self.shades, canvas, rect);
        let (vertical, horizontal) = ([rect.left, rect.right], [rect.bottom, rect.top]);
        for edge in vertical.map(|x| rect.vertical(x)).into_iter().chain(horizontal.map(|y| rect.horizontal(y))) {
            canvas.fill(edge, FRAME, 1.0);
        }
        let heading = panel.heading();
        let title = Lettering { size: HEADING, bold: true, color: DARK, align: Align::Left };
        canvas.text(Point { x: rect.left, y: rect.top - 10.0 }, &heading, title);
        let x = rect.left + self.fonts.width(&heading, HEADING, true) + 18.0;
        let remark = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Left };
        canvas.text(Point { x, y: rect.top - 10.0 }, &remarks.join("  ·  "), remark);
    }

    /// A panel that has only a reason to show, why it is empty.
    pub fn draw_empty(&self, canvas: &mut impl Canvas, rect: Rect, panel: &Panel) {
        self.draw_frame(canvas, rect, panel, &[], None);
        let at = Point { x: (rect.left + rect.right) / 2.0, y: (rect.top + rect.bottom) / 2.0 + 6.0 };
        let lettering = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Center };
        canvas.text(at, panel.if_empty, lettering);
    }
}
