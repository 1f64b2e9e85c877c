//! What a figure is drawn with: filled rectangles, lines along the axes, marks and text. Units are pixels.

use super::color::Color;

/// From the left and from the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

/// An upright rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    pub left: f32,
    pub top: f32,
    pub right: f32,
    pub bottom: f32,
}

impl Rect {
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    /// The column of pixels at `x`.
    pub fn vertical(&self, x: f32) -> Rect {
        Rect { left: x.round(), right: x.round() + 1.0, ..*self }
    }

    /// The row of pixels at `y`.
    pub fn horizontal(&self, y: f32) -> Rect {
        Rect { top: y.round(), bottom: y.round() + 1.0, ..*self }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub struct Stroke {
    pub color: Color,
    pub width: i32,
    /// Lengths of dash and gap.
    pub dash: Option<(i32, i32)>,
}

/// Which part of a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Lettering {
    /// Height of an em, in pixels.
    pub size: f32,
    pub bold: bool,
    pub color: Color,
    pub align: Align,
}

/// Something to draw on. What is drawn later covers what was drawn before.
pub trait Canvas {
    /// Fills `rect`; an `alpha` below 1 lets through what is under it.
    fn fill(&mut self, rect: Rect, color: Color, alpha: f32);

    /// Draws a line through `points`, each of which differs from the one before in x or in y, not in both.
    fn line(&mut self, points: &[Point], stroke: Stroke);

    /// Draws a triangle of this width and height whose tip points down at `tip`.
    fn mark(&mut self, tip: Point, size: f32, color: Color);

    /// Writes `text` with its baseline at `at`.
    fn text(&mut self, at: Point, text: &str, lettering: Lettering);
}
