//! Vectors: an SVG document whose text stays text.

use std::fmt::{Display, Write};

use super::canvas::{Align, Canvas, Color, Lettering, Point, Rect, Stroke};

/// The document while it grows.
pub struct Svg(String);

impl Svg {
    pub fn new((width, height): (u32, u32), title: &str) -> Self {
        let mut svg = Svg(String::new());
        svg.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<title>{}</title>\n",
            Escaped(title)
        ));
        svg.put(format_args!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"));
        svg
    }

    /// The document.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push_str("</svg>\n");
        self.0.into_bytes()
    }

    fn put(&mut self, what: std::fmt::Arguments) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(what);
    }
}

/// `#rrggbb`
impl Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// A length to a tenth of a pixel.
struct Px(f32);

impl Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round();
        // Adding zero makes a negative zero positive.
        write!(f, "{}", tenths / 10.0 + 0.0)
    }
}

/// Text in which nothing is markup; what XML 1.0 does not allow becomes U+FFFD.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\t' | '\n' | '\r' => f.write_char(' '),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}'),
            c => f.write_char(c),
        })
    }
}

impl Canvas for Svg {
    fn fill(&mut self, rect: Rect, color: Color, alpha: f32) {
        let (x, y, width, height) = (Px(rect.left), Px(rect.top), Px(rect.width()), Px(rect.height()));
        self.put(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{color}\""));
        if alpha < 1.0 {
            self.put(format_args!(" fill-opacity=\"{alpha}\""));
        }
        self.put(format_args!("/>\n"));
    }

    fn line(&mut self, points: &[Point], stroke: Stroke) {
        let Some((first, rest)) = points.split_first() else { return };
        self.put(format_args!("<path d=\"M{} {}", Px(first.x), Px(first.y)));
        let mut before = *first;
        for point in rest {
            if point.x == before.x {
                self.put(format_args!("V{}", Px(point.y)));
            } else {
                self.put(format_args!("H{}", Px(point.x)));
            }
            before = *point;
        }
        if rest.is_empty() {
            self.put(format_args!("h0"));
        }
        self.put(format_args!("\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"", stroke.color, stroke.width));
        match stroke.dash {
            Some((dash, gap)) => self.put(format_args!(" stroke-dasharray=\"{dash} {gap}\"/>\n")),
            None => self.put(format_args!(" stroke-linecap=\"square\"/>\n")),
        }
    }

    fn mark(&mut self, tip: Point, size: f32, color: Color) {
        let (x, y, half, size) = (Px(tip.x), Px(tip.y), Px(size / 2.0), Px(size));
        self.put(format_args!("<path d=\"M{x} {y}l-{half} -{size}h{size}z\" fill=\"{color}\"/>\n"));
    }

    fn text(&mut self, at: Point, text: &str, lettering: Lettering) {
        let anchor = match lettering.align {
            Align::Left => "",
            Align::Center => " text-anchor=\"middle\"",
            Align::Right => " text-anchor=\"end\"",
        };
        let weight = if lettering.bold { " font-weight=\"bold\"" } else { "" };
        let (x, y, size, color) = (Px(at.x), Px(at.y), lettering.size, lettering.color);
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{color}\"{anchor}{weight}>{}</text>\n",
            Escaped(text)
        ));
    }
}
