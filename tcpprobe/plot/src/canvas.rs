//! What a figure is drawn with: filled rectangles, lines along the axes, marks and text. Units are pixels.

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

/// Text, and whatever else must be read.
pub const DARK: Color = Color(0x22, 0x22, 0x22);
/// Text that need not be read first.
pub const GREY: Color = Color(0x66, 0x66, 0x66);
/// Frames.
pub const FRAME: Color = Color(0xb0, 0xb0, 0xb0);
/// Grid lines.
pub const GRID: Color = Color(0xe6, 0xe6, 0xe6);

/// Colours of the connections. The first eight are of Okabe and Ito ("Color Universal Design", 2008; the yellow
/// darkened, for it is drawn on white), the others of Paul Tol's "muted" scheme (SRON/EPS/TN/09-002).
pub const PALETTE: [Color; 16] = [
    Color(0x00, 0x72, 0xb2),
    Color(0xd5, 0x5e, 0x00),
    Color(0x00, 0x9e, 0x73),
    Color(0xcc, 0x79, 0xa7),
    Color(0xe6, 0x9f, 0x00),
    Color(0x56, 0xb4, 0xe9),
    Color(0x00, 0x00, 0x00),
    Color(0xb5, 0xa8, 0x00),
    Color(0x88, 0x22, 0x55),
    Color(0x33, 0x22, 0x88),
    Color(0x44, 0xaa, 0x99),
    Color(0xaa, 0x44, 0x99),
    Color(0x99, 0x99, 0x33),
    Color(0x11, 0x77, 0x33),
    Color(0x66, 0x11, 0x00),
    Color(0x88, 0x88, 0x88),
];

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
