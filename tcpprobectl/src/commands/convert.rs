//! `convert`: a trace file, or a folder of pages, as another format.

use anyhow::Result;
use tcpprobe::file::Select;

use crate::cli::{ConvertArgs, TraceFormat};
use crate::exit::{Exit, Failure};
use crate::export;
use crate::input::Source;
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::saved::Saved;
use crate::select::Selection;

pub fn run(args: &ConvertArgs) -> Result<Exit> {
    let path = Some(args.output.as_path());
    let format = export::require_format(args.format, &args.output)?;
    if matches!(format, TraceFormat::Tcpp | TraceFormat::TextGz) {
        output::refuse_terminal(path, "the trace", &format!("FILE.{}", format.extension()))?;
    }
    let mut selection = Selection::new(&args.events, args.filter.as_deref())?;
    let interrupt = Interrupt::install()?;
    let name = args.file.display().to_string();
    let source = match &args.formats {
        Some(formats) => Source::Saved(Box::new(Saved::open(&args.file, formats, interrupt)?)),
        None if args.file.is_dir() => {
            let hint = "for the pages in it, give --formats EVENTS_DIR";
            return Err(Failure::new(Exit::Usage, format!("{name} is a folder"), hint).into());
        }
        None => Source::open(&args.file)?.map(|input| interrupt.guard(input)),
    };
    export::write(&name, source, Select::default(), &mut selection, format, Output::open(path)?)
}
