//! Everything about an instance that a capture sets, in one value that can be written, read back and compared.

use std::collections::BTreeMap;

use super::{EventName, Instance, TracefsError};

/// How an instance is to record, or does.
///
/// What [`Instance::configure`] returns is what [`Instance::settings`] reads from then on: kept beside the capture
/// and compared after a crash, it tells whether the instance is still as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The clock: `boot`. Each instance has its own.
    pub clock: String,
    /// Size of each CPU's buffer in KB (1024 bytes) of data; the kernel rounds it up to whole sub-buffers, two at least.
    pub buffer_kb: u64,
    /// Size of a sub-buffer in KiB; the kernel rounds it up to pages times a power of two (512 KiB is the most on
    /// 6.18). `None`: as it is, and where the kernel does not say (before 6.8).
    pub subbuf_kb: Option<u64>,
    /// How full, in percent, a CPU's buffer must be before poll wakes; `None` as for `subbuf_kb` (before 5.0).
    pub buffer_percent: Option<u64>,
    /// Whether new events push out the oldest when the buffer is full; otherwise the new ones are dropped.
    pub overwrite: bool,
    /// Enabled events, with their filters.
    pub events: BTreeMap<EventName, Option<String>>,
    /// Whether the buffer takes events (`tracing_on`).
    pub tracing: bool,
}

impl Instance {
    /// Applies `settings` in the order that the kernel wants and returns what it made of them.
    ///
    /// Recording is off meanwhile. Changing the clock or the sub-buffer's size empties the buffer.
    /// A sub-buffer size or percentage that this kernel cannot set is left out, as the returned value shows.
    ///
    /// # Errors
    /// As the single setters; what was set before the failure stays set, and recording stays off.
    pub fn configure(&self, settings: &Settings) -> Result<Settings, TracefsError> {
        self.set_tracing(false)?;
        self.set_plain_options()?;
        self.set_overwrite(settings.overwrite)?;
        if self.clock()? != settings.clock {
            self.set_clock(&settings.clock)?;
        }
        if let Some(kb) = settings.subbuf_kb {
            self.set_subbuf_kb(kb)?;
        }
        self.set_buffer_kb(settings.buffer_kb)?;
        if let Some(percent) = settings.buffer_percent {
            self.set_buffer_percent(percent)?;
        }
        for event in self.enabled_events()?.iter().filter(|event| !settings.events.contains_key(event)) {
            self.enable(event, false)?;
        }
        for (event, filter) in &settings.events {
            self.set_filter(event, filter.as_deref())?;
            self.enable(event, true)?;
        }
        self.set_tracing(settings.tracing)?;
        self.settings()
    }

    /// Reads how the instance records now.
    ///
    /// # Errors
    /// When a file cannot be read or understood.
    pub fn settings(&self) -> Result<Settings, TracefsError> {
        let events = self.enabled_events()?.into_iter().map(|event| Ok((event.clone(), self.filter(&event)?)));
        Ok(Settings {
            clock: self.clock()?,
            buffer_kb: self.buffer_kb()?,
            subbuf_kb: self.subbuf_kb()?,
            buffer_percent: self.buffer_percent()?,
            overwrite: self.overwrite()?,
            events: events.collect::<Result<_, TracefsError>>()?,
            tracing: self.tracing()?,
        })
    }
}
