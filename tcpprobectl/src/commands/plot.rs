//! `plot`: congestion window, RTT and retransmissions by connection, as a picture.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tcpprobe::file::Select;
use tcpprobe::file::block::Projection;
use tcpprobe::flow::{Collect, Collector, Limits};
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{EventFilter, Gap, Item, Losses, Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_plot::{self as plot, PlotError, PlotInput};
use tcpprobe_proto::v1::ReadRequest;

use crate::cli::{PlotArgs, PlotFormat};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::report::Report;
use crate::value::timestamp;
use crate::{escape, filter, input, range, say};

/// Gaps that are drawn; any more would cover the picture.
const GAPS_MAX: usize = 10_000;

pub fn run(socket: &Path, args: &PlotArgs) -> Result<Exit> {
    let filter = filter::events(&[], args.range.filter.as_deref())?;
    let format = format(args)?;
    let trace = Input::of(socket, args)?;
    let target = target(args, &trace.stem(), format);
    if format == PlotFormat::Png {
        output::refuse_terminal(target.as_deref(), "a PNG", &format!("{}.png", trace.stem()))?;
    }
    let options = plot::Options { top: usize::from(args.top), ssh: args.ssh, raw_time: args.raw_time };

    let interrupt = Interrupt::install()?;
    let mut report = Report::new(&trace.title());
    let (mut drawing, losses) = trace.draw(Collect::All, &filter, &interrupt, &mut report)?;
    let chosen = plot::choose(&drawing.flows, &options).map_err(|error| nothing_to_draw(&error, &report, &losses))?;
    if drawing.flows.lacks_curves(&chosen.shown) {
        // More connections than fit: once more, for the curves of those that are drawn.
        let mut again = Report::new(&trace.title());
        drawing = trace.draw(Collect::Only(chosen.shown.clone()), &filter, &interrupt, &mut again)?.0;
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

/// A trace that can be read more than once.
enum Input {
    Job { client: Box<Client>, request: ReadRequest },
    File { path: PathBuf, range: Select },
}

impl Input {
    /// The file of that name, or else the job.
    fn of(socket: &Path, args: &PlotArgs) -> Result<Self> {
        let path = PathBuf::from(&args.source);
        // A job's name has no slash, and nobody names one like a trace file.
        let is_path = args.source.contains('/') || stem(&args.source) != args.source;
        let is_file = path.is_file() && (is_path || args.range.run.is_none());
        let is_job = is_path && !path.exists() && is_known_job(socket, &args.source);
        if (is_file || is_path) && !is_job {
            if is_file && !args.source.contains('/') && is_known_job(socket, &args.source) {
                let name = &args.source;
                say(&format!("{name} is a file here, and is what is drawn; for the job of that name, give --run N"));
            }
            if args.range.run.is_some() {
                let what = format!("{} is a file, and has no runs to choose from", args.source);
                return Err(Failure::new(Exit::Usage, what, "leave out --run").into());
            }
            let range = range::of_file(&path, &args.range.time)?;
            return Ok(Input::File { path, range });
        }
        let client = Box::new(Client::connect(socket)?);
        let mut request = range::request(&client, &args.source, &args.range)?;
        // Both readings of a job that goes on must see the same events.
        let now_ns = timestamp::now();
        request.until_ns = if request.until_ns == 0 { now_ns } else { request.until_ns.min(now_ns) };
        Ok(Input::Job { client, request })
    }

    /// What the picture says it is of: file or job, run, and filter.
    fn heading(&self, filter: Option<&str>) -> String {
        let what = match self {
            Input::Job { request, .. } if request.run > 0 => format!("{}, run {}", request.name, request.run),
            _ => self.name(),
        };
        match filter.filter(|filter| !filter.trim().is_empty()) {
            Some(filter) => format!("{what}, {}", escape::text(filter)),
            None => what,
        }
    }

    fn name(&self) -> String {
        match self {
            Input::Job { request, .. } => request.name.clone(),
            Input::File { path, .. } => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// What the picture is called, without its extension.
    fn stem(&self) -> String {
        match self {
            Input::Job { request, .. } => request.name.clone(),
            Input::File { .. } => stem(&self.name()).to_owned(),
        }
    }

    /// As messages call it.
    fn title(&self) -> String {
        match self {
            Input::Job { request, .. } => format!("job {}", request.name),
            Input::File { path, .. } => path.display().to_string(),
        }
    }

    fn draw(
        &self,
        collect: Collect,
        filter: &EventFilter,
        interrupt: &Interrupt,
        report: &mut Report,
    ) -> Result<(Drawing, Losses)> {
        let mut drawing = Drawing { flows: Collector::new(collect, Limits::default()), ..Drawing::default() };
        // A filter may be about any field.
        let wanted = |mut select: Select| {
            if filter.is_all() {
                select.wanted = Projection::fields(Collector::fields());
            }
            Wanted { select, events: filter.clone() }
        };
        let mut trace = match self {
            Input::Job { client, request } => {
                let (interrupt, bar) = (interrupt.clone(), Progress::bytes(&request.name, true));
                let stream = JobStream::open(client, request.clone(), move |progress| {
                    interrupt.check()?;
                    bar.set(progress.received_bytes, progress.total_bytes);
                    Ok(ControlFlow::Continue(()))
                })?;
                Trace::tcpp(&self.title(), stream, wanted(range::select(request)))
            }
            Input::File { path, range } => {
                Trace::sniff(&self.title(), input::open(path, interrupt.clone())?, wanted(range.clone()))?
            }
        };
        for item in &mut trace {
            let item = item?;
            drawing.flows.item(&item);
            match item {
                Item::Begin(about) if clock_ticks(&about.clock) => {
                    let what =
                        format!("{}: its clock counts no nanoseconds, so nothing can be drawn over time", self.title());
                    return Err(Failure::new(
                        Exit::Failed,
                        what,
                        "record with another trace_clock; convert gives its values",
                    )
                    .into());
                }
                Item::Begin(about) => (drawing.kernel, drawing.host) = (about.kernel, about.host),
                Item::Events(batch) => drawing.utc_offset_ns = drawing.utc_offset_ns.or_else(|| batch.utc_offset_ns()),
                Item::Lost(gap) => drawing.lost(&gap),
                Item::Problem(problem) => report.tell(&problem),
                _ => {}
            }
        }
        Ok((drawing, *trace.losses()))
    }
}

/// Whether a daemon answers and has a job of this name.
fn is_known_job(socket: &Path, name: &str) -> bool {
    Client::connect(socket).and_then(|client| client.get(name)).is_ok()
}

/// `name` without the extensions of trace files.
fn stem(name: &str) -> &str {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let known = [".tcpp", ".txt", ".text", ".log"].into_iter().find_map(|extension| plain.strip_suffix(extension));
    known.filter(|stem| !stem.is_empty()).unwrap_or(plain)
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

#[cfg(test)]
mod tests {
    #[test]
    fn stems() {
        for (name, stem) in [
            ("web.tcpp", "web"),
            ("web.tcpp.gz", "web"),
            ("a.b.txt.gz", "a.b"),
            ("trace.gz", "trace"),
            ("web", "web"),
            ("old.log", "old"),
            ("web.1", "web.1"),
            (".txt", ".txt"),
        ] {
            assert_eq!(super::stem(name), stem);
        }
    }
}
