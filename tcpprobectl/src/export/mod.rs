//! Traces as other formats: one [`Exporter`] each, and the copying of `.tcpp`.

mod columns;
mod copy;
mod csv;
mod json;
mod survey;
mod text;
mod trace;
mod words;

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use tcpprobe::file::Select;

use self::csv::CsvExporter;
use self::json::JsonExporter;
pub use self::survey::Survey;
use self::text::TextExporter;
use self::trace::TraceExporter;
use crate::cli::TraceFormat;
use crate::exit::{Exit, Failure};
use crate::input::{About, Event, Input, Source, Visitor, no_trace};
use crate::losses::{Gap, Losses};
use crate::output::Output;
use crate::select::Selection;

/// Turns events, one after the other, into bytes.
pub trait Exporter {
    /// Appends what must stand before the events that follow. Called first, and where that changes.
    fn begin(&mut self, about: &About<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Appends an event, line feed included.
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Appends a mark that events are missing here, in formats that have one.
    fn lost(&mut self, _gap: &Gap, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// The exporter for a format; there is none for `.tcpp`.
fn exporter(format: TraceFormat) -> Result<Box<dyn Exporter>, Failure> {
    Ok(match format {
        TraceFormat::Json => Box::new(JsonExporter::default()),
        TraceFormat::Csv => Box::new(CsvExporter::default()),
        TraceFormat::Text | TraceFormat::TextGz => Box::new(TextExporter::default()),
        TraceFormat::Tcpp => {
            let what = "ftrace text does not tell all that a .tcpp trace holds";
            return Err(Failure::new(Exit::Usage, what, "take another format: .txt.gz, .json or .csv"));
        }
    })
}

/// Gives the exported bytes of each event to a sink, with the time of day of the event.
pub struct Lines<S> {
    exporter: Box<dyn Exporter>,
    sink: S,
    bytes: Vec<u8>,
}

impl<S: FnMut(&[u8], Option<i64>) -> io::Result<()>> Lines<S> {
    /// In this format.
    pub fn new(format: TraceFormat, sink: S) -> Result<Self, Failure> {
        Ok(Lines { exporter: exporter(format)?, sink, bytes: Vec::new() })
    }
}

impl<S: FnMut(&[u8], Option<i64>) -> io::Result<()>> Visitor for Lines<S> {
    fn begin(&mut self, about: &About<'_>) -> Result<()> {
        self.bytes.clear();
        self.exporter.begin(about, &mut self.bytes)?;
        Ok((self.sink)(&self.bytes, None)?)
    }

    fn event(&mut self, event: &Event<'_>) -> Result<()> {
        self.bytes.clear();
        self.exporter.event(event, &mut self.bytes)?;
        Ok((self.sink)(&self.bytes, event.wall_ns)?)
    }

    fn lost(&mut self, gap: &Gap) -> Result<()> {
        self.bytes.clear();
        self.exporter.lost(gap, &mut self.bytes)?;
        Ok((self.sink)(&self.bytes, None)?)
    }
}

/// Writes the selected events of a source to `output`, in `format`; tells what is missing.
pub fn write(
    name: &str,
    source: Source<'_>,
    range: Select,
    selection: &mut Selection,
    format: TraceFormat,
    output: Output,
) -> Result<Exit> {
    match (source, format) {
        (Source::Trace(trace), TraceFormat::Tcpp) => write_tcpp(name, trace, range, selection, output),
        (source @ Source::Saved(_), TraceFormat::Tcpp) => {
            write_trace(Input::new(name, source, range)?, selection, output)
        }
        (source, _) => write_lines(Input::new(name, source, range)?, selection, format, output),
    }
}

fn write_lines(input: Input<'_>, selection: &mut Selection, format: TraceFormat, output: Output) -> Result<Exit> {
    let mut output = if format == TraceFormat::TextGz { output.gzip() } else { output };
    let mut lines = Lines::new(format, |bytes, _| output.write_all(bytes))?;
    let (selected, losses) = input.visit(selection, &mut lines)?;
    losses.require_events(selected)?;
    output.finish()?;
    Ok(losses.report())
}

fn write_trace(input: Input<'_>, selection: &mut Selection, mut output: Output) -> Result<Exit> {
    let mut trace = TraceExporter::new(&mut output, (!selection.is_all()).then(|| selection.to_string()));
    let (selected, losses) = input.visit(selection, &mut trace)?;
    losses.require_events(selected)?;
    trace.finish()?;
    output.finish()?;
    Ok(losses.report())
}

fn write_tcpp(
    name: &str,
    trace: impl Read,
    range: Select,
    selection: &mut Selection,
    mut output: Output,
) -> Result<Exit> {
    let survey = if selection.is_all() {
        copy::copy(trace, &mut output)?
    } else {
        copy::copy_selected(trace, selection, &mut output)?
    };
    let mut losses = Losses::new(name);
    if survey.frames == 0 && !survey.damages.is_empty() {
        return Err(no_trace(name).into());
    }
    losses.totals(survey.losses(range));
    survey.damages.iter().for_each(|damage| losses.damage(damage));
    losses.require_events(survey.events)?;
    output.finish()?;
    Ok(losses.report())
}

/// The format asked for, or that the extension of `path` tells.
pub fn format_of(asked: Option<TraceFormat>, path: Option<&Path>) -> Option<TraceFormat> {
    asked.or_else(|| by_extension(path?))
}

/// The format that the extension of `path` tells, or the failure that it tells none.
pub fn require_format(asked: Option<TraceFormat>, path: &Path) -> Result<TraceFormat> {
    let failure = || {
        let what = format!("the name {} does not tell the format", path.display());
        Failure::new(Exit::Usage, what, "end it in .tcpp, .txt, .txt.gz, .json or .csv, or give --format")
    };
    Ok(format_of(asked, Some(path)).ok_or_else(failure)?)
}

fn by_extension(path: &Path) -> Option<TraceFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let known = [
        (".tcpp", TraceFormat::Tcpp),
        (".txt", TraceFormat::Text),
        (".text", TraceFormat::Text),
        (".txt.gz", TraceFormat::TextGz),
        (".text.gz", TraceFormat::TextGz),
        (".json", TraceFormat::Json),
        (".jsonl", TraceFormat::Json),
        (".ndjson", TraceFormat::Json),
        (".csv", TraceFormat::Csv),
    ];
    known.into_iter().find(|(extension, _)| name.ends_with(extension)).map(|(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell_formats() {
        for (name, format) in [
            ("a.tcpp", Some(TraceFormat::Tcpp)),
            ("a.b.TXT", Some(TraceFormat::Text)),
            ("a.txt.gz", Some(TraceFormat::TextGz)),
            ("x/a.ndjson", Some(TraceFormat::Json)),
            ("a.csv", Some(TraceFormat::Csv)),
            ("a.gz", None),
            ("a", None),
            ("-", None),
        ] {
            assert_eq!(format_of(None, Some(Path::new(name))), format, "{name}");
        }
        assert_eq!(format_of(Some(TraceFormat::Csv), Some(Path::new("a.json"))), Some(TraceFormat::Csv));
    }
}
