//! A canvas on one of plotters' backends.
//!
//! plotters counts in whole pixels. Everything is rounded to them, which keeps lines sharp: they all follow the axes.

use std::fmt::Display;

use plotters::prelude::{DrawingBackend, WHITE};
use plotters::style::{Color as _, RGBAColor, RGBColor, ShapeStyle};

use super::canvas::{Canvas, Lettering, Point, Rect, Stroke};
use super::color::Color;
use super::font::Fonts;
use crate::error::PlotError;

/// From the left and from the top, in pixels.
pub type Corner = (i32, i32);

pub fn failure(error: impl Display) -> PlotError {
    PlotError::Encode(error.to_string())
}

/// A canvas on one of plotters' backends.
pub struct Surface<'a, B> {
    backend: B,
    fonts: &'a Fonts,
    /// The first failure, after which nothing is drawn.
    result: Result<(), PlotError>,
}

impl<'a, B: Medium> Surface<'a, B> {
    pub fn new(backend: B, fonts: &'a Fonts) -> Self {
        let mut surface = Surface { backend, fonts, result: Ok(()) };
        let (width, height) = surface.backend.get_size();
        surface.rectangle((0, 0), (width as i32, height as i32), WHITE.filled());
        surface
    }

    pub fn finish(mut self, draw: impl FnOnce(&mut Self)) -> Result<(), PlotError> {
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

impl<B: Medium> Canvas for Surface<'_, B> {
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

/// The nearest corner of a pixel.
pub fn pixel(x: f32, y: f32) -> Corner {
    (x.round() as i32, y.round() as i32)
}

pub fn opaque(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

/// The rectangle of a piece of a line, which reaches half its width beyond its ends if `capped`.
pub fn segment(from: Corner, to: Corner, width: i32, capped: bool) -> (Corner, Corner) {
    let (before, after) = (width / 2, width - width / 2);
    let across_x = capped || from.0 == to.0;
    let across_y = capped || from.1 == to.1;
    let span =
        |a: i32, b: i32, wide: bool| if wide { (a.min(b) - before, a.max(b) + after) } else { (a.min(b), a.max(b)) };
    let ((left, right), (top, bottom)) = (span(from.0, to.0, across_x), span(from.1, to.1, across_y));
    ((left, top), (right, bottom))
}

#[cfg(test)]
mod tests {
    use plotters::backend::{BitMapBackend, SVGBackend};

    use super::super::canvas::Align;
    use super::*;

    const SIZE: (u32, u32) = (60, 40);
    const INK: Color = Color(10, 20, 200);

    /// The rows of a bitmap: `#` for ink, `.` for white, `+` for what is between.
    fn rows(draw: impl FnOnce(&mut Surface<BitMapBackend>)) -> Vec<String> {
        let fonts = Fonts::new().unwrap();
        let mut pixels = vec![0; 3 * 60 * 40];
        Surface::new(BitMapBackend::with_buffer(&mut pixels, SIZE), &fonts).finish(draw).unwrap();
        let sign = |pixel: &[u8]| match pixel {
            [10, 20, 200] => '#',
            [255, 255, 255] => '.',
            _ => '+',
        };
        pixels.chunks(3 * 60).map(|row| row.chunks(3).map(sign).collect()).collect()
    }

    fn document(draw: impl FnOnce(&mut Surface<SVGBackend>)) -> String {
        let mut document = String::new();
        Surface::new(SVGBackend::with_string(&mut document, SIZE), &Fonts::new().unwrap()).finish(draw).unwrap();
        document
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
}
