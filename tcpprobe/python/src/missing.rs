//! What is missing from what was read, in words.

use pyo3::types::{PyAnyMethods, PyModule};
use pyo3::{PyResult, Python};
use tcpprobe::source::{Losses, Problem};

use crate::error::LossWarning;

/// What is missing.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    losses: Losses,
    /// The first problem that was met.
    first: Option<String>,
}

impl Missing {
    /// Notes a problem.
    pub fn problem(&mut self, problem: &Problem) {
        self.first.get_or_insert_with(|| problem.to_string());
    }

    /// With the sums at the end.
    pub fn summed(self, losses: &Losses) -> Self {
        Missing { losses: *losses, ..self }
    }

    /// What a user should hear, if anything.
    fn words(&self, name: &str) -> Option<String> {
        let Losses { lost, gaps_unknown, damages, .. } = self.losses;
        let mut words = Vec::new();
        if lost > 0 {
            words.push(format!("{lost} events were lost while recording"));
        }
        if gaps_unknown > 0 {
            words.push(format!("an unknown number of events was lost in {gaps_unknown} places"));
        }
        if !words.is_empty() {
            words.push("losses() tells where".to_owned());
        }
        match &self.first {
            Some(first) if damages > 1 => words.push(format!("{damages} places could not be read, the first: {first}")),
            Some(first) => words.push(first.clone()),
            None => {}
        }
        (!words.is_empty()).then(|| format!("{name}: {}", words.join("; ")))
    }

    /// Warns of it, at the line of the user's that asked.
    pub fn warn(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        let Some(words) = self.words(name) else { return Ok(()) };
        // Of `tcpprobe` itself nobody wants to see a line.
        PyModule::import(py, "tcpprobe._warn")?.getattr("warn")?.call1((words, py.get_type::<LossWarning>()))?;
        Ok(())
    }
}
