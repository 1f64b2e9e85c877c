//! A file, and what is wanted of it.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::{PyResult, Python, pyfunction};
use tcpprobe::file::Select;
use tcpprobe::file::block::Projection;
use tcpprobe::filter::Filter;
use tcpprobe::flow::Ends;
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{About, EventFilter, Trace, Wanted};

use crate::error::Failure;
use crate::stop::Stop;
use crate::work;

/// What filters may ask of owners: that chooses whole connections, and here are events.
const OF_OWNERS: [&str; 7] = ["exe", "cgroup", "unit", "container", "pod", "uid", "pid"];

/// A file, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Selection {
    path: PathBuf,
    filter: Filter,
    /// The ids of the connections that are wanted.
    connections: Option<Arc<[u64]>>,
}

impl Selection {
    /// Of a file, the events that meet `filter` and are of `connection`, both as typed.
    pub fn new(path: PathBuf, filter: Option<&str>, connection: Option<&str>) -> Result<Self, Failure> {
        let mut filter = parse(filter.unwrap_or_default())?;
        refuse_owners(&filter)?;
        let ends: Option<Ends> = connection.map(str::parse).transpose().map_err(Failure::Argument)?;
        if let Some(ends) = &ends {
            filter = filter.and(&parse(&ends.filter())?);
        }
        let connections = ends.and_then(|ends| ends.ids()).map(Into::into);
        Ok(Selection { path, filter, connections })
    }

    /// The file, as messages call it.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The file's name alone.
    pub fn title(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The same, of the connections of these ids.
    pub fn narrowed(&self, ids: &[u64]) -> Self {
        Selection { connections: Some(ids.into()), ..self.clone() }
    }

    /// Opens it for these fields of the events; `None` for all.
    pub fn open(&self, fields: Option<Vec<&'static str>>, stop: &Stop) -> Result<Trace<'static>, Failure> {
        // A filter may be about any field.
        let fields = fields.filter(|_| self.filter.is_all()).and_then(|fields| Projection::fields(fields).fields);
        let select =
            Select { wanted: Projection { fields, connections: self.connections.clone() }, ..Select::default() };
        let events = EventFilter::new(Vec::new(), Some(self.filter.clone()));
        let guard = stop.clone();
        Ok(Trace::open(&self.path, Wanted { select, events }, move |file| guard.guard(file))?)
    }

    /// Refuses a trace whose times are not nanoseconds.
    pub fn require_times(&self, about: &About) -> Result<(), Failure> {
        if clock_ticks(&about.clock) { Err(Failure::NoTimes(self.name())) } else { Ok(()) }
    }
}

fn parse(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text).map_err(|error| Failure::Filter { text: text.to_owned(), error })
}

fn refuse_owners(filter: &Filter) -> Result<(), Failure> {
    let alone = |mut filter: Filter| filter.take_about(&OF_OWNERS).is_ok_and(|asked| asked.is_all());
    let names = |mut filter: Filter, name| filter.take_names(name).is_ok_and(|asked| asked.is_empty());
    if alone(filter.clone()) && ["cc", "limit", "cause"].iter().all(|name| names(filter.clone(), name)) {
        return Ok(());
    }
    let what = "a filter about owners, cc, limit or cause chooses whole connections, and here are events; connections() \
                has them as columns: owner_unit, cc, headline; choose there, and then by connection=";
    Err(Failure::Argument(what.to_owned()))
}

/// Looks whether a file is there and is a trace. Of what can be read once only, nothing is read.
#[pyfunction]
pub fn check(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    let selection = Selection::new(path, None, None)?;
    work::run(py, move |stop| {
        if std::fs::metadata(&selection.path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Ok(());
        }
        selection.open(Some(Vec::new()), stop).map(drop)
    })
}
