//! The font: DejaVu Sans, built in, so that every machine draws the same picture.

use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, ScaleFont, point};

use crate::error::PlotError;

/// Size of most texts: readable still where the picture is as wide as a printed page.
pub const TEXT: f32 = 16.0;
/// Size of the headings of the panels.
pub const HEADING: f32 = 18.0;
/// Size of the title.
pub const TITLE: f32 = 26.0;
/// Size of the headings of the table's columns.
pub const SMALL: f32 = 14.0;

/// The two faces in use.
pub struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Fonts {
    pub fn new() -> Result<Self, PlotError> {
        let face = |bytes| FontRef::try_from_slice(bytes).map_err(|error| PlotError::Encode(error.to_string()));
        Ok(Fonts { regular: face(dejavu::sans::regular())?, bold: face(dejavu::sans::bold())? })
    }

    /// Width of `text` in pixels, with an em of `size` pixels.
    pub fn width(&self, text: &str, size: f32, bold: bool) -> f32 {
        self.walk(text, size, bold, |_, _, _| ())
    }

    /// Calls `paint` with the outline of each visible glyph of `text`, which begins at `x` on the baseline `y`.
    pub fn outlines(
        &self,
        text: &str,
        size: f32,
        bold: bool,
        (x, y): (f32, f32),
        mut paint: impl FnMut(OutlinedGlyph),
    ) {
        self.walk(text, size, bold, |font, glyph, advance| {
            let placed = glyph.with_scale_and_position(scale(font, size), point(x + advance, y));
            if let Some(outline) = font.outline_glyph(placed) {
                paint(outline);
            }
        });
    }

    /// `text`, with its middle left out if it is wider than `width`.
    pub fn fit(&self, text: &str, size: f32, bold: bool, width: f32) -> String {
        if self.width(text, size, bold) <= width {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        let shortened = |kept: usize| {
            let (head, tail) = (&chars[..kept.div_ceil(2)], &chars[chars.len() - kept / 2..]);
            head.iter().chain(['…'].iter()).chain(tail).collect::<String>()
        };
        (1..chars.len()).rev().map(shortened).find(|text| self.width(text, size, bold) <= width).unwrap_or_default()
    }

    fn walk(&self, text: &str, size: f32, bold: bool, mut visit: impl FnMut(&FontRef, ab_glyph::GlyphId, f32)) -> f32 {
        let font = if bold { &self.bold } else { &self.regular };
        let scaled = font.as_scaled(scale(font, size));
        let mut advance = 0.0;
        let mut before = None;
        for glyph in text.chars().map(|c| font.glyph_id(c)) {
            advance += before.map_or(0.0, |before| scaled.kern(before, glyph));
            visit(font, glyph, advance);
            advance += scaled.h_advance(glyph);
            before = Some(glyph);
        }
        advance
    }
}

/// ab_glyph scales by the height of a line, not of an em.
fn scale(font: &FontRef, size: f32) -> PxScale {
    PxScale::from(size * font.height_unscaled() / font.units_per_em().unwrap_or(2048.0))
}
