//! How a [`Plot`] is drawn: its parts get areas, are drawn on a canvas, and that is encoded.
//!
//! From what to where to how: `areas`, `axis` (values → pixels and ticks), `shades`, `frame`; `curves` (with `steps`)
//! and `lanes`, one for each kind of panel; `table`; `canvas` (what there is to draw with), `surface` (the same on
//! plotters); and a file for each format. A new format is a file beside `svg`, and its line in [`render`].

mod areas;
mod axis;
mod canvas;
mod color;
mod curves;
mod font;
mod frame;
mod lanes;
mod png;
mod shades;
mod steps;
mod surface;
mod svg;
mod table;

use crate::error::PlotError;
use crate::model::{Content, Plot};
use areas::{Areas, EDGE};
use axis::TimeAxis;
use canvas::{Align, Canvas, Lettering, Point, Rect};
use color::{DARK, GREY};
use font::{Fonts, TEXT, TITLE};
use frame::Common;

pub use color::{Color, PALETTE, of_sort};

/// What kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Pixels.
    #[default]
    Png,
    /// Vectors, with text as text.
    Svg,
}

/// How large a picture is, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// At least 640.
    pub width: u32,
    /// At least 480; the picture becomes higher where its parts need more.
    pub height: u32,
}

impl Size {
    /// Below this the texts would cover each other.
    pub const MIN: Size = Size { width: 640, height: 480 };
}

impl Default for Size {
    fn default() -> Self {
        Size { width: 1600, height: 1200 }
    }
}

/// Draws the picture: a PNG file, or an SVG document in UTF-8.
///
/// # Errors
/// [`PlotError::Encode`], for a size that no file can have.
pub fn render(plot: &Plot, format: Format, size: Size) -> Result<Vec<u8>, PlotError> {
    let fonts = Fonts::new()?;
    let areas = Areas::of(plot, size, &fonts);
    match format {
        Format::Png => png::file(areas.size(), &fonts, |canvas| draw(plot, &areas, &fonts, canvas)),
        Format::Svg => svg::document(areas.size(), &fonts, |canvas| draw(plot, &areas, &fonts, canvas)),
    }
}

fn draw(plot: &Plot, areas: &Areas, fonts: &Fonts, canvas: &mut impl Canvas) {
    draw_head(plot, areas, fonts, canvas);
    let Rect { left, right, .. } = areas.time_axis();
    let time = TimeAxis::new(&plot.time, left, right);
    let ticks = time.ticks(|label| fonts.width(label, TEXT, false));
    let grid: Vec<f32> = ticks.iter().map(|tick| tick.0).collect();
    let shades = shades::shades(&plot.gaps, &time);
    let common =
        Common { fonts, rows: &plot.table.rows, shades: &shades, time: &time, grid: &grid, backdrop: &plot.backdrop };
    for (at, (panel, &rect)) in plot.panels.iter().zip(&areas.panels).enumerate() {
        match &panel.content {
            _ if panel.is_empty() => common.draw_empty(canvas, rect, panel),
            Content::Curves(content) => curves::draw(&common, canvas, rect, panel, content, at == 0),
            Content::Lanes(content) => lanes::draw(&common, canvas, rect, panel, content),
        }
    }
    draw_time_labels(&plot.time.caption(), areas, canvas, &ticks);
    table::draw(&common, canvas, &plot.table, &plot.notes, Point { x: EDGE, y: areas.table_top }, areas.right);
}

fn draw_head(plot: &Plot, areas: &Areas, fonts: &Fonts, canvas: &mut impl Canvas) {
    let width = areas.right - EDGE;
    let title = Lettering { size: TITLE, bold: true, color: DARK, align: Align::Left };
    canvas.text(Point { x: EDGE, y: 40.0 }, &fonts.fit(&plot.title, TITLE, true, width), title);
    let facts = Lettering { size: TEXT, bold: false, color: GREY, align: Align::Left };
    let text = fonts.fit(&plot.facts.join("  ·  "), TEXT, false, width);
    canvas.text(Point { x: EDGE, y: 68.0 }, &text, facts);
}

fn draw_time_labels(caption: &str, areas: &Areas, canvas: &mut impl Canvas, ticks: &[(f32, String)]) {
    let Rect { left, right, bottom, .. } = areas.time_axis();
    let lettering = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Center };
    for (x, label) in ticks {
        canvas.text(Point { x: *x, y: bottom + 22.0 }, label, lettering);
    }
    canvas.text(Point { x: (left + right) / 2.0, y: bottom + 47.0 }, caption, lettering);
}
