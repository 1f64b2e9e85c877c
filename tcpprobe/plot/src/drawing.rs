//! A canvas on plotters: a PNG file, or an SVG document whose text stays text.
//!
//! plotters counts in whole pixels. Everything is rounded to them, which keeps lines sharp: they all follow the axes.

use std::fmt::Display;

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters::prelude::{DrawingBackend, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontDesc, FontFamily, FontStyle, RGBAColor, RGBColor, ShapeStyle, TextStyle};

use super::PlotError;
use super::canvas::{Align, Canvas, Color, Lettering, Point, Rect, Stroke};
use super::font::Fonts;

/// More pixels than this are not drawn: the backend counts their bytes in 31 bits.
const PIXELS_MAX: u64 = i32::MAX as u64 / 3;
/// What a viewer of the document may choose from; the first is the one its texts were measured in.
const FAMILIES: &str = "DejaVu Sans, Verdana, sans-serif";
/// plotters' sizes are heights of lines, of which its SVG backend takes this for an em's.
const LINE_PER_EM: f64 = 1.24;
/// How far below its top plotters' SVG backend puts a text's baseline, in ems.
const BASELINE: f32 = 0.76;

type Corner = (i32, i32);

/// What `draw` draws, as a PNG file.
pub fn png(
    size: (u32, u32),
    fonts: &Fonts,
    draw: impl FnOnce(&mut Drawing<BitMapBackend>),
) -> Result<Vec<u8>, PlotError> {
    let (width, height) = size;
    let area = u64::from(width) * u64::from(height);
    if area > PIXELS_MAX {
        return Err(PlotError::Encode(format!("{width} × {height} pixels are too many, {PIXELS_MAX} the most")));
    }
    let mut pixels = vec![0; 3 * area as usize];
    Drawing::new(BitMapBackend::with_buffer(&mut pixels, size), fonts).finish(draw)?;
    encode(size, &pixels).map_err(failure)
}

/// What `draw` draws, as an SVG document.
pub fn svg(size: (u32, u32), fonts: &Fonts, draw: impl FnOnce(&mut Drawing<SVGBackend>)) -> Result<Vec<u8>, PlotError> {
    let mut document = String::new();
    Drawing::new(SVGBackend::with_string(&mut document, size), fonts).finish(draw)?;
    Ok(document.into_bytes())
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

fn failure(error: impl Display) -> PlotError {
    PlotError::Encode(error.to_string())
}

/// A canvas on one of plotters' backends.
pub struct Drawing<'a, B> {
    backend: B,
    fonts: &'a Fonts,
    /// The first failure, after which nothing is drawn.
    result: Result<(), PlotError>,
}

impl<'a, B: Medium> Drawing<'a, B> {
    fn new(backend: B, fonts: &'a Fonts) -> Self {
        let mut drawing = Drawing { backend, fonts, result: Ok(()) };
        let (width, height) = drawing.backend.get_size();
        drawing.rectangle((0, 0), (width as i32, height as i32), WHITE.filled());
        drawing
    }

    fn finish(mut self, draw: impl FnOnce(&mut Self)) -> Result<(), PlotError> {
        draw(&mut self);
        self.attempt(|backend, _| backend.present().map_err(failure));
        self.result
    }

    fn attempt(&mut self, draw: impl FnOnce(&mut B, &Fonts) -> Result<(), PlotError>) {
        if self.result.is_ok() {
            self.result = draw(&mut self.backend, self.fonts);
        }
    }

    fn rectangle(&mut self, from: Corner, to: Corner, style: ShapeStyle) {
        self.attempt(|backend, _| backend.draw_rect(from, to, &style, true).map_err(failure));
    }

    /// The dashes of a line: plotters knows none.
    fn dashes(&mut self, points: &[Corner], stroke: Stroke, (dash, gap): (i32, i32)) {
        let mut phase = 0;
        for pair in points.windows(2) {
            let (dx, dy) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            let at = |way: i32| (pair[0].0 + dx.signum() * way, pair[0].1 + dy.signum() * way);
            let length = dx.abs().max(dy.abs());
            let mut done = 0;
            while done < length {
                let end = if phase < dash { dash } else { dash + gap };
                let next = (done + (end - phase).max(1)).min(length);
                if phase < dash {
                    let (from, to) = segment(at(done), at(next), stroke.width, false);
                    self.rectangle(from, to, opaque(stroke.color).filled());
                }
                phase = (phase + next - done) % (dash + gap);
                done = next;
            }
        }
    }
}

impl<B: Medium> Canvas for Drawing<'_, B> {
    fn fill(&mut self, rect: Rect, color: Color, alpha: f32) {
        let (from, to) = (pixel(rect.left, rect.top), pixel(rect.right, rect.bottom));
        let to = (to.0.max(from.0 + 1), to.1.max(from.1 + 1));
        // An f32 is no exact decimal fraction, and the document would show all of its digits.
        let alpha = (f64::from(alpha) * 1000.0).round() / 1000.0;
        self.rectangle(from, to, RGBAColor(color.0, color.1, color.2, alpha).filled());
    }

    fn line(&mut self, points: &[Point], stroke: Stroke) {
        let points: Vec<Corner> = points.iter().map(|point| pixel(point.x, point.y)).collect();
        match stroke.dash {
            Some(dash) => self.dashes(&points, stroke, dash),
            None => self.attempt(|backend, _| backend.steps(&points, stroke)),
        }
    }

    fn mark(&mut self, tip: Point, size: f32, color: Color) {
        let (x, y) = pixel(tip.x, tip.y);
        let (half, height) = ((size / 2.0) as i32, size as i32);
        // On pixels, a corner is a pixel of its own and not the edge between two.
        let corners = [(x, y - 1), (x - half, y - height), (x + half, y - height)];
        self.attempt(|backend, _| backend.fill_polygon(corners, &opaque(color).filled()).map_err(failure));
    }

    fn text(&mut self, at: Point, text: &str, lettering: Lettering) {
        if !text.is_empty() {
            self.attempt(|backend, fonts| backend.letters(at, text, lettering, fonts));
        }
    }
}

/// What looks better if each backend draws it in its own way.
pub trait Medium: DrawingBackend {
    /// Draws a line without dashes.
    fn steps(&mut self, points: &[Corner], stroke: Stroke) -> Result<(), PlotError>;

    /// Writes `text` with its baseline at `at`.
    fn letters(&mut self, at: Point, text: &str, lettering: Lettering, fonts: &Fonts) -> Result<(), PlotError>;
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

impl Medium for BitMapBackend<'_> {
    /// Rectangles: plotters' own wide lines are polygons, in which a spike that goes up and back down vanishes.
    fn steps(&mut self, points: &[Corner], stroke: Stroke) -> Result<(), PlotError> {
        let style = opaque(stroke.color).filled();
        points.windows(2).try_for_each(|pair| {
            let (from, to) = segment(pair[0], pair[1], stroke.width, true);
            self.draw_rect(from, to, &style, true).map_err(failure)
        })
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

/// The nearest corner of a pixel.
fn pixel(x: f32, y: f32) -> Corner {
    (x.round() as i32, y.round() as i32)
}

fn opaque(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

/// The rectangle of a piece of a line, which reaches half its width beyond its ends if `capped`.
fn segment(from: Corner, to: Corner, width: i32, capped: bool) -> (Corner, Corner) {
    let (before, after) = (width / 2, width - width / 2);
    let across_x = capped || from.0 == to.0;
    let across_y = capped || from.1 == to.1;
    let span =
        |a: i32, b: i32, wide: bool| if wide { (a.min(b) - before, a.max(b) + after) } else { (a.min(b), a.max(b)) };
    let ((left, right), (top, bottom)) = (span(from.0, to.0, across_x), span(from.1, to.1, across_y));
    ((left, top), (right, bottom))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (u32, u32) = (60, 40);
    const INK: Color = Color(10, 20, 200);

    /// The rows of a bitmap: `#` for ink, `.` for white, `+` for what is between.
    fn rows(draw: impl FnOnce(&mut Drawing<BitMapBackend>)) -> Vec<String> {
        let fonts = Fonts::new().unwrap();
        let mut pixels = vec![0; 3 * 60 * 40];
        Drawing::new(BitMapBackend::with_buffer(&mut pixels, SIZE), &fonts).finish(draw).unwrap();
        let sign = |pixel: &[u8]| match pixel {
            [10, 20, 200] => '#',
            [255, 255, 255] => '.',
            _ => '+',
        };
        pixels.chunks(3 * 60).map(|row| row.chunks(3).map(sign).collect()).collect()
    }

    fn document(draw: impl FnOnce(&mut Drawing<SVGBackend>)) -> String {
        String::from_utf8(svg(SIZE, &Fonts::new().unwrap(), draw).unwrap()).unwrap()
    }

    fn points(corners: &[(f32, f32)]) -> Vec<Point> {
        corners.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    #[test]
    fn lines_are_sharp() {
        // Up, and back down on itself.
        let way = points(&[(5.2, 20.3), (10.0, 20.3), (10.0, 5.0), (10.0, 20.3), (14.4, 20.3)]);
        let stroke = Stroke { color: INK, width: 2, dash: None };
        let rows = rows(|canvas| canvas.line(&way, stroke));
        assert_eq!(rows[3].find('#'), None);
        assert!((4..19).all(|y| rows[y].trim_matches('.') == "##" && rows[y].find('#') == Some(9)), "{rows:#?}");
        assert!((19..21).all(|y| rows[y].trim_matches('.') == "###########"), "{rows:#?}");
        assert_eq!(rows[21].find('#'), None);
        let document = document(|canvas| canvas.line(&way, stroke));
        assert!(document.contains("points=\"5,20 10,20 10,5 10,20 14,20 \""), "{document}");
    }

    #[test]
    fn dashes_go_round_corners() {
        let stroke = Stroke { color: INK, width: 1, dash: Some((5, 4)) };
        let way = points(&[(2.0, 30.0), (22.0, 30.0), (22.0, 10.0)]);
        let rows = rows(|canvas| canvas.line(&way, stroke));
        assert_eq!(&rows[30][..24], "..#####....#####....##..");
        let column: String = (10..30).rev().map(|y| &rows[y][22..23]).collect();
        assert_eq!(column, "###....#####....####");
        assert_eq!(document(|canvas| canvas.line(&way, stroke)).matches("fill=\"#0A14C8\"").count(), 6);
    }

    #[test]
    fn texts_stand_on_their_baselines() {
        for (size, align) in [(14.0, Align::Left), (16.0, Align::Center), (26.0, Align::Right)] {
            let lettering = Lettering { size, bold: true, color: INK, align };
            let at = Point { x: 30.0, y: 30.4 };
            let rows = rows(|canvas| canvas.text(at, "EHI", lettering));
            assert!(rows[29].contains('#') && rows[30..].iter().all(|row| !row.contains(['#', '+'])), "{rows:#?}");
            let ink = |row: &String| row.find(['#', '+']).into_iter().chain(row.rfind(['#', '+'])).collect::<Vec<_>>();
            let (left, right) = (rows.iter().flat_map(ink).min().unwrap(), rows.iter().flat_map(ink).max().unwrap());
            let inside = match align {
                Align::Left => (30..34).contains(&left),
                Align::Center => (left + right).abs_diff(60) <= 2,
                Align::Right => (27..30).contains(&right),
            };
            assert!(inside, "{align:?}: {left} to {right}");
            // The same place in the document, as near as whole pixels come to it.
            let document = document(|canvas| canvas.text(at, "EHI", lettering));
            let (_, text) = document.split_once("<text").unwrap();
            let number = |name: &str| {
                let (_, rest) = text.split_once(&format!(" {name}=\"")).unwrap();
                rest.split(['"', 'e']).next().unwrap().parse::<f32>().unwrap()
            };
            assert_eq!((number("x"), number("dy"), number("font-size")), (30.0, 0.76, size), "{document}");
            assert!((number("y") + 0.76 * size - 30.4).abs() <= 0.5, "{document}");
        }
    }

    #[test]
    fn marks_point_down() {
        let rows = rows(|canvas| canvas.mark(Point { x: 20.0, y: 20.0 }, 7.0, INK));
        let widths: Vec<usize> = rows.iter().map(|row| row.matches(['#', '+']).count()).filter(|n| *n > 0).collect();
        assert!(widths.is_sorted_by(|a, b| a >= b) && widths.len() == 7 && widths[0] == 7, "{rows:#?}");
        assert!(rows[19].contains(['#', '+']) && !rows[20].contains(['#', '+']), "{rows:#?}");
    }

    #[test]
    fn too_many_pixels_are_refused() {
        let error = png((100_000, 100_000), &Fonts::new().unwrap(), |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot make the picture: 100000 × 100000 pixels are too many, 715827882 the most"
        );
    }
}
