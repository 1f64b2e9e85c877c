//! What NAME|FILE means: a job's trace or a file, which can be read more than once.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tcpprobe::file::Select;
use tcpprobe::file::block::Projection;
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{About, EventFilter, Trace, Wanted};
use tcpprobe_client::{Client, JobStream};
use tcpprobe_proto::v1::ReadRequest;

use crate::cli::RangeArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::value::timestamp;
use crate::{escape, input, range, say};

/// A trace that can be read more than once.
pub enum Recording {
    Job { client: Box<Client>, request: ReadRequest },
    File { path: PathBuf, range: Select },
}

impl Recording {
    /// The file `source`, or else the job; `done` is what is done with it, should that have to be said.
    pub fn of(socket: &Path, source: &str, args: &RangeArgs, done: &str) -> Result<Self> {
        let path = PathBuf::from(source);
        // A job's name has no slash, and nobody names one like a trace file.
        let is_path = source.contains('/') || stem(source) != source;
        let is_file = path.is_file() && (is_path || args.run.is_none());
        let is_job = is_path && !path.exists() && is_known_job(socket, source);
        if (is_file || is_path) && !is_job {
            if is_file && !source.contains('/') && is_known_job(socket, source) {
                say(&format!("{source} is a file here, and is what is {done}; for the job of that name, give --run N"));
            }
            if args.run.is_some() {
                let what = format!("{source} is a file, and has no runs to choose from");
                return Err(Failure::new(Exit::Usage, what, "leave out --run").into());
            }
            let mut range = range::of_file(&path, &args.time)?;
            range.wanted.connections = args.connection.and_then(|ends| ends.ids()).map(Into::into);
            return Ok(Recording::File { path, range });
        }
        let client = Box::new(Client::connect(socket).with_context(|| format!("there is no file {source} here"))?);
        let mut request = range::request(&client, source, args)?;
        // All readings of a job that goes on must see the same events.
        let now_ns = timestamp::now();
        request.until_ns = if request.until_ns == 0 { now_ns } else { request.until_ns.min(now_ns) };
        Ok(Recording::Job { client, request })
    }

    /// Those of several traces, each a file, a job, or `NAME:RUN`.
    pub fn several(socket: &Path, sources: &[String], args: &RangeArgs, done: &str) -> Result<Vec<Self>> {
        if sources.len() > 1 && args.run.is_some() {
            let hint = "write NAME:RUN for each job";
            return Err(Failure::new(Exit::Usage, "--run is of one job, and several are compared", hint).into());
        }
        let one = |source: &String| {
            let run = source.rsplit_once(':').and_then(|(name, run)| Some((name, run.parse::<u32>().ok()?)));
            match run.filter(|(name, run)| *run > 0 && !name.contains('/') && !Path::new(source).exists()) {
                Some((name, run)) => Recording::of(socket, name, &RangeArgs { run: Some(run), ..args.clone() }, done),
                None => Recording::of(socket, source, args, done),
            }
        };
        sources.iter().map(one).collect()
    }

    /// The same, of the connections of these ids.
    pub fn narrow(&mut self, ids: &[u64]) {
        match self {
            Recording::Job { request, .. } => request.connections = ids.to_vec(),
            Recording::File { range, .. } => range.wanted.connections = Some(ids.into()),
        }
    }

    /// Opens it for those of `fields` of the events that pass `filter`.
    pub fn open<'a>(
        &'a self,
        filter: &EventFilter,
        fields: Vec<&'static str>,
        interrupt: &Interrupt,
    ) -> Result<Trace<'a>> {
        let wanted = |mut select: Select| {
            // A filter may be about any field.
            if filter.is_all() {
                select.wanted.fields = Projection::fields(fields).fields;
            }
            Wanted { select, events: filter.clone() }
        };
        Ok(match self {
            Recording::Job { client, request } => {
                let (interrupt, bar) = (interrupt.clone(), Progress::bytes(&request.name, true));
                let stream = JobStream::open(client, request.clone(), move |progress| {
                    interrupt.check()?;
                    bar.set(progress.received_bytes, progress.total_bytes);
                    Ok(ControlFlow::Continue(()))
                })?;
                Trace::tcpp(&self.title(), stream, wanted(range::select(request)))
            }
            Recording::File { path, range } => {
                let (title, path, interrupt) = (self.title(), path.clone(), interrupt.clone());
                let wanted = wanted(range.clone());
                Trace::ahead(move || Trace::sniff(&title, input::open(&path, interrupt)?, wanted))?
            }
        })
    }

    /// Refuses a trace whose times are not nanoseconds.
    pub fn require_times(&self, about: &About) -> Result<(), Failure> {
        if !clock_ticks(&about.clock) {
            return Ok(());
        }
        let what = format!("{}: its clock counts no nanoseconds, so nothing can be told over time", self.title());
        Err(Failure::new(Exit::Failed, what, "record with another trace_clock; convert gives its values"))
    }

    /// What the picture says it is of: file or job, run, and filter.
    pub fn heading(&self, filter: Option<&str>) -> String {
        let what = match self {
            Recording::Job { request, .. } if request.run > 0 => format!("{}, run {}", request.name, request.run),
            _ => self.name(),
        };
        match filter.filter(|filter| !filter.trim().is_empty()) {
            Some(filter) => format!("{what}, {}", escape::text(filter)),
            None => what,
        }
    }

    pub fn name(&self) -> String {
        match self {
            Recording::Job { request, .. } => request.name.clone(),
            Recording::File { path, .. } => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// What the picture is called, without its extension.
    pub fn stem(&self) -> String {
        match self {
            Recording::Job { request, .. } => request.name.clone(),
            Recording::File { .. } => stem(&self.name()).to_owned(),
        }
    }

    /// As messages call it.
    pub fn title(&self) -> String {
        match self {
            Recording::Job { request, .. } => format!("job {}", request.name),
            Recording::File { path, .. } => path.display().to_string(),
        }
    }
}

/// What each of several traces is called, where they are shown together: [`Recording::heading`], or where that is the same, its source.
pub fn headings(traces: &[Recording], sources: &[String], filter: Option<&str>) -> Vec<String> {
    let headings: Vec<String> = traces.iter().map(|trace| trace.heading(filter)).collect();
    let is_double = |heading: &String| headings.iter().filter(|other| *other == heading).count() > 1;
    if headings.iter().any(is_double) { told_apart(sources) } else { headings }
}

/// Files of one name, with as much of their folders as tells them apart.
fn told_apart(sources: &[String]) -> Vec<String> {
    let paths: Vec<Vec<&str>> = sources.iter().map(|source| source.split('/').collect()).collect();
    let is_common = |at: usize| paths.iter().all(|path| at + 1 < path.len() && path.get(at) == paths[0].get(at));
    let common = (0..).take_while(|&at| is_common(at)).count();
    paths.iter().map(|path| path[common..].join("/")).collect()
}

/// Whether a daemon answers and has a job of this name.
fn is_known_job(socket: &Path, name: &str) -> bool {
    Client::connect(socket).and_then(|client| client.get(name)).is_ok()
}

/// `name` without the extensions of trace files.
fn stem(name: &str) -> &str {
    let plain = name.strip_suffix(".gz").unwrap_or(name);
    let known = [".tcpp", ".txt", ".text", ".log", ".dat", ".data"]
        .into_iter()
        .find_map(|extension| plain.strip_suffix(extension));
    known.filter(|stem| !stem.is_empty()).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    #[test]
    fn files_of_one_name_are_told_apart() {
        let told =
            |sources: &[&str]| super::told_apart(&sources.iter().map(|&source| source.to_owned()).collect::<Vec<_>>());
        assert_eq!(told(&["/a/b/x.tcpp", "/a/c/x.tcpp"]), ["b/x.tcpp", "c/x.tcpp"]);
        assert_eq!(told(&["x.tcpp", "x.tcpp"]), ["x.tcpp", "x.tcpp"]);
        assert_eq!(told(&["x.tcpp", "a/x.tcpp"]), ["x.tcpp", "a/x.tcpp"]);
    }

    #[test]
    fn stems() {
        for (name, stem) in [
            ("web.tcpp", "web"),
            ("web.tcpp.gz", "web"),
            ("a.b.txt.gz", "a.b"),
            ("trace.gz", "trace"),
            ("web", "web"),
            ("old.log", "old"),
            ("trace.dat", "trace"),
            ("perf.data.gz", "perf"),
            ("web.1", "web.1"),
            (".txt", ".txt"),
        ] {
            assert_eq!(super::stem(name), stem);
        }
    }
}
