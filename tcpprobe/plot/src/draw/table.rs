//! The table of the connections, which is the legend too, and the notes below it.

use super::canvas::{Align, Canvas, Lettering, Point, Rect};
use super::color::{DARK, FRAME, GREY};
use super::font::{SMALL, TEXT};
use super::frame::Common;
use crate::model::{Ink, Table};

const ROW_HEIGHT: f32 = 25.0;
const COLUMN_GAP: f32 = 34.0;
const SWATCH_WIDTH: f32 = 26.0;
/// Right of the swatch, where the names begin.
const NAME_LEFT: f32 = 38.0;
const NAME_SIZE_MIN: f32 = 11.0;

/// How high a table and its notes are.
pub fn height(table: &Table, notes: &[String]) -> f32 {
    ROW_HEIGHT * (1 + table.rows.len() + notes.len()) as f32 + 8.0
}

/// Draws them from `corner` to the right edge `right`, or as wide as they need to be.
pub fn draw(common: &Common, canvas: &mut impl Canvas, table: &Table, notes: &[String], corner: Point, right: f32) {
    let columns = Columns::of(common, table, corner.x + NAME_LEFT, right);
    let mut y = corner.y + 16.0;
    draw_headings(canvas, table, &columns, Point { x: corner.x, y });
    let cell = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Right };
    for (at, row) in table.rows.iter().enumerate() {
        y += ROW_HEIGHT;
        let middle = (y - 6.0).round();
        let swatch = Rect { left: corner.x, right: corner.x + SWATCH_WIDTH, top: middle - 2.0, bottom: middle + 2.0 };
        canvas.fill(swatch, common.color(Ink::Row(at)), 1.0);
        let name = common.fonts.fit(&row.name, columns.name_size, false, columns.name_width);
        let lettering = Lettering { align: Align::Left, size: columns.name_size, ..cell };
        canvas.text(Point { x: columns.name_left, y }, &name, lettering);
        for (text, &x) in row.cells.iter().zip(&columns.edges) {
            canvas.text(Point { x, y }, text, cell);
        }
    }
    y += 4.0;
    for note in notes {
        y += ROW_HEIGHT;
        let lettering = Lettering { color: GREY, align: Align::Left, ..cell };
        canvas.text(Point { x: columns.name_left, y }, note, lettering);
    }
}

fn draw_headings(canvas: &mut impl Canvas, table: &Table, columns: &Columns, at: Point) {
    let heading = Lettering { size: SMALL, bold: false, color: GREY, align: Align::Right };
    let name = Point { x: columns.name_left, ..at };
    canvas.text(name, table.name_heading, Lettering { align: Align::Left, ..heading });
    for (text, &x) in table.headings.iter().zip(&columns.edges) {
        canvas.text(Point { x, ..at }, text, heading);
    }
    let rule = (at.y + 7.0).round();
    let right = columns.edges.last().copied().unwrap_or(columns.name_left + columns.name_width);
    canvas.fill(Rect { left: at.x, right, top: rule, bottom: rule + 1.0 }, FRAME, 1.0);
}

/// Where the columns are.
struct Columns {
    name_left: f32,
    name_width: f32,
    /// Smaller than other text where the names need more room than there is.
    name_size: f32,
    /// The right edge of each column of cells.
    edges: Vec<f32>,
}

impl Columns {
    fn of(common: &Common, table: &Table, name_left: f32, right: f32) -> Self {
        let width = |column: usize| {
            let cells = table.rows.iter().map(|row| common.fonts.width(&row.cells[column], TEXT, false));
            cells.fold(common.fonts.width(&table.headings[column], SMALL, false), f32::max)
        };
        let widths: Vec<f32> = (0..table.headings.len()).map(width).collect();
        let numbers_width: f32 = widths.iter().map(|width| COLUMN_GAP + width).sum();
        let room = right - name_left - numbers_width;
        let names = table.rows.iter().map(|row| common.fonts.width(&row.name, TEXT, false));
        let widest = names.fold(common.fonts.width(table.name_heading, SMALL, false), f32::max);
        let (name_size, name_width) =
            if widest <= room { (TEXT, widest) } else { ((TEXT * room / widest).clamp(NAME_SIZE_MIN, TEXT), room) };
        let mut edge = name_left + name_width;
        let edges = widths.iter().map(|width| {
            edge = edge + COLUMN_GAP + width;
            edge
        });
        let edges = edges.collect();
        Columns { name_left, name_width, name_size, edges }
    }
}
