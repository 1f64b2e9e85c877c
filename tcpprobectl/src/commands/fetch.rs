//! `fetch`: a job's trace, as stored or in another format.

use anyhow::Result;

use crate::cli::{FetchArgs, TraceFormat};
use crate::client::Client;
use crate::exit::Exit;
use crate::export;
use crate::input::Source;
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::range;
use crate::select::Selection;
use crate::stream::{JobStream, Turn};

pub fn run(client: &Client, args: &FetchArgs) -> Result<Exit> {
    let path = args.output.as_deref();
    let format = export::format_of(args.format, path).unwrap_or(TraceFormat::Tcpp);
    if matches!(format, TraceFormat::Tcpp | TraceFormat::TextGz) {
        output::refuse_terminal(path, "the trace", &format!("{}.{}", args.name, format.extension()))?;
    }
    let mut selection = Selection::new(&args.events, args.range.filter.as_deref())?;
    let request = range::request(client, &args.name, &args.range)?;
    let range = range::select(&request);

    let interrupt = Interrupt::install()?;
    let progress = Progress::bytes(&args.name, !output::is_terminal(path));
    let stream = JobStream::open(client, request, move |place| {
        interrupt.check()?;
        progress.set(place.received_bytes, place.total_bytes);
        Ok(Turn::Go)
    })?;
    let name = format!("job {}", args.name);
    let source = Source::Trace(Box::new(stream));
    export::write(&name, source, range, &mut selection, format, Output::open(path)?)
}
