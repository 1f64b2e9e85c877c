//! SVG: a document whose text stays text.

use plotters::backend::SVGBackend;
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, TextStyle};

use super::canvas::{Align, Lettering, Point, Stroke};
use super::font::Fonts;
use super::surface::{Corner, Medium, Surface, failure, opaque, pixel};
use crate::error::PlotError;

/// What a viewer of the document may choose from; the first is the one its texts were measured in.
const FAMILIES: &str = "DejaVu Sans, Verdana, sans-serif";
/// plotters' sizes are heights of lines, of which its SVG backend takes this for an em's.
const LINE_PER_EM: f64 = 1.24;
/// How far below its top plotters' SVG backend puts a text's baseline, in ems.
const BASELINE: f32 = 0.76;

/// What `draw` draws, as an SVG document.
pub fn document(
    size: (u32, u32),
    fonts: &Fonts,
    draw: impl FnOnce(&mut Surface<SVGBackend>),
) -> Result<Vec<u8>, PlotError> {
    let mut document = String::new();
    Surface::new(SVGBackend::with_string(&mut document, size), fonts).finish(draw)?;
    Ok(document.into_bytes())
}

impl Medium for SVGBackend<'_> {
    fn steps(&mut self, points: &[Corner], stroke: Stroke) -> Result<(), PlotError> {
        let style = opaque(stroke.color).stroke_width(stroke.width as u32);
        self.draw_path(points.iter().copied(), &style).map_err(failure)
    }

    fn letters(&mut self, at: Point, text: &str, lettering: Lettering, _: &Fonts) -> Result<(), PlotError> {
        let Lettering { size, bold, color, align } = lettering;
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Center => HPos::Center,
            Align::Right => HPos::Right,
        };
        let face = if bold { FontStyle::Bold } else { FontStyle::Normal };
        let style = TextStyle {
            font: FontDesc::new(FontFamily::Name(FAMILIES), f64::from(size) * LINE_PER_EM, face),
            color: opaque(color).to_backend_color(),
            pos: Pos::new(h_pos, VPos::Top),
        };
        self.draw_text(&writable(text), &style, pixel(at.x, at.y - BASELINE * size)).map_err(failure)
    }
}

/// `text` in one line, and U+FFFD for what XML 1.0 does not allow; plotters escapes the markup.
fn writable(text: &str) -> String {
    let replace = |c| match c {
        '\t' | '\n' | '\r' => ' ',
        '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(replace).collect()
}
