//! What tracefs says about itself and its other users, for the doctor. Nothing is changed.

use std::path::Path;

use super::{Tracefs, TracefsError, file, holders, mount};

/// What the top-level buffer, which is everybody's, is used for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopLevel {
    /// `current_tracer`: `nop` where nobody traces functions.
    pub tracer: String,
    /// Events that somebody enabled, `system:name`.
    pub events: Vec<String>,
    /// Whether the buffer takes what they record.
    pub tracing: bool,
    /// Who reads `trace_pipe`, as `pid (comm)`, as far as this process may see.
    pub readers: Vec<String>,
}

impl Tracefs {
    /// Checks again what [`Tracefs::locate`] found good.
    ///
    /// # Errors
    /// The same.
    pub fn check(&self) -> Result<(), TracefsError> {
        mount::check(&self.root)
    }

    /// Whether a tracefs is mounted at the root, which may be any folder that was given.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        mount::is_tracefs(&self.root)
    }

    /// The clocks that an instance can have (`trace_clock`).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn clocks(&self) -> Result<Vec<String>, TracefsError> {
        let text = file::read_text(&self.root.join("trace_clock"))?;
        Ok(text.split_whitespace().map(|word| word.trim_matches(['[', ']']).to_owned()).collect())
    }

    /// How others use the top-level buffer.
    ///
    /// # Errors
    /// When a file cannot be read or understood.
    pub fn top_level(&self) -> Result<TopLevel, TracefsError> {
        let pipe = self.root.join("trace_pipe");
        Ok(TopLevel {
            tracer: file::read_text(&self.root.join("current_tracer"))?.trim().to_owned(),
            events: file::read_text(&self.root.join("set_event"))?.lines().map(str::to_owned).collect(),
            tracing: file::read_flag(&self.root.join("tracing_on"))?,
            readers: holders::holders(|path| Path::new(path) == pipe),
        })
    }
}

/// How far the kernel is locked down: `none`, `integrity`, `confidentiality`; `None` where it cannot be (no LSM for it).
#[must_use]
pub fn lockdown() -> Option<String> {
    mount::lockdown()
}
