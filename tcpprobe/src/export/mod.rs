//! Traces as other formats: one [`Exporter`] each, and the copying of `.tcpp`.
//!
//! ```
//! use tcpprobe::export::{self, ExportFormat, Options};
//!
//! let mut trace = tcpprobe::open("../fixtures/captures/6.18.44-fc-v669/ipv4-loss2/trace.txt.gz")?;
//! let mut exporter = ExportFormat::Json.exporter(&Options::default());
//! let mut lines = Vec::new();
//! export::export(&mut trace, &mut *exporter, &mut lines, |_| ())?;
//! assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 2112);
//! # Ok::<(), tcpprobe::Error>(())
//! ```

mod columns;
mod copy;
mod csv;
mod json;
mod tcpp;
mod text;
mod text_writer;
mod time;

use std::io::Write;
use std::path::Path;

pub use columns::{COMMON, Cell, ColumnTable, Columns};
pub use copy::copy;
pub use csv::CsvExporter;
pub use json::JsonExporter;
pub use tcpp::TcppExporter;
pub use text::TextExporter;
pub use text_writer::TextWriter;
pub use time::rfc3339;

use crate::Error;
use crate::event::Record;
use crate::file::Account;
use crate::source::{About, Batch, Gap, Item, Problem, Trace};

/// Turns what a trace gives into bytes, which are appended to `out`.
pub trait Exporter {
    /// What must stand before the events that follow. Called first, and where that changes.
    ///
    /// # Errors
    /// Where the format cannot hold what follows; in each of these functions alike.
    fn begin(&mut self, about: &About, out: &mut Vec<u8>) -> Result<(), Error>;

    /// An event, line feed included; `wall_ns` is its time in nanoseconds since 1970, where that is known.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn event(&mut self, record: &Record<'_>, wall_ns: Option<i64>, out: &mut Vec<u8>) -> Result<(), Error>;

    /// Many events.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn batch(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), Error> {
        batch.try_for_each(|record| self.event(&record, batch.wall(record.time), out))
    }

    /// A mark that events are missing here, in formats that have one.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn lost(&mut self, _gap: &Gap, _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// A mark that so many events are missing, nobody knows where, in formats that have one. Called behind the last event.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn lost_somewhere(&mut self, _lost: u64, _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// What became of the events, in formats that hold that.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn accounts(&mut self, _accounts: &[Account], _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// What must stand behind the last event.
    ///
    /// # Errors
    /// As [`Exporter::begin`].
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    /// What should be known of what was written since the last call: an event whose text is not the kernel's, and why.
    fn notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// How to export.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Names of the columns that are wanted, beside the common ones; `None` for all. Of JSON and CSV.
    pub fields: Option<Vec<String>>,
    /// The id of a `.tcpp` trace to be: of two with the same id, blocks with the same number count once. Random.
    pub trace_id: [u8; 8],
    /// What writes it, as a `.tcpp` header tells.
    pub writer: String,
    /// Which events it holds, where that is not all.
    pub selection: Option<String>,
}

/// The formats that a trace can be exported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// Compressed and complete.
    Tcpp,
    /// The kernel's own text, as trace_pipe shows it.
    Text,
    /// The same, gzipped.
    TextGz,
    /// An object a line.
    Json,
    /// One table.
    Csv,
}

/// What is known of a format.
struct Known {
    format: ExportFormat,
    name: &'static str,
    help: &'static str,
    /// The first is the one that is proposed.
    extensions: &'static [&'static str],
}

/// Every format once: to add one, add a row here, and its exporter in [`ExportFormat::exporter`].
const FORMATS: [Known; 5] = [
    Known {
        format: ExportFormat::Tcpp,
        name: "tcpp",
        help: "Compressed, complete, and what `plot` reads fastest",
        extensions: &["tcpp"],
    },
    Known {
        format: ExportFormat::Text,
        name: "text",
        help: "The kernel's own text, as trace_pipe shows it",
        extensions: &["txt", "text"],
    },
    Known {
        format: ExportFormat::TextGz,
        name: "text.gz",
        help: "The same, gzipped",
        extensions: &["txt.gz", "text.gz"],
    },
    Known {
        format: ExportFormat::Json,
        name: "json",
        help: "One object a line",
        extensions: &["json", "jsonl", "ndjson"],
    },
    Known { format: ExportFormat::Csv, name: "csv", help: "One table", extensions: &["csv"] },
];

impl ExportFormat {
    /// Every format, in the order in which they are listed.
    pub const ALL: [ExportFormat; FORMATS.len()] = {
        let mut all = [ExportFormat::Tcpp; FORMATS.len()];
        let mut at = 0;
        while at < FORMATS.len() {
            all[at] = FORMATS[at].format;
            at += 1;
        }
        all
    };

    fn known(self) -> &'static Known {
        FORMATS.iter().find(|known| known.format == self).unwrap_or(&FORMATS[0])
    }

    /// Its name, as an option has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.known().name
    }

    /// What it is, in a line.
    #[must_use]
    pub fn help(self) -> &'static str {
        self.known().help
    }

    /// The extension of its files, without the dot before it.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.known().extensions[0]
    }

    /// Whether it is no text.
    #[must_use]
    pub fn is_binary(self) -> bool {
        matches!(self, ExportFormat::Tcpp | ExportFormat::TextGz)
    }

    /// Whether what the exporter gives has to be gzipped.
    #[must_use]
    pub fn is_gzipped(self) -> bool {
        self == ExportFormat::TextGz
    }

    /// The format that the name of a file tells.
    ///
    /// ```
    /// use tcpprobe::export::ExportFormat;
    /// assert_eq!(ExportFormat::of_path("web.txt.gz".as_ref()), Some(ExportFormat::TextGz));
    /// assert_eq!(ExportFormat::of_path("web".as_ref()), None);
    /// ```
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let is_end = |extension: &&str| name.strip_suffix(*extension).is_some_and(|rest| rest.ends_with('.'));
        FORMATS.iter().find(|known| known.extensions.iter().any(is_end)).map(|known| known.format)
    }

    /// Its exporter.
    #[must_use]
    pub fn exporter(self, options: &Options) -> Box<dyn Exporter> {
        match self {
            ExportFormat::Tcpp => Box::new(TcppExporter::new(options.clone())),
            ExportFormat::Text | ExportFormat::TextGz => Box::new(TextExporter::default()),
            ExportFormat::Json => Box::new(JsonExporter::new(options.fields.clone())),
            ExportFormat::Csv => Box::new(CsvExporter::new(options.fields.clone())),
        }
    }
}

/// Writes all of a trace to `output`; `tell` hears what should be known: problems, and notes of the exporter's.
///
/// # Errors
/// Those of the trace, the exporter and the output.
pub fn export(
    trace: &mut Trace<'_>,
    exporter: &mut dyn Exporter,
    output: &mut impl Write,
    mut tell: impl FnMut(&Problem),
) -> Result<(), Error> {
    let mut out = Vec::new();
    let mut told: u64 = 0;
    for item in trace.by_ref() {
        let item = item?;
        if let Item::Lost(gap) = &item {
            told = told.saturating_add(gap.lost.unwrap_or(0));
        }
        item_to(&item, exporter, &mut out, &mut tell)?;
        output.write_all(&out)?;
        out.clear();
    }
    let rest = trace.losses().lost.saturating_sub(told);
    if rest > 0 {
        exporter.lost_somewhere(rest, &mut out)?;
    }
    exporter.finish(&mut out)?;
    Ok(output.write_all(&out)?)
}

/// Appends what stands for one item of a trace.
///
/// # Errors
/// Those of the exporter.
pub fn item_to(
    item: &Item,
    exporter: &mut dyn Exporter,
    out: &mut Vec<u8>,
    tell: &mut dyn FnMut(&Problem),
) -> Result<(), Error> {
    match item {
        Item::Begin(about) => exporter.begin(about, out)?,
        Item::Events(batch) => exporter.batch(batch, out)?,
        Item::Lost(gap) => exporter.lost(gap, out)?,
        Item::Accounts(accounts) => exporter.accounts(accounts, out)?,
        Item::Problem(problem) => tell(problem),
    }
    exporter.notes().into_iter().for_each(|note| tell(&Problem::Note(note)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell_formats() {
        for (name, format) in [
            ("a.tcpp", Some(ExportFormat::Tcpp)),
            ("a.b.TXT", Some(ExportFormat::Text)),
            ("a.txt.gz", Some(ExportFormat::TextGz)),
            ("x/a.ndjson", Some(ExportFormat::Json)),
            ("a.csv", Some(ExportFormat::Csv)),
            ("a.gz", None),
            ("a", None),
            ("-", None),
        ] {
            assert_eq!(ExportFormat::of_path(Path::new(name)), format, "{name}");
        }
        assert_eq!(ExportFormat::ALL.map(ExportFormat::name), ["tcpp", "text", "text.gz", "json", "csv"]);
    }
}
