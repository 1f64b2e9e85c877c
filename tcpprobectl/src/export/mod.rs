//! Traces as other formats: one [`Exporter`] each, and the copying of `.tcpp`.

mod columns;
mod copy;
mod csv;
mod json;
mod survey;
mod text;

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Result;
use tcpprobe::format::Format;
use tcpprobe::trace::{Account, Select};

use self::csv::CsvExporter;
use self::json::JsonExporter;
pub use self::survey::Survey;
use self::text::TextExporter;
use crate::cli::TraceFormat;
use crate::exit::{Exit, Failure};
use crate::input::{Event, Input, Piece};
use crate::losses::Losses;
use crate::output::Output;
use crate::select::Selection;

/// What is known before the first event.
#[derive(Debug)]
pub struct About<'a> {
    /// The formats of the events wanted.
    pub formats: Vec<&'a Format>,
    /// `uname -r` of the kernel that recorded them; empty where it is not known.
    pub kernel: &'a str,
}

/// Turns events, one after the other, into bytes.
pub trait Exporter {
    /// Appends what must stand before the events that follow. Called first, and where that changes.
    fn begin(&mut self, about: &About<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Appends an event, line feed included.
    fn event(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<()>;

    /// Appends a mark that events are missing here, in formats that have one.
    fn lost(&mut self, _account: &Account, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }
}

/// Writes the selected events of a `.tcpp` trace to `output`, in `format`; tells what is missing.
pub fn write_trace(
    name: &str,
    trace: impl Read,
    range: Select,
    selection: &mut Selection,
    format: TraceFormat,
    mut output: Output,
) -> Result<Exit> {
    if format != TraceFormat::Tcpp {
        return write(Input::trace(name, trace, range), selection, format, output);
    }
    let survey = if selection.is_all() {
        copy::copy(trace, &mut output)?
    } else {
        copy::copy_selected(trace, selection, &mut output)?
    };
    let mut losses = Losses::new(name, survey.losses(range));
    survey.damages.iter().for_each(|damage| losses.damage(damage));
    losses.require_events(survey.events)?;
    output.finish()?;
    Ok(losses.report())
}

/// Writes the selected events of `input` to `output`, in any format but `.tcpp`; tells what is missing.
pub fn write(mut input: Input<'_>, selection: &mut Selection, format: TraceFormat, mut output: Output) -> Result<Exit> {
    let mut exporter = exporter(format)?;
    if format == TraceFormat::TextGz {
        output = output.gzip();
    }
    let selected = each(&mut input, selection, exporter.as_mut(), |bytes| Ok(output.write_all(bytes)?))?;
    input.losses().require_events(selected)?;
    output.finish()?;
    Ok(input.losses().report())
}

/// The exporter for a format; there is none for `.tcpp`.
pub fn exporter(format: TraceFormat) -> Result<Box<dyn Exporter>> {
    Ok(match format {
        TraceFormat::Json => Box::new(JsonExporter::default()),
        TraceFormat::Csv => Box::new(CsvExporter::default()),
        TraceFormat::Text | TraceFormat::TextGz => Box::new(TextExporter::default()),
        TraceFormat::Tcpp => anyhow::bail!("a .tcpp trace is copied, not made of events"),
    })
}

/// Gives the selected events of `input` to `sink`, each in one piece; how many there were.
pub fn each(
    input: &mut Input<'_>,
    selection: &mut Selection,
    exporter: &mut dyn Exporter,
    mut sink: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let mut bytes = Vec::new();
    let mut selected = 0;
    while let Some(piece) = input.next()? {
        match piece {
            Piece::Formats(schema) => {
                let formats = selection.begin(schema.formats())?;
                bytes.clear();
                exporter.begin(&About { formats, kernel: input.kernel() }, &mut bytes)?;
                sink(&bytes)?;
            }
            Piece::Lost(accounts) => {
                bytes.clear();
                accounts.iter().try_for_each(|account| exporter.lost(account, &mut bytes))?;
                sink(&bytes)?;
            }
            Piece::Events(batch) => batch.try_for_each(|record| {
                if !selection.takes(&record) {
                    return Ok(());
                }
                selected += 1;
                bytes.clear();
                exporter.event(&input.event(record), &mut bytes)?;
                sink(&bytes)
            })?,
        }
    }
    Ok(selected)
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
