//! What held connections back.

use std::path::PathBuf;

use pyo3::{PyResult, Python, pyfunction};
use tcpprobe::diagnose::{Diagnoser, report};
use tcpprobe::source::Item;

use crate::missing::Missing;
use crate::selection::Selection;
use crate::work;

/// The report of `tcpprobectl diagnose --json`.
#[pyfunction]
#[pyo3(signature = (path, filter=None, connection=None, top=None))]
pub fn diagnose(
    py: Python<'_>,
    path: PathBuf,
    filter: Option<&str>,
    connection: Option<&str>,
    top: Option<usize>,
) -> PyResult<String> {
    let selection = Selection::new(path, filter, connection)?;
    let name = selection.name();
    let (report, missing) = work::run(py, move |stop| {
        let (mut diagnoser, mut missing) = (Diagnoser::default(), Missing::default());
        let mut trace = selection.open(Some(Diagnoser::fields()), stop)?;
        for item in trace.by_ref() {
            stop.check()?;
            let item = item?;
            match &item {
                Item::Begin(about) => selection.require_times(about)?,
                Item::Problem(problem) => missing.problem(problem),
                _ => {}
            }
            diagnoser.item(&item);
        }
        let (untracked, losses) = (diagnoser.untracked(), *trace.losses());
        let report = report(diagnoser.finish(), top.unwrap_or(usize::MAX), untracked, &losses);
        Ok((report.to_string(), missing.summed(&losses)))
    })?;
    missing.warn(py, &name)?;
    Ok(report)
}
