//! `fetch`: a job's trace, as stored or in another format.

use std::ops::ControlFlow;

use anyhow::Result;
use tcpprobe::export::ExportFormat;
use tcpprobe::file::block::Projection;
use tcpprobe::source::{EventFilter, Trace, Wanted};
use tcpprobe_client::{Client, JobStream};

use crate::cli::FetchArgs;
use crate::exit::Exit;
use crate::export::{self, Request, Source};
use crate::filter;
use crate::format::Format;
use crate::interrupt::Interrupt;
use crate::output;
use crate::owned;
use crate::progress::Progress;
use crate::range;
use crate::say;

pub fn run(client: &Client, args: &FetchArgs) -> Result<Exit> {
    let path = args.output.as_deref();
    let known = export::format_of(args.format.map(|format| format.0), path);
    if known.is_none() {
        path.map_or(Ok(()), export::refuse_other)?;
    }
    let format = known.unwrap_or(Format::Of(ExportFormat::Tcpp));
    if format.is_binary() {
        output::refuse_terminal(path, "the trace", &format!("{}.{}", args.name, format.extension()))?;
    }
    let filter = filter::of_connection(args.range.filter.as_deref(), args.range.connection.as_ref())?;
    let request = range::request(client, &args.name, &args.range)?;
    let select = range::select(&request);

    let interrupt = Interrupt::install()?;
    let first = |fields: Vec<&'static str>| {
        let interrupt = interrupt.clone();
        let mut select = select.clone();
        select.wanted.fields = Projection::fields(fields).fields;
        let stream = JobStream::open(client, request.clone(), move |_| {
            interrupt.check()?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(Some(Trace::tcpp(&args.name, stream, Wanted { select, events: EventFilter::default() })))
    };
    let filter = owned::of_connections(&args.events, filter, first)?;
    let bar = Progress::bytes(&args.name, !output::is_terminal(path));
    let stream = JobStream::open(client, request, move |progress| {
        interrupt.check()?;
        bar.set(progress.received_bytes, progress.total_bytes);
        Ok(ControlFlow::Continue(()))
    })?;
    let source = Source::Stream(Box::new(stream));
    let request = Request { select, filter, fields: args.fields.clone(), format, tables: args.tables.wanted() };
    let exit = export::write(&format!("job {}", args.name), source, request, path)?;
    if let Some(path) = path.filter(|path| path.is_file() || path.is_dir()) {
        say(&format!("wrote {} ({})", path.display(), format.name()));
    }
    Ok(exit)
}
