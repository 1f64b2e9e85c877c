//! A trace written in another format, to a file or stdout.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::file::Select;
use tcpprobe::source::{Content, EventFilter, Input, Problem, RingDump, Trace, Wanted};

use crate::exit::{Exit, Failure};
use crate::format::Format;
use crate::output::Output;
use crate::report::Report;
use crate::{perfetto, tables};

/// A trace that was opened, by what is in it.
pub enum Source<'a> {
    /// `.tcpp` frames, as the daemon sends them.
    Stream(Box<dyn Read + 'a>),
    /// A file, gzip undone.
    File(Content, Input<'a>),
    /// Saved pages.
    RingDump(Box<RingDump>),
}

/// What is wanted of it, and how.
pub struct Request {
    /// By time.
    pub select: Select,
    /// By event and filter.
    pub filter: EventFilter,
    /// Names of columns.
    pub fields: Option<Vec<String>>,
    /// As what.
    pub format: Format,
    /// Which tables, where it is written as tables.
    pub tables: tables::Wanted,
}

/// Writes what is wanted of a source, which messages call `name`, to the file `path` or to stdout; tells what is missing.
pub fn write(name: &str, source: Source<'_>, request: Request, path: Option<&Path>) -> Result<Exit> {
    let what = request.format.name();
    if request.fields.is_some() && !matches!(request.format, Format::Of(ExportFormat::Json | ExportFormat::Csv)) {
        let what = format!("--fields goes with json and csv; {what} has all fields");
        return Err(Failure::new(Exit::Usage, what, "leave it out").into());
    }
    if !request.tables.is_default() && request.format != Format::Parquet {
        let what = format!("--table and --compression go with parquet; {what} has neither");
        return Err(Failure::new(Exit::Usage, what, "leave them out, or give --format parquet").into());
    }
    let format = match request.format {
        Format::Of(format) => format,
        Format::Parquet => {
            let tables = request.tables;
            let mut trace = open(name, source, request)?;
            return tables::write(&mut trace, Report::new(name), tables, path);
        }
        Format::Perfetto => return perfetto::write(&mut open(name, source, request)?, Report::new(name), path),
    };
    let output = Output::open(path)?;
    let output = if format.is_gzipped() { output.gzip() } else { output };
    match source {
        Source::Stream(input) if format == ExportFormat::Tcpp => copy(name, input, request, output, || None),
        Source::File(Content::Tcpp, mut input) if format == ExportFormat::Tcpp => {
            let damage = input.damage_later();
            copy(name, &mut input, request, output, damage)
        }
        source => convert(name, source, request, format, output),
    }
}

fn convert(name: &str, source: Source<'_>, request: Request, format: ExportFormat, mut output: Output) -> Result<Exit> {
    let selection = (!request.filter.is_all()).then(|| request.filter.to_string());
    let mut trace_id = [0; 8];
    getrandom::fill(&mut trace_id).map_err(io::Error::other)?;
    let options = Options {
        trace_id,
        writer: concat!("tcpprobectl ", env!("CARGO_PKG_VERSION")).to_owned(),
        selection,
        fields: request.fields.clone(),
    };
    let mut trace = open(name, source, request)?;
    let mut report = Report::new(name);
    let mut exporter = format.exporter(&options);
    export::export(&mut trace, &mut *exporter, &mut output, |problem| report.tell(problem))?;
    report.require_events(trace.selected(), trace.losses())?;
    output.finish()?;
    Ok(report.sums(trace.losses()))
}

/// Opens a source for what is wanted of it.
fn open<'a>(name: &str, source: Source<'a>, request: Request) -> Result<Trace<'a>> {
    let mut select = request.select;
    // A filter may be about any field.
    if request.filter.is_all()
        && let Some(fields) = request.fields
    {
        select.wanted.fields = Some(fields.into());
    }
    let wanted = Wanted { select, events: request.filter };
    Ok(match source {
        Source::Stream(input) => Trace::tcpp(name, input, wanted),
        Source::File(content, input) => Trace::sniffed(name, content, input, wanted)?,
        Source::RingDump(dump) => Trace::ring_dump(*dump, wanted)?,
    })
}

/// `.tcpp` to `.tcpp`, frame by frame; `damage` tells afterwards whether the input was whole.
fn copy(
    name: &str,
    input: impl Read,
    request: Request,
    mut output: Output,
    damage: impl FnOnce() -> Option<String>,
) -> Result<Exit> {
    let Request { select, mut filter, .. } = request;
    let survey = export::copy(name, input, &mut filter, &mut output)?;
    if survey.frames == 0 && !survey.damages.is_empty() {
        return Err(tcpprobe::Error::NotATrace { name: name.to_owned() }.into());
    }
    let (mut report, mut losses) = (Report::new(name), tcpprobe::source::Losses::default());
    losses.totals(survey.losses(&select));
    let damages = survey.damages.iter().cloned().map(Problem::Damage);
    for problem in damages.chain(damage().map(Problem::Cut)) {
        losses.problem(&problem);
        report.tell(&problem);
    }
    report.require_events(survey.events, &losses)?;
    output.flush()?;
    output.finish()?;
    Ok(report.sums(&losses))
}

/// The format asked for, or that the extension of `path` tells.
pub fn format_of(asked: Option<Format>, path: Option<&Path>) -> Option<Format> {
    asked.or_else(|| Format::of_path(path?))
}

/// Refuses a name that ends as a format does which nothing here writes.
pub fn refuse_other(path: &Path) -> Result<(), Failure> {
    const OTHERS: [&str; 9] = ["pcap", "pcapng", "dat", "gz", "xz", "zst", "zip", "png", "svg"];
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if OTHERS.iter().any(|other| extension == **other) {
        let what = format!("{} cannot be written: the name ends in .{}", path.display(), extension.display());
        let hint = "end it in .tcpp, .txt, .txt.gz, .json, .csv, .parquet or .pftrace, or give --format";
        return Err(Failure::new(Exit::Usage, what, hint));
    }
    Ok(())
}

/// The format that the extension of `path` tells, or the failure that it tells none.
pub fn require_format(asked: Option<Format>, path: &Path) -> Result<Format> {
    let failure = || {
        let what = format!("the name {} does not tell the format", path.display());
        Failure::new(
            Exit::Usage,
            what,
            "end it in .tcpp, .txt, .txt.gz, .json, .csv, .parquet or .pftrace, or give --format",
        )
    };
    Ok(format_of(asked, Some(path)).ok_or_else(failure)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_comes_first() {
        let path = Path::new("a.json");
        let (json, csv) = (Format::Of(ExportFormat::Json), Format::Of(ExportFormat::Csv));
        assert_eq!(format_of(Some(csv), Some(path)), Some(csv));
        assert_eq!(format_of(None, Some(path)), Some(json));
        assert_eq!(format_of(None, None), None);
    }
}
