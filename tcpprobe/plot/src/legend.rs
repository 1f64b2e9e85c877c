//! The legend: a table of the connections drawn, and notes about what is not.

use tcpprobe::flow::Metric;

use super::canvas::{Align, Canvas, Color, DARK, FRAME, GREY, Lettering, Point, Rect};
use super::figure::{Line, TEXT};
use super::font::Fonts;
use super::panels::lost_text;
use super::units::{bytes, counted, grouped, millis, percent};
use super::{PlotInput, SSH_PORT, Selection};

const ROW_HEIGHT: f32 = 25.0;
const COLUMN_GAP: f32 = 34.0;
const SWATCH_WIDTH: f32 = 26.0;
/// Right of the swatch, where the names begin.
const NAME_LEFT: f32 = 38.0;
/// Size of the headings of the columns.
const SMALL: f32 = 14.0;
const NAME_SIZE_MIN: f32 = 11.0;
const NAME_HEADING: &str = "connection, local → peer";
const HEADINGS: [&str; 5] = ["acked by peer", "received", "retransmissions", "cwnd, packets", "srtt, ms"];

struct Row {
    color: Color,
    name: String,
    cells: [String; HEADINGS.len()],
}

/// The table and its notes.
pub struct Legend {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Legend {
    pub fn new(lines: &[Line], notes: Vec<String>) -> Self {
        let row = |line: &Line| {
            let totals = &line.flow.totals;
            let cells = [
                bytes(totals.bytes_acked),
                bytes(totals.bytes_received),
                grouped(totals.retransmissions),
                range_text(line.curves.range(Metric::SndCwnd), |packets| grouped(packets.into())),
                range_text(line.curves.range(Metric::Srtt), millis),
            ];
            Row { color: line.color, name: line.name.clone(), cells }
        };
        Legend { rows: lines.iter().map(row).collect(), notes }
    }

    pub fn height(&self) -> f32 {
        ROW_HEIGHT * (1 + self.rows.len() + self.notes.len()) as f32 + 8.0
    }

    /// Draws it from `corner` to the right edge `right`, or as wide as it needs to be.
    pub fn draw(&self, canvas: &mut impl Canvas, fonts: &Fonts, corner: Point, right: f32) {
        let name_left = corner.x + NAME_LEFT;
        let numbers_width: f32 = (0..HEADINGS.len()).map(|column| COLUMN_GAP + self.column_width(fonts, column)).sum();
        let (name_size, name_width) = self.name_size(fonts, right - name_left - numbers_width);
        let mut edges = [name_left + name_width; HEADINGS.len()];
        for column in 0..HEADINGS.len() {
            let before = if column == 0 { edges[0] } else { edges[column - 1] };
            edges[column] = before + COLUMN_GAP + self.column_width(fonts, column);
        }
        let heading = Lettering { size: SMALL, bold: false, color: GREY, align: Align::Right };
        let mut y = corner.y + 16.0;
        canvas.text(Point { x: name_left, y }, NAME_HEADING, Lettering { align: Align::Left, ..heading });
        for (text, x) in HEADINGS.into_iter().zip(edges) {
            canvas.text(Point { x, y }, text, heading);
        }
        let rule = (y + 7.0).round();
        canvas.fill(
            Rect { left: corner.x, right: edges[HEADINGS.len() - 1], top: rule, bottom: rule + 1.0 },
            FRAME,
            1.0,
        );
        let cell = Lettering { size: TEXT, bold: false, color: DARK, align: Align::Right };
        for row in &self.rows {
            y += ROW_HEIGHT;
            let middle = (y - 6.0).round();
            let swatch =
                Rect { left: corner.x, right: corner.x + SWATCH_WIDTH, top: middle - 2.0, bottom: middle + 2.0 };
            canvas.fill(swatch, row.color, 1.0);
            let name = fonts.fit(&row.name, name_size, false, name_width);
            canvas.text(Point { x: name_left, y }, &name, Lettering { align: Align::Left, size: name_size, ..cell });
            for (text, x) in row.cells.iter().zip(edges) {
                canvas.text(Point { x, y }, text, cell);
            }
        }
        y += 4.0;
        for note in &self.notes {
            y += ROW_HEIGHT;
            canvas.text(Point { x: name_left, y }, note, Lettering { color: GREY, align: Align::Left, ..cell });
        }
    }

    /// Size of the names and width of their column: smaller than other text where they need more than `room`.
    fn name_size(&self, fonts: &Fonts, room: f32) -> (f32, f32) {
        let names = self.rows.iter().map(|row| fonts.width(&row.name, TEXT, false));
        let widest = names.fold(fonts.width(NAME_HEADING, SMALL, false), f32::max);
        if widest <= room { (TEXT, widest) } else { ((TEXT * room / widest).clamp(NAME_SIZE_MIN, TEXT), room) }
    }

    fn column_width(&self, fonts: &Fonts, column: usize) -> f32 {
        let cells = self.rows.iter().map(|row| fonts.width(&row.cells[column], TEXT, false));
        cells.fold(fonts.width(HEADINGS[column], SMALL, false), f32::max)
    }
}

/// `12–340`, `12` where both are the same, `–` where there is none.
fn range_text(range: Option<(u32, u32)>, text: impl Fn(u32) -> String) -> String {
    match range {
        None => "–".to_owned(),
        Some((min, max)) => match (text(min), text(max)) {
            (min, max) if min == max => min,
            (min, max) => format!("{min} – {max}"),
        },
    }
}

/// What the reader must know beside the lines: what is not drawn, what was lost.
pub fn notes(input: &PlotInput, selection: &Selection) -> Vec<String> {
    let mut notes = Vec::new();
    if selection.more > 0 {
        let more = counted(selection.more as u64, "more connection", "more connections");
        notes.push(format!("and {more} ({} of bytes)", percent(selection.more_share)));
    }
    if selection.ssh > 0 {
        let ssh = counted(selection.ssh as u64, "connection", "connections");
        notes.push(format!("{ssh} on port {SSH_PORT} (SSH) left out"));
    }
    let beyond = input.flows.beyond().events;
    if beyond > 0 {
        let kept = counted(input.flows.all().len() as u64, "connection", "connections");
        notes.push(format!("{} of connections beyond the first {kept}", counted(beyond, "event", "events")));
    }
    if !input.gaps.is_empty() {
        let lost = input.gaps.iter().filter_map(|gap| gap.lost).fold(0, u64::saturating_add);
        let unknown = input.gaps.iter().any(|gap| gap.lost.is_none());
        let gaps = counted(input.gaps.len() as u64, "gap", "gaps");
        notes.push(format!("{} in {gaps} (shaded)", lost_text(lost, unknown)));
    }
    notes
}
