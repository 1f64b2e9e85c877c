//! Pictures of connections over time, and the page for a browser.

use std::path::PathBuf;

use pyo3::types::PyBytes;
use pyo3::{Bound, PyResult, Python, pyfunction};
use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::file::block::connection_id;
use tcpprobe::flow::{Collect, Collector, Flow, Limits};
use tcpprobe::source::Item;
use tcpprobe_page::{Page, PageInput, Rows, SIZE_DEFAULT, SIZE_MIN};
use tcpprobe_plot::{self as plot, Options, PanelKind, PlotInput, Rank, TOP_MAX};

use crate::error::Failure;
use crate::missing::Missing;
use crate::selection::Selection;
use crate::stop::Stop;
use crate::work;

/// Gaps that are drawn; any more would cover the picture.
const GAPS_MAX: usize = 10_000;
/// Events of the connections drawn up to which what held them back is told unasked: it takes as long as all else.
const DIAGNOSED_MAX: u64 = 2_000_000;
/// Retransmissions of a connection that are kept apart.
const MOMENTS_MAX: usize = 4096;
/// Connections that a page shows at first: as many colours as one can tell apart at a glance.
const PAGE_TOP: usize = 4;

const PANELS: [(&str, PanelKind); 6] = [
    ("throughput", PanelKind::Throughput),
    ("cwnd", PanelKind::Cwnd),
    ("flight", PanelKind::Flight),
    ("srtt", PanelKind::Srtt),
    ("retransmissions", PanelKind::Retransmissions),
    ("limits", PanelKind::Limits),
];
const RANKS: [(&str, Rank); 5] = [
    ("bytes", Rank::Bytes),
    ("retransmissions", Rank::Retransmissions),
    ("srtt", Rank::Srtt),
    ("duration", Rank::Duration),
    ("rate", Rank::Rate),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Svg,
    Html,
}

const KINDS: [(&str, Kind); 3] = [("png", Kind::Png), ("svg", Kind::Svg), ("html", Kind::Html)];

fn named<T: Copy>(what: &str, name: &str, all: &[(&'static str, T)]) -> Result<T, Failure> {
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let names = || all.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| Failure::Argument(format!("no {what} {name:?}; there are {}", names())))
}

/// A picture of a trace, the bytes of its file.
#[pyfunction(name = "plot")]
#[expect(clippy::too_many_arguments, reason = "each is one of Python's, by name")]
#[pyo3(signature = (path, format, filter=None, connection=None, *, top=None, by="bytes", panels=None, ssh=false, both_ends=false, raw_time=false, size=None))]
pub fn draw<'py>(
    py: Python<'py>,
    path: PathBuf,
    format: &str,
    filter: Option<&str>,
    connection: Option<&str>,
    top: Option<usize>,
    by: &str,
    panels: Option<Vec<String>>,
    ssh: bool,
    both_ends: bool,
    raw_time: bool,
    size: Option<u64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let kind = named("format", format, &KINDS)?;
    let by = named("order", by, &RANKS)?;
    let panels: Option<Vec<PanelKind>> =
        panels.map(|names| names.iter().map(|name| named("panel", name, &PANELS)).collect()).transpose()?;
    let refuse = |what: &str| Err(Failure::Argument(what.to_owned()).into());
    match (kind, size) {
        (Kind::Html, Some(size)) if size < SIZE_MIN => return refuse("a page needs size=250_000 at least"),
        (Kind::Png | Kind::Svg, Some(_)) => return refuse("size is of a page; leave it out, or take html"),
        _ => {}
    }
    if top.is_some_and(|top| top == 0 || top > TOP_MAX) {
        return refuse(&format!("top is 1 to {TOP_MAX}, as many as one can tell apart"));
    }
    let options = Options {
        top: top.unwrap_or(if kind == Kind::Html { PAGE_TOP } else { Options::default().top }),
        by,
        ssh,
        both_ends,
        raw_time,
        panels,
        stack: false,
    };
    let selection = Selection::new(path, filter, connection)?;
    let name = selection.name();
    let size = size.unwrap_or(SIZE_DEFAULT);
    let (picture, missing) = work::run(py, move |stop| {
        if kind == Kind::Html {
            return page(&selection, &options, size, top.is_some(), stop);
        }
        let format = if kind == Kind::Png { plot::Format::Png } else { plot::Format::Svg };
        picture(&selection, &options, format, stop)
    })?;
    missing.warn(py, &name)?;
    Ok(PyBytes::new(py, &picture))
}

fn picture(
    selection: &Selection,
    options: &Options,
    format: plot::Format,
    stop: &Stop,
) -> Result<(Vec<u8>, Missing), Failure> {
    let mut drawing = Drawing::read(selection, Collect::All, stop)?;
    let chosen = plot::choose(&drawing.flows, options)?;
    if drawing.flows.lacks_curves(&chosen.shown) {
        // More connections than fit: once more, for the curves of those that are drawn.
        drawing = Drawing::read(selection, Collect::Only(chosen.shown.clone()), stop)?;
    }
    let shown: Vec<Flow<'_>> = chosen.shown.iter().filter_map(|&id| drawing.flows.get(id)).collect();
    let needs = |kinds: &[PanelKind]| {
        options.panels.as_ref().is_none_or(|panels| panels.iter().any(|panel| kinds.contains(panel)))
    };
    let is_asked = options.panels.is_some() && needs(&[PanelKind::Limits]);
    let is_little = shown.iter().map(|flow| flow.totals.events).sum::<u64>() <= DIAGNOSED_MAX;
    let diagnoses =
        if needs(&[PanelKind::Limits, PanelKind::Flight, PanelKind::Retransmissions]) && (is_little || is_asked) {
            let ids = shown.iter().map(|flow| connection_id(flow.connection.local, flow.connection.peer));
            diagnose(&selection.narrowed(&ids.collect::<Vec<_>>()), stop)?
        } else {
            Vec::new()
        };
    let title = selection.title();
    let drawn = plot::Plot::new(&drawing.input(&diagnoses, &title), options)?;
    stop.check()?;
    Ok((plot::render(&drawn, format, plot::Size::default())?, drawing.missing))
}

fn page(
    selection: &Selection,
    options: &Options,
    size: u64,
    is_chosen: bool,
    stop: &Stop,
) -> Result<(Vec<u8>, Missing), Failure> {
    let drawing = Drawing::read(selection, Collect::Nothing, stop)?;
    let mut chosen = plot::choose(&drawing.flows, options)?;
    if !is_chosen {
        // Those that are next to nothing beside the first are in the list.
        let bytes = |id: &u64| drawing.flows.get(*id).map_or(0, |flow| flow.totals.traffic());
        let least = chosen.shown.first().map_or(0, bytes) / 1000;
        chosen.shown.retain(|id| bytes(id) >= least);
    }
    let diagnoses = diagnose(selection, stop)?;
    let title = selection.title();
    let command = format!("tcpprobectl plot {title} --format html");
    let PlotInput { flows, diagnoses, title, kernel, host, utc_offset_ns, gaps } = drawing.input(&diagnoses, &title);
    let (raw_time, chosen) = (options.raw_time, chosen.shown.as_slice());
    let input = PageInput {
        flows,
        diagnoses,
        gaps,
        title,
        kernel,
        host,
        utc_offset_ns,
        raw_time,
        chosen,
        panels: options.panels.as_deref(),
        size,
        command: &command,
    };
    let wanted = |flow: &Flow<'_>| options.ssh || !plot::is_ssh(flow);
    let page = Page::fitting(&[input], wanted, |_, rows| {
        for item in &mut selection.open(Some(Rows::fields()), stop)? {
            stop.check()?;
            rows.item(&item?);
        }
        Ok::<(), Failure>(())
    })?;
    Ok((page.html.into_bytes(), drawing.missing))
}

fn diagnose(selection: &Selection, stop: &Stop) -> Result<Vec<Diagnosis>, Failure> {
    let mut diagnoser = Diagnoser::default();
    diagnoser.keep_moments(MOMENTS_MAX);
    for item in &mut selection.open(Some(Diagnoser::fields()), stop)? {
        stop.check()?;
        diagnoser.item(&item?);
    }
    Ok(diagnoser.finish())
}

/// What a trace shows.
struct Drawing {
    flows: Collector,
    missing: Missing,
    kernel: String,
    host: String,
    utc_offset_ns: Option<i64>,
    gaps: Vec<plot::Gap>,
}

impl Drawing {
    /// Reads all of a trace.
    fn read(selection: &Selection, collect: Collect, stop: &Stop) -> Result<Self, Failure> {
        let mut flows = Collector::new(collect, Limits::default());
        let (mut kernel, mut host, mut utc_offset_ns) = (String::new(), String::new(), None);
        let (mut gaps, mut missing) = (Vec::new(), Missing::default());
        let mut trace = selection.open(Some(Collector::fields()), stop)?;
        for item in trace.by_ref() {
            stop.check()?;
            let item = item?;
            flows.item(&item);
            match item {
                Item::Begin(about) => {
                    selection.require_times(&about)?;
                    (kernel, host) = (about.kernel, about.host);
                }
                Item::Events(batch) => utc_offset_ns = utc_offset_ns.or_else(|| batch.utc_offset_ns()),
                Item::Lost(gap) if gaps.len() < GAPS_MAX => {
                    gaps.push(plot::Gap { start_ns: gap.from, end_ns: gap.to, lost: gap.lost });
                }
                Item::Problem(problem) => missing.problem(&problem),
                _ => {}
            }
        }
        let missing = missing.summed(trace.losses());
        Ok(Drawing { flows, missing, kernel, host, utc_offset_ns, gaps })
    }

    fn input<'a>(&'a self, diagnoses: &'a [Diagnosis], title: &'a str) -> PlotInput<'a> {
        let known = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        let (kernel, host) = (known(&self.kernel), known(&self.host));
        PlotInput {
            flows: &self.flows,
            diagnoses,
            title,
            kernel,
            host,
            utc_offset_ns: self.utc_offset_ns,
            gaps: &self.gaps,
        }
    }
}
