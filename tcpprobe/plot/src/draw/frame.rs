//! A panel's frame: heading, grid, shades and the labels of the vertical axis.

use super::axis::{TimeAxis, ValueAxis};
use super::canvas::{Align, Canvas, Lettering, Point, Rect, Stroke};
use super::color::{self, ALLOWED, BACKDROP, BAND, Color, DARK, FRAME, GREY, GRID, PALETTE, WINDOW};
use super::font::{Fonts, HEADING, TEXT};
use super::shades::{self, Shade};
use crate::model::{Ink, Key, Panel, Row, Shape, Span};

/// Least distance of two ticks on a vertical axis.
const TICK_DISTANCE: f32 = 34.0;

/// What the panels have in common.
pub struct Common<'a> {
    pub fonts: &'a Fonts,
    pub rows: &'a [Row],
    pub shades: &'a [Shade],
    pub time: &'a TimeAxis,
    /// Pixels of the ticks of the time axis.
    pub grid: &'a [f32],
    /// What is to be seen behind all curves.
    pub backdrop: &'a [Span],
}

/// Length of a line in a legend, and of a side of an area.
const KEY_LENGTHS: [f32; 2] = [28.0, 13.0];

/// How lines of a shape look.
pub fn stroke(shape: Shape, ink: Ink, color: Color) -> Stroke {
    // What has the colour of the curve beside it must not look like it.
    let is_beside = matches!(ink, Ink::Row(_) | Ink::Any);
    let (width, dash) = match shape {
        Shape::Steps | Shape::Band => (2, None),
        Shape::DashedSteps => (if is_beside { 1 } else { 2 }, Some((6, 5))),
        Shape::DottedSteps => (2, Some((2, 4))),
    };
    Stroke { color, width, dash }
}

impl Common<'_> {
    /// The colour of what something is drawn for.
    pub fn color(&self, ink: Ink) -> Color {
        match ink {
            Ink::Row(row) => PALETTE[self.rows[row].color % PALETTE.len()],
            Ink::Any => GREY,
            Ink::Allowed => ALLOWED,
            Ink::Window => WINDOW,
            Ink::Sort(sort) => color::of_sort(sort),
        }
    }

    /// The frame around `rect`, with the heading of `panel`, and `remarks` behind it.
    pub fn draw_frame(
        &self,
        canvas: &mut impl Canvas,
        rect: Rect,
        panel: &Panel,
        remarks: &[String],
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
        if axis.is_some() {
            self.draw_backdrop(canvas, rect);
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
        let x = self.draw_keys(canvas, &panel.keys, Point { x, y: rect.top - 10.0 }, rect.right);
        let remarks = self.fonts.fit(&remarks.join("  ·  "), TEXT, false, rect.right - x);
        canvas.text(Point { x, y: rect.top - 10.0 }, &remarks, remark);
    }

    /// Draws what explains lines and colours, as far as there is room up to `right`; says where it ends.
    fn draw_keys(&self, canvas: &mut impl Canvas, keys: &[Key], from: Point, right: f32) -> f32 {
        let mut x = from.x;
        for key in keys {
            let [line, side] = KEY_LENGTHS;
            let length = if key.shape.is_some() { line } else { side };
            let width = length + 7.0 + self.fonts.width(&key.text, TEXT, false);
            if x + width > right {
                break;
            }
            let (color, y) = (self.color(key.ink), from.y - 5.0);
            match key.shape {
                None => canvas.fill(Rect { left: x, right: x + side, top: y - 6.0, bottom: y + 7.0 }, color, 1.0),
                Some(Shape::Band) => {
                    canvas.fill(Rect { left: x, right: x + line, top: y - 6.0, bottom: y + 7.0 }, color, BAND);
                }
                Some(shape) => {
                    canvas.line(&[Point { x, y }, Point { x: x + line, y }], stroke(shape, key.ink, color));
                }
            }
            let lettering = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Left };
            canvas.text(Point { x: x + length + 7.0, ..from }, &key.text, lettering);
            x += width + 20.0;
        }
        x
    }

    fn draw_backdrop(&self, canvas: &mut impl Canvas, rect: Rect) {
        for (left, right, ink) in stretches(self.backdrop, self.time) {
            canvas.fill(Rect { left, right, ..rect }, self.color(ink), BACKDROP);
        }
    }

    /// A panel that has only a reason to show, why it is empty.
    pub fn draw_empty(&self, canvas: &mut impl Canvas, rect: Rect, panel: &Panel) {
        self.draw_frame(canvas, rect, panel, &[], None);
        let at = Point { x: (rect.left + rect.right) / 2.0, y: (rect.top + rect.bottom) / 2.0 + 6.0 };
        let lettering = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Center };
        canvas.text(at, panel.if_empty, lettering);
    }
}

/// `spans` in whole pixels. Of those that share a pixel, only the first begins in it.
pub fn stretches(spans: &[Span], time: &TimeAxis) -> Vec<(f32, f32, Ink)> {
    let mut stretches: Vec<(f32, f32, Ink)> = Vec::new();
    let mut free = f32::MIN;
    for span in spans {
        let (left, right) = (time.at(span.from_ns).round().max(free), time.at(span.to_ns).round());
        let right = if right > left { right } else { left + 1.0 };
        if time.at(span.to_ns) < free {
            continue;
        }
        free = right;
        match stretches.last_mut() {
            Some(last) if last.1 == left && last.2 == span.ink => last.1 = right,
            _ => stretches.push((left, right, span.ink)),
        }
    }
    stretches
}
