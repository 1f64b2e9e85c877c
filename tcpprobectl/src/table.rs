//! Plain tables: a header, columns two blanks apart, no lines.

use comfy_table::{CellAlignment, ContentArrangement, Table as Cells, presets};

use crate::paint::{Paint, Tone};

/// Rows under a header.
pub struct Table {
    cells: Cells,
    tones: Vec<Option<Tone>>,
}

impl Table {
    /// A table with these columns; those whose title ends with `>` align right.
    #[must_use]
    pub fn new(titles: &[&str]) -> Self {
        let mut cells = Cells::new();
        // Never wrapped: a line is a job, also for awk; the columns are chosen to fit 80.
        cells.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        cells.set_header(titles.iter().map(|title| title.trim_end_matches('>')));
        for (column, title) in cells.column_iter_mut().zip(titles) {
            column.set_padding((0, 2));
            if title.ends_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Table { cells, tones: Vec::new() }
    }

    /// Adds a row, painted as a whole.
    pub fn row(&mut self, tone: Option<Tone>, cells: impl IntoIterator<Item = String>) {
        self.cells.add_row(cells);
        self.tones.push(tone);
    }

    /// The table with a line feed after each line.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let tones = std::iter::once(Some(Tone::Strong)).chain(self.tones.iter().copied());
        let mut text = String::new();
        for (line, tone) in self.cells.lines().zip(tones) {
            let line = line.trim_end();
            text.push_str(&tone.map_or(line.into(), |tone| paint.text(tone, line)));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["NAME", "LOST>"]);
        table.row(None, ["web".to_owned(), "0".to_owned()]);
        table.row(Some(Tone::Bad), ["a-longer-name".to_owned(), "1,234".to_owned()]);
        assert_eq!(table.render(Paint::none()), "NAME            LOST\nweb                0\na-longer-name  1,234\n");
    }
}
