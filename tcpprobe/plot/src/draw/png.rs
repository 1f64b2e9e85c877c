//! PNG: a canvas of pixels, and the file that holds them.

use plotters::backend::BitMapBackend;
use plotters::prelude::DrawingBackend;
use plotters::style::Color as _;

use super::canvas::{Align, Lettering, Point, Stroke};
use super::font::Fonts;
use super::surface::{Corner, Medium, Surface, failure, opaque, pixel, segment};
use crate::error::PlotError;

/// More pixels than this are not drawn: the backend counts their bytes in 31 bits.
const PIXELS_MAX: u64 = i32::MAX as u64 / 3;

/// What `draw` draws, as a PNG file.
pub fn file(
    size: (u32, u32),
    fonts: &Fonts,
    draw: impl FnOnce(&mut Surface<BitMapBackend>),
) -> Result<Vec<u8>, PlotError> {
    let (width, height) = size;
    let area = u64::from(width) * u64::from(height);
    if area > PIXELS_MAX {
        return Err(PlotError::Encode(format!("{width} × {height} pixels are too many, {PIXELS_MAX} the most")));
    }
    let mut pixels = vec![0; 3 * area as usize];
    Surface::new(BitMapBackend::with_buffer(&mut pixels, size), fonts).finish(draw)?;
    encode(size, &pixels).map_err(failure)
}

fn encode((width, height): (u32, u32), pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(file)
}

impl Medium for BitMapBackend<'_> {
    /// Rectangles: plotters' own wide lines are polygons, in which a spike that goes up and back down vanishes.
    fn steps(&mut self, points: &[Corner], stroke: Stroke) -> Result<(), PlotError> {
        let style = opaque(stroke.color).filled();
        // What goes up and down in a column of pixels is one rectangle: of dense values, many points are in each.
        let mut last = None;
        for column in points.chunk_by(|a, b| a.0 == b.0) {
            let (x, ys) = (column[0].0, column.iter().map(|point| point.1));
            let (top, bottom) = (ys.clone().min().unwrap_or(0), ys.max().unwrap_or(0));
            if column.len() > 1 {
                let (from, to) = segment((x, top), (x, bottom), stroke.width, true);
                self.draw_rect(from, to, &style, true).map_err(failure)?;
            }
            if let Some(before) = last.replace(column[column.len() - 1]) {
                let (from, to) = segment(before, column[0], stroke.width, true);
                self.draw_rect(from, to, &style, true).map_err(failure)?;
            }
        }
        Ok(())
    }

    /// Glyph by glyph: plotters' own text drops the space at the left of each glyph and rounds every advance.
    fn letters(&mut self, at: Point, text: &str, lettering: Lettering, fonts: &Fonts) -> Result<(), PlotError> {
        let Lettering { size, bold, color, align } = lettering;
        let left = match align {
            Align::Left => at.x,
            Align::Center => at.x - fonts.width(text, size, bold) / 2.0,
            Align::Right => at.x - fonts.width(text, size, bold),
        };
        let mut result = Ok(());
        // A baseline between two pixels would blur every letter.
        fonts.outlines(text, size, bold, (left, at.y.round()), |outline| {
            let (x0, y0) = pixel(outline.px_bounds().min.x, outline.px_bounds().min.y);
            outline.draw(|x, y, part| {
                let ink = opaque(color).mix(f64::from(part.min(1.0))).to_backend_color();
                if result.is_ok() && part > 0.0 {
                    result = self.draw_pixel((x0 + x as i32, y0 + y as i32), ink);
                }
            });
        });
        result.map_err(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_pixels_are_refused() {
        let error = file((100_000, 100_000), &Fonts::new().unwrap(), |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot make the picture: 100000 × 100000 pixels are too many, 715827882 the most"
        );
    }
}
