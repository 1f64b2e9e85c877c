//! What a check found, for people and for programs.

use std::io::{self, Write};

use super::{Finding, Summary};
use crate::wording::counted;

/// Writes a line for each finding, or all of it as JSON.
///
/// # Errors
/// Those of the output.
pub fn report(summary: &Summary, as_json: bool, output: &mut impl Write) -> io::Result<()> {
    if as_json {
        serde_json::to_writer_pretty(&mut *output, summary)?;
        return writeln!(output);
    }
    for Finding { path, offset, what, repair } in &summary.findings {
        let place = offset.map(|offset| format!(", byte {offset}")).unwrap_or_default();
        let repair = repair.as_ref().map(|repair| format!(" [{repair}]")).unwrap_or_default();
        writeln!(output, "{}{place}: {what}{repair}", path.display())?;
    }
    Ok(())
}

impl Summary {
    /// What was looked at, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        let Summary { jobs, runs, segments, blocks, events, findings } = self;
        let found = match findings.len() {
            0 => "all is well".to_owned(),
            count => counted(count, "finding", "findings"),
        };
        format!("checked: {jobs} jobs, {runs} runs, {segments} segments, {blocks} blocks, {events} events; {found}")
    }
}
