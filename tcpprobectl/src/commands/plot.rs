//! `plot`: congestion window, RTT and retransmissions by connection, as a picture.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tcpprobe::flow::{Collect, Collector, Limits};
use tcpprobe::source::{EventFilter, Gap, Item, Losses};
use tcpprobe_plot::{self as plot, PlotError, PlotInput};

use crate::cli::{PlotArgs, PlotFormat};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::owned;
use crate::recording::Recording;
use crate::report::Report;
use crate::{filter, say};

/// Gaps that are drawn; any more would cover the picture.
const GAPS_MAX: usize = 10_000;

pub fn run(socket: &Path, args: &PlotArgs) -> Result<Exit> {
    let filter = filter::of_connection(args.range.filter.as_deref(), args.range.connection.as_ref())?;
    let format = format(args)?;
    let trace = Recording::of(socket, &args.source, &args.range, "drawn")?;
    let target = target(args, &trace.stem(), format);
    if format == PlotFormat::Png {
        output::refuse_terminal(target.as_deref(), "a PNG", &format!("{}.png", trace.stem()))?;
    }
    let options = plot::Options { top: usize::from(args.top), ssh: args.ssh, raw_time: args.raw_time };

    let interrupt = Interrupt::install()?;
    let first = |fields| trace.open(&EventFilter::default(), fields, &interrupt).map(Some);
    let filter = owned::of_connections(&[], filter, first)?;
    let mut report = Report::new(&trace.title());
    let (mut drawing, losses) = draw(&trace, Collect::All, &filter, &interrupt, &mut report)?;
    let chosen = plot::choose(&drawing.flows, &options).map_err(|error| nothing_to_draw(&error, &report, &losses))?;
    if drawing.flows.lacks_curves(&chosen.shown) {
        // More connections than fit: once more, for the curves of those that are drawn.
        let mut again = Report::new(&trace.title());
        drawing = draw(&trace, Collect::Only(chosen.shown.clone()), &filter, &interrupt, &mut again)?.0;
    }
    let drawn = plot::Plot::new(&drawing.plot_input(&trace.heading(args.range.filter.as_deref())), &options)?;
    let kind = if format == PlotFormat::Png { plot::Format::Png } else { plot::Format::Svg };
    let picture = plot::render(&drawn, kind, plot::Size::default())?;
    write(target.as_deref(), &picture)?;

    if chosen.ssh > 0 {
        say(&format!("{} SSH connections (port 22) are left out; --ssh draws them", chosen.ssh));
    }
    if let Some(path) = &target {
        say(&format!("wrote {}", path.display()));
        if args.open {
            open(path)?;
        }
    }
    Ok(report.sums(&losses))
}

fn format(args: &PlotArgs) -> Result<PlotFormat, Failure> {
    let extension = args.output.as_deref().and_then(Path::extension).unwrap_or_default().to_ascii_lowercase();
    match (args.format, extension.to_str().unwrap_or_default()) {
        (Some(format), _) => Ok(format),
        (None, "svg") => Ok(PlotFormat::Svg),
        (None, "gif" | "jpg" | "jpeg" | "webp" | "pdf" | "eps" | "html") => {
            let what = format!("a plot is PNG or SVG, no {}", extension.display());
            Err(Failure::new(Exit::Usage, what, "end the name in .png or .svg"))
        }
        _ => Ok(PlotFormat::Png),
    }
}

/// Where the picture goes; `None` is stdout.
fn target(args: &PlotArgs, stem: &str, format: PlotFormat) -> Option<PathBuf> {
    if let Some(path) = &args.output {
        return Some(path.clone()).filter(|path| path != Path::new("-"));
    }
    let extension = if format == PlotFormat::Png { "png" } else { "svg" };
    let name = format!("{stem}.{extension}");
    Some(args.output_dir.as_ref().map_or_else(|| PathBuf::from(&name), |directory| directory.join(&name)))
}

fn write(target: Option<&Path>, picture: &[u8]) -> Result<()> {
    if let Some(directory) = target.and_then(Path::parent).filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut output = Output::open(target)?;
    output.write_all(picture)?;
    output.finish()
}

fn open(path: &Path) -> Result<(), Failure> {
    let viewer = Command::new("xdg-open").arg(path).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match viewer {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::new(
            Exit::Failed,
            "xdg-open found no viewer for the picture",
            format!("open {} yourself", path.display()),
        )),
    }
}

fn nothing_to_draw(error: &PlotError, report: &Report, losses: &Losses) -> Failure {
    let _ = report.sums(losses);
    match error {
        PlotError::OnlySsh(_) => Failure::told(Exit::NoData, error.to_string()),
        _ => Failure::new(Exit::NoData, error.to_string(), "take a wider range or filter, or wait for TCP traffic"),
    }
}

/// Reads all of a trace.
fn draw(
    trace: &Recording,
    collect: Collect,
    filter: &EventFilter,
    interrupt: &Interrupt,
    report: &mut Report,
) -> Result<(Drawing, Losses)> {
    let mut drawing = Drawing { flows: Collector::new(collect, Limits::default()), ..Drawing::default() };
    let mut items = trace.open(filter, Collector::fields(), interrupt)?;
    for item in &mut items {
        let item = item?;
        drawing.flows.item(&item);
        match item {
            Item::Begin(about) => {
                trace.require_times(&about)?;
                (drawing.kernel, drawing.host) = (about.kernel, about.host);
            }
            Item::Events(batch) => drawing.utc_offset_ns = drawing.utc_offset_ns.or_else(|| batch.utc_offset_ns()),
            Item::Lost(gap) => drawing.lost(&gap),
            Item::Problem(problem) => report.tell(&problem),
            _ => {}
        }
    }
    Ok((drawing, *items.losses()))
}

/// What a trace shows.
#[derive(Default)]
struct Drawing {
    flows: Collector,
    kernel: String,
    host: String,
    utc_offset_ns: Option<i64>,
    gaps: Vec<plot::Gap>,
}

impl Drawing {
    fn lost(&mut self, gap: &Gap) {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(plot::Gap { start_ns: gap.from, end_ns: gap.to, lost: gap.lost });
        }
    }

    fn plot_input<'a>(&'a self, title: &'a str) -> PlotInput<'a> {
        let known = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        PlotInput {
            flows: &self.flows,
            title,
            kernel: known(&self.kernel),
            host: known(&self.host),
            utc_offset_ns: self.utc_offset_ns,
            gaps: &self.gaps,
        }
    }
}
