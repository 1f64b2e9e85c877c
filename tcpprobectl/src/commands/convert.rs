//! `convert`: a trace file, or a folder of pages, as another format.

use anyhow::{Context, Result};
use tcpprobe::file::block::{PointerKey, Projection};
use tcpprobe::source::{self, EventFilter, RingDump, Trace, Wanted};

use crate::cli::ConvertArgs;
use crate::exit::Exit;
use crate::export::{self, Request, Source};
use crate::filter;
use crate::input;
use crate::interrupt::Interrupt;
use crate::output;
use crate::owned;
use crate::range;

pub fn run(args: &ConvertArgs) -> Result<Exit> {
    let path = Some(args.output.as_path());
    let format = export::require_format(args.format.map(|format| format.0), &args.output)?;
    if format.is_binary() {
        output::refuse_terminal(path, "the trace", &format!("FILE.{}", format.extension()))?;
    }
    let filter = filter::of_connection(args.filter.as_deref(), None)?;
    if args.formats.is_some() && (args.time.since.is_some() || args.time.until.is_some() || args.time.last.is_some()) {
        return Err(tcpprobe::Error::NoWallClock { name: args.file.display().to_string() }.into());
    }
    let select = range::of_file(&args.file, &args.time)?;
    let interrupt = Interrupt::install()?;
    let name = args.file.display().to_string();
    let first = |fields: Vec<&'static str>| {
        if args.formats.is_some() || !args.file.is_file() {
            return Ok(None);
        }
        let mut select = select.clone();
        select.wanted.fields = Projection::fields(fields).fields;
        let input = input::open(&args.file, interrupt.clone())?;
        Ok(Some(Trace::sniff(&name, input, Wanted { select, events: EventFilter::default() })?))
    };
    let filter = owned::of_connections(&args.events, filter, first)?;
    let source = match &args.formats {
        Some(formats) => {
            let mut secret = [0; 16];
            getrandom::fill(&mut secret).context("random numbers")?;
            let key = PointerKey::new(secret);
            let dump = RingDump::open(&args.file, formats, key)?;
            Source::RingDump(Box::new(dump.guarded(move |file| Box::new(interrupt.clone().guard(file)))))
        }
        None => {
            let file = input::open(&args.file, interrupt)?;
            let (content, input) =
                source::sniff(file).map_err(|source| tcpprobe::Error::Read { name: name.clone(), source })?;
            Source::File(content, input)
        }
    };
    let request = Request { select, filter, fields: args.fields.clone(), format, tables: args.tables.wanted() };
    export::write(&name, source, request, path)
}
