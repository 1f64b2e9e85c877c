//! Pixels: shapes are drawn with exact coverage of each pixel, so that nothing needs to be drawn larger and shrunk.

use super::PlotError;
use super::canvas::{Align, Canvas, Color, Lettering, Point, Rect, Stroke};
use super::font::Fonts;

/// A picture in memory, three bytes a pixel.
pub struct Png<'a> {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    fonts: &'a Fonts,
}

impl<'a> Png<'a> {
    pub fn new((width, height): (u32, u32), fonts: &'a Fonts) -> Self {
        let (width, height) = (width as usize, height as usize);
        Png { width, height, pixels: vec![0xff; 3 * width * height], fonts }
    }

    /// The file.
    pub fn finish(self) -> Result<Vec<u8>, PlotError> {
        let fail = |error: png::EncodingError| PlotError::Encode(error.to_string());
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header().map_err(fail)?;
        writer.write_image_data(&self.pixels).map_err(fail)?;
        writer.finish().map_err(fail)?;
        Ok(bytes)
    }

    /// Mixes `color` into a pixel.
    #[inline]
    fn blend(&mut self, x: usize, y: usize, color: Color, alpha: f32) {
        let at = 3 * (y * self.width + x);
        let Some(pixel) = self.pixels.get_mut(at..at + 3) else { return };
        let mix = |old: u8, new: u8| (f32::from(old) + (f32::from(new) - f32::from(old)) * alpha).round() as u8;
        pixel.copy_from_slice(&[mix(pixel[0], color.0), mix(pixel[1], color.1), mix(pixel[2], color.2)]);
    }

    /// A piece of a line, from `from` to `to` and half its width beyond them if `capped`.
    fn segment(&mut self, from: Point, to: Point, stroke: Stroke, capped: bool) {
        let half = stroke.width / 2.0;
        let (along_x, along_y) = match (from.y == to.y, capped) {
            (_, true) => (half, half),
            (true, false) => (0.0, half),
            (false, false) => (half, 0.0),
        };
        let rect = Rect {
            left: from.x.min(to.x) - along_x,
            right: from.x.max(to.x) + along_x,
            top: from.y.min(to.y) - along_y,
            bottom: from.y.max(to.y) + along_y,
        };
        self.fill(rect, stroke.color, 1.0);
    }

    fn dashed(&mut self, points: &[Point], stroke: Stroke, (dash, gap): (f32, f32)) {
        let mut phase = 0.0;
        for pair in points.windows(2) {
            let (dx, dy) = (pair[1].x - pair[0].x, pair[1].y - pair[0].y);
            let length = dx.abs() + dy.abs();
            let at = |way: f32| Point { x: pair[0].x + dx * way / length, y: pair[0].y + dy * way / length };
            let mut done = 0.0;
            while done < length {
                let to_next = if phase < dash { dash - phase } else { dash + gap - phase };
                let next = (done + to_next.max(0.01)).min(length);
                if phase < dash {
                    self.segment(at(done), at(next), stroke, false);
                }
                phase = (phase + next - done) % (dash + gap);
                done = next;
            }
        }
    }
}

/// How much of each pixel from `from` to `to` is covered: the pixel's number and its part, 0 to 1.
fn coverage(from: f32, to: f32, limit: usize) -> impl Iterator<Item = (usize, f32)> + Clone {
    let (from, to) = (from.clamp(0.0, limit as f32), to.clamp(0.0, limit as f32));
    (from as usize..to.ceil() as usize).map(move |pixel| {
        let start = pixel as f32;
        (pixel, (to.min(start + 1.0) - from.max(start)).max(0.0))
    })
}

impl Canvas for Png<'_> {
    fn fill(&mut self, rect: Rect, color: Color, alpha: f32) {
        let columns = coverage(rect.left, rect.right, self.width);
        for (y, part_y) in coverage(rect.top, rect.bottom, self.height) {
            for (x, part_x) in columns.clone() {
                self.blend(x, y, color, alpha * part_x * part_y);
            }
        }
    }

    fn line(&mut self, points: &[Point], stroke: Stroke) {
        match (stroke.dash, points) {
            (_, [only]) => self.segment(*only, *only, stroke, true),
            (None, _) => points.windows(2).for_each(|pair| self.segment(pair[0], pair[1], stroke, true)),
            (Some(dash), _) => self.dashed(points, stroke, dash),
        }
    }

    fn mark(&mut self, tip: Point, size: f32, color: Color) {
        // One row of pixels after the other, so that the rows do not mix with each other.
        let bottom = tip.y.round();
        let rows = size.ceil() as usize;
        for row in 0..rows {
            let half = size / 2.0 * (row as f32 + 0.5) / rows as f32;
            let y = bottom - row as f32;
            self.fill(Rect { left: tip.x - half, right: tip.x + half, top: y - 1.0, bottom: y }, color, 1.0);
        }
    }

    fn text(&mut self, at: Point, text: &str, lettering: Lettering) {
        let Lettering { size, bold, color, align } = lettering;
        let fonts = self.fonts;
        let left = match align {
            Align::Left => at.x,
            Align::Center => at.x - fonts.width(text, size, bold) / 2.0,
            Align::Right => at.x - fonts.width(text, size, bold),
        };
        // A baseline between two pixels would blur every letter.
        fonts.outlines(text, size, bold, (left, at.y.round()), |outline| {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, part| {
                let (x, y) = (corner.x + x as f32, corner.y + y as f32);
                if part > 0.0 && x >= 0.0 && y >= 0.0 && x < self.width as f32 {
                    self.blend(x as usize, y as usize, color, part.min(1.0));
                }
            });
        });
    }
}
