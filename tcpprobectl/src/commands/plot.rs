//! `plot`: what happened to connections over time, as a picture of one trace or of several.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::file::block::connection_id;
use tcpprobe::filter::Filter;
use tcpprobe::flow::{Collect, Collector, Flow, Limits};
use tcpprobe::source::{EventFilter, Gap, Item, Losses};
use tcpprobe_page::{Page, PageInput, Rows, SIZE_DEFAULT, SIZE_MIN};
use tcpprobe_plot::{self as plot, PanelKind, PlotError, PlotInput, Rank};

use crate::cli::{PlotArgs, PlotBy, PlotFormat, PlotPanel};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::owned;
use crate::recording::{self, Recording};
use crate::report::Report;
use crate::value::size::human;
use crate::{escape, filter, say};

/// Gaps that are drawn; any more would cover the picture.
const GAPS_MAX: usize = 10_000;

/// Events of the connections drawn up to which what held them back is told unasked: it takes as long as all else.
const DIAGNOSED_MAX: u64 = 2_000_000;
/// Connections that a page of one trace draws at first.
const PAGE_TOP: usize = 4;
/// Retransmissions of a connection that are kept apart.
const MOMENTS_MAX: usize = 4096;

pub fn run(socket: &Path, args: &PlotArgs) -> Result<Exit> {
    let filter = filter::of_connection(args.range.filter.as_deref(), args.range.connection.as_ref())?;
    let format = format(args)?;
    let is_comparison = args.sources.len() > 1;
    check_format(args, format)?;
    let mut traces = Recording::several(socket, &args.sources, &args.range, "drawn")?;
    let stem = stem(&traces, &args.sources);
    let target = target(args, &stem, format);
    if format != PlotFormat::Svg {
        let what = if format == PlotFormat::Png { "a PNG" } else { "a page" };
        output::refuse_terminal(target.as_deref(), what, &format!("{stem}.{}", extension(format)))?;
    }
    let options = options(args);

    let interrupt = Interrupt::install()?;
    if format == PlotFormat::Html {
        return page(&traces, args, &filter, &options, target.as_deref(), &interrupt);
    }
    let mut drawings = Vec::new();
    for trace in &mut traces {
        let first = |fields| trace.open(&EventFilter::default(), fields, &interrupt).map(Some);
        let chosen = owned::of_connections(&[], filter.clone(), first)?;
        drawings.push(read(trace, &chosen, &options, is_comparison, &interrupt)?);
    }
    let titles = recording::headings(&traces, &args.sources, args.range.filter.as_deref());
    let inputs: Vec<PlotInput> = drawings.iter().zip(&titles).map(|(drawn, title)| drawn.plot_input(title)).collect();
    let drawn = match &inputs[..] {
        [input] => plot::Plot::new(input, &options)?,
        inputs => plot::Plot::compare(inputs, &options)?,
    };
    let kind = if format == PlotFormat::Png { plot::Format::Png } else { plot::Format::Svg };
    let picture = plot::render(&drawn, kind, plot::Size::default())?;
    write(target.as_deref(), &picture)?;

    end(drawings.iter(), args, target.as_deref())
}

/// Makes the page of a trace, or of several.
fn page(
    traces: &[Recording],
    args: &PlotArgs,
    filter: &Filter,
    options: &plot::Options,
    target: Option<&Path>,
    interrupt: &Interrupt,
) -> Result<Exit> {
    // As many colours as one can tell apart at a glance; of several traces one each.
    let top = args.top.map_or(if traces.len() > 1 { options.top } else { PAGE_TOP }, usize::from);
    let options = plot::Options { top, ..options.clone() };
    let mut read = Vec::with_capacity(traces.len());
    for trace in traces {
        let first = |fields| trace.open(&EventFilter::default(), fields, interrupt).map(Some);
        let filter = owned::of_connections(&[], filter.clone(), first)?;
        let mut report = Report::new(&trace.title());
        let mut drawing = draw(trace, Collect::Nothing, &filter, interrupt, &mut report)?;
        let mut chosen = plot::choose(&drawing.flows, &options)
            .map_err(|error| nothing_to_draw(&error, &report, &drawing.losses))?;
        if args.top.is_none() {
            // Those that are next to nothing beside the first are in the list.
            let bytes = |id: &u64| drawing.flows.get(*id).map_or(0, |flow| flow.totals.traffic());
            let least = chosen.shown.first().map_or(0, bytes) / 1000;
            chosen.shown.retain(|id| bytes(id) >= least);
        }
        drawing.diagnoses = diagnose(trace, &filter, interrupt)?;
        (drawing.ssh, drawing.report) = (chosen.ssh, report);
        read.push((drawing, chosen.shown, filter));
    }
    let titles = recording::headings(traces, &args.sources, args.range.filter.as_deref());
    let size = args.size.unwrap_or(SIZE_DEFAULT);
    let sources: Vec<_> = args.sources.iter().map(|source| escape::word(source)).collect();
    let command = format!("tcpprobectl plot {} --format html", sources.join(" "));
    let mut inputs = Vec::with_capacity(read.len());
    for ((drawing, chosen, _), title) in read.iter().zip(&titles) {
        let drawn = drawing.plot_input(title);
        inputs.push(PageInput {
            flows: drawn.flows,
            diagnoses: drawn.diagnoses,
            gaps: drawn.gaps,
            title: drawn.title,
            kernel: drawn.kernel,
            host: drawn.host,
            utc_offset_ns: drawn.utc_offset_ns,
            raw_time: args.raw_time,
            chosen,
            panels: options.panels.as_deref(),
            size,
            command: &command,
        });
    }
    let wanted = |flow: &Flow<'_>| options.ssh || !plot::is_ssh(flow);
    let page = Page::fitting(&inputs, wanted, |at, rows| {
        for item in &mut traces[at].open(&read[at].2, Rows::fields(), interrupt)? {
            rows.item(&item?);
        }
        anyhow::Ok(())
    })?;
    write(target, page.html.as_bytes())?;
    if !page.is_whole() {
        say(&format!("for a page of {}, {}", human(size), page.reduced(&inputs[0])));
    }
    end(read.iter().map(|(drawing, ..)| drawing), args, target)
}

/// Says what is not drawn and what was written, and opens it. How it ends is how the first trace does of which something is missing.
fn end<'a>(drawings: impl Iterator<Item = &'a Drawing>, args: &PlotArgs, target: Option<&Path>) -> Result<Exit> {
    let drawings: Vec<&Drawing> = drawings.collect();
    let ssh: usize = drawings.iter().map(|drawing| drawing.ssh).sum();
    if ssh > 0 {
        say(&format!("{ssh} SSH connections (port 22) are left out; --ssh draws them"));
    }
    if drawings.iter().any(|drawing| drawing.is_too_much) {
        say("what held the connections back is not told of so many events; --panels with limits tells it");
    }
    if let Some(path) = target {
        say(&format!("wrote {}", path.display()));
        if args.open {
            open(path)?;
        }
    }
    let sums = drawings.iter().map(|drawing| drawing.report.sums(&drawing.losses));
    Ok(sums.fold(Exit::Ok, |exit, sums| if exit == Exit::Ok { sums } else { exit }))
}

/// What the picture is called of itself.
fn stem(traces: &[Recording], sources: &[String]) -> String {
    match traces {
        [one] => one.stem(),
        all => {
            let stems = all.iter().zip(sources).map(|(trace, source)| match trace {
                Recording::Job { .. } => source.replace(':', "-"),
                Recording::File { .. } => trace.stem(),
            });
            stems.collect::<Vec<_>>().join("-")
        }
    }
}

fn options(args: &PlotArgs) -> plot::Options {
    let kind = |panel: &PlotPanel| match panel {
        PlotPanel::Throughput => PanelKind::Throughput,
        PlotPanel::Cwnd => PanelKind::Cwnd,
        PlotPanel::Flight => PanelKind::Flight,
        PlotPanel::Srtt => PanelKind::Srtt,
        PlotPanel::Retransmissions => PanelKind::Retransmissions,
        PlotPanel::Limits => PanelKind::Limits,
    };
    let by = match args.by {
        PlotBy::Bytes => Rank::Bytes,
        PlotBy::Retransmissions => Rank::Retransmissions,
        PlotBy::Srtt => Rank::Srtt,
        PlotBy::Duration => Rank::Duration,
        PlotBy::Rate => Rank::Rate,
    };
    let top = args.top.map_or(if args.sources.len() > 1 { 1 } else { plot::Options::default().top }, usize::from);
    plot::Options {
        top,
        by,
        ssh: args.ssh,
        both_ends: args.both_ends,
        raw_time: args.raw_time,
        panels: args.panels.as_ref().map(|panels| panels.iter().map(kind).collect()),
        stack: args.stack,
    }
}

/// Reads what is to be drawn of a trace, and what held it back: where there are not too many events, or it is asked for.
fn read(
    trace: &mut Recording,
    filter: &EventFilter,
    options: &plot::Options,
    is_comparison: bool,
    interrupt: &Interrupt,
) -> Result<Drawing> {
    let mut report = Report::new(&trace.title());
    let mut drawing = draw(trace, Collect::All, filter, interrupt, &mut report)?;
    let chosen =
        plot::choose(&drawing.flows, options).map_err(|error| nothing_to_draw(&error, &report, &drawing.losses))?;
    if drawing.flows.lacks_curves(&chosen.shown) {
        // More connections than fit: once more, for the curves of those that are drawn.
        let mut again = Report::new(&trace.title());
        drawing = draw(trace, Collect::Only(chosen.shown.clone()), filter, interrupt, &mut again)?;
    }
    let is_asked = options.panels.as_ref().is_some_and(|panels| panels.contains(&PanelKind::Limits));
    let is_unwanted = options.panels.as_ref().is_some_and(|panels| {
        !panels.iter().any(|kind| matches!(kind, PanelKind::Limits | PanelKind::Flight | PanelKind::Retransmissions))
    });
    let shown = || chosen.shown.iter().filter_map(|&id| drawing.flows.get(id));
    let events: u64 = if is_comparison { drawing.flows.events() } else { shown().map(|flow| flow.totals.events).sum() };
    if !is_comparison && is_unwanted {
        // Nothing that is drawn needs it.
    } else if events > DIAGNOSED_MAX && !is_asked {
        drawing.is_too_much = true;
    } else {
        if !is_comparison {
            let id = |flow: Flow<'_>| connection_id(flow.connection.local, flow.connection.peer);
            trace.narrow(&shown().map(id).collect::<Vec<_>>());
        }
        drawing.diagnoses = diagnose(trace, filter, interrupt)?;
    }
    (drawing.ssh, drawing.report) = (chosen.ssh, report);
    Ok(drawing)
}

fn diagnose(trace: &Recording, filter: &EventFilter, interrupt: &Interrupt) -> Result<Vec<Diagnosis>> {
    let mut diagnoser = Diagnoser::default();
    diagnoser.keep_moments(MOMENTS_MAX);
    for item in &mut trace.open(filter, Diagnoser::fields(), interrupt)? {
        diagnoser.item(&item?);
    }
    Ok(diagnoser.finish())
}

/// Refuses what is not of a format.
fn check_format(args: &PlotArgs, format: PlotFormat) -> Result<(), Failure> {
    let refuse = |what: &str, hint: &str| Err(Failure::new(Exit::Usage, what, hint));
    match format {
        PlotFormat::Html if args.stack => {
            refuse("--stack is of pictures", "leave it out: a page draws what is chosen in its list")
        }
        PlotFormat::Html if args.size.is_some_and(|size| size < SIZE_MIN) => {
            refuse("a page needs 250 kB at least", "give a larger --size")
        }
        PlotFormat::Png | PlotFormat::Svg if args.size.is_some() => {
            refuse("--size is of a page", "give --format html, or leave it out")
        }
        _ => Ok(()),
    }
}

fn format(args: &PlotArgs) -> Result<PlotFormat, Failure> {
    let extension = args.output.as_deref().and_then(Path::extension).unwrap_or_default().to_ascii_lowercase();
    match (args.format, extension.to_str().unwrap_or_default()) {
        (Some(format), _) => Ok(format),
        (None, "svg") => Ok(PlotFormat::Svg),
        (None, "html" | "htm") => Ok(PlotFormat::Html),
        (None, "gif" | "jpg" | "jpeg" | "webp" | "pdf" | "eps") => {
            let what = format!("a plot is PNG, SVG or HTML, no {}", extension.display());
            Err(Failure::new(Exit::Usage, what, "end the name in .png, .svg or .html"))
        }
        _ => Ok(PlotFormat::Png),
    }
}

fn extension(format: PlotFormat) -> &'static str {
    match format {
        PlotFormat::Png => "png",
        PlotFormat::Svg => "svg",
        PlotFormat::Html => "html",
    }
}

/// Where the picture goes; `None` is stdout.
fn target(args: &PlotArgs, stem: &str, format: PlotFormat) -> Option<PathBuf> {
    if let Some(path) = &args.output {
        return Some(path.clone()).filter(|path| path != Path::new("-"));
    }
    let name = format!("{stem}.{}", extension(format));
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
) -> Result<Drawing> {
    let mut drawing = Drawing::new(collect, trace);
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
    drawing.losses = *items.losses();
    Ok(drawing)
}

/// What a trace shows.
struct Drawing {
    flows: Collector,
    diagnoses: Vec<Diagnosis>,
    /// There were too many events to tell what held connections back.
    is_too_much: bool,
    /// Connections left out.
    ssh: usize,
    report: Report,
    losses: Losses,
    kernel: String,
    host: String,
    utc_offset_ns: Option<i64>,
    gaps: Vec<plot::Gap>,
}

impl Drawing {
    fn new(collect: Collect, trace: &Recording) -> Self {
        Drawing {
            flows: Collector::new(collect, Limits::default()),
            diagnoses: Vec::new(),
            is_too_much: false,
            ssh: 0,
            report: Report::new(&trace.title()),
            losses: Losses::default(),
            kernel: String::new(),
            host: String::new(),
            utc_offset_ns: None,
            gaps: Vec::new(),
        }
    }

    fn lost(&mut self, gap: &Gap) {
        if self.gaps.len() < GAPS_MAX {
            self.gaps.push(plot::Gap { start_ns: gap.from, end_ns: gap.to, lost: gap.lost });
        }
    }

    fn plot_input<'a>(&'a self, title: &'a str) -> PlotInput<'a> {
        let known = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        PlotInput {
            flows: &self.flows,
            diagnoses: &self.diagnoses,
            title,
            kernel: known(&self.kernel),
            host: known(&self.host),
            utc_offset_ns: self.utc_offset_ns,
            gaps: &self.gaps,
        }
    }
}
