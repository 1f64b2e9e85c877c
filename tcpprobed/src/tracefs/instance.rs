//! A tracing instance: a buffer of its own, with its own clock, events and filters.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::memory::MachineMemory;
use super::{EventName, Tracefs, TracefsError, cpus, file, holders, page_size};

/// `rmdir` fails while somebody, such as a reader that is just closing, holds the instance: so often it is tried,
const REMOVE_TRIES: u32 = 20;
/// and so long it is waited in between.
const REMOVE_PAUSE: Duration = Duration::from_millis(25);
/// Longest filter, in bytes: the kernel takes a page less one, but shows only so many when it is read back.
const FILTER_BYTES_MAX: usize = 4091;

/// A directory under `instances`.
///
/// Dropping it leaves the instance in the kernel: it must go on recording when its daemon dies. Only
/// [`Instance::remove`] undoes it.
#[derive(Debug, Clone)]
pub struct Instance {
    dir: PathBuf,
    name: String,
}

impl Tracefs {
    /// Names of the instances that begin with `prefix`, sorted.
    ///
    /// # Errors
    /// When `instances` cannot be listed.
    pub fn instances(&self, prefix: &str) -> Result<Vec<String>, TracefsError> {
        let dir = self.root().join("instances");
        let fail = |e| TracefsError::io(&dir, "list", Errno::from_io_error(&e).unwrap_or(Errno::IO));
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            names.extend(name.to_str().filter(|name| name.starts_with(prefix)).map(str::to_owned));
        }
        Ok(names.into_iter().collect())
    }
}

impl Instance {
    /// Makes a new instance, in which no event is enabled. Takes about 2 ms.
    ///
    /// # Errors
    /// [`TracefsError::Exists`]; [`TracefsError::Name`]; [`TracefsError::Permission`], [`TracefsError::ReadOnly`]
    /// and the like.
    pub fn create(tracefs: &Tracefs, name: &str) -> Result<Self, TracefsError> {
        let instance = Self::at(tracefs, name)?;
        match rustix::fs::mkdir(&instance.dir, Mode::from_raw_mode(0o750)) {
            Ok(()) => Ok(instance),
            Err(Errno::EXIST) => Err(TracefsError::Exists { name: name.to_owned() }),
            Err(errno) => Err(TracefsError::io(&instance.dir, "make the instance", errno)),
        }
    }

    /// Opens an instance that exists; compare its [`Instance::settings`] before relying on it.
    ///
    /// # Errors
    /// [`TracefsError::NoInstance`], [`TracefsError::Name`].
    pub fn open(tracefs: &Tracefs, name: &str) -> Result<Self, TracefsError> {
        let instance = Self::at(tracefs, name)?;
        if !instance.dir.is_dir() {
            return Err(TracefsError::NoInstance { name: name.to_owned() });
        }
        Ok(instance)
    }

    /// Whether there is an instance of this name.
    #[must_use]
    pub fn exists(tracefs: &Tracefs, name: &str) -> bool {
        Self::open(tracefs, name).is_ok()
    }

    fn at(tracefs: &Tracefs, name: &str) -> Result<Self, TracefsError> {
        if name.is_empty() || name.len() > 255 || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(TracefsError::Name { name: name.to_owned() });
        }
        Ok(Instance { dir: tracefs.root().join("instances").join(name), name: name.to_owned() })
    }

    /// Removes the instance and what is in its buffer, in about 45 ms. Waits half a second for files of it to be closed.
    ///
    /// # Errors
    /// [`TracefsError::Busy`] with the processes that hold it; [`TracefsError::NoInstance`].
    pub fn remove(self) -> Result<(), TracefsError> {
        for tries_left in (0..REMOVE_TRIES).rev() {
            match rustix::fs::rmdir(&self.dir) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => return Err(TracefsError::NoInstance { name: self.name }),
                Err(Errno::BUSY) if tries_left > 0 => thread::sleep(REMOVE_PAUSE),
                Err(Errno::BUSY) => break,
                Err(errno) => return Err(TracefsError::io(&self.dir, "remove the instance", errno)),
            }
        }
        Err(self.busy())
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CPUs that have a directory under `per_cpu`: all that may ever be there, offline ones too.
    ///
    /// # Errors
    /// When `per_cpu` cannot be listed.
    pub fn cpus(&self) -> Result<Vec<u32>, TracefsError> {
        let dir = self.path("per_cpu");
        let fail = |e| TracefsError::io(&dir, "list", Errno::from_io_error(&e).unwrap_or(Errno::IO));
        let mut cpus = BTreeSet::new();
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            cpus.extend(name.to_str().and_then(|name| name.strip_prefix("cpu")?.parse::<u32>().ok()));
        }
        Ok(cpus.into_iter().collect())
    }

    /// The clock in use.
    ///
    /// # Errors
    /// When `trace_clock` cannot be read or marks none.
    pub fn clock(&self) -> Result<String, TracefsError> {
        let path = self.path("trace_clock");
        let text = file::read_text(&path)?;
        let marked = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        marked.map(str::to_owned).ok_or_else(|| TracefsError::content(&path, 1, "no clock in brackets", &text))
    }

    /// Sets the clock and empties the buffer. Other instances keep theirs.
    ///
    /// # Errors
    /// [`TracefsError::Value`] for a clock that the kernel has not.
    pub fn set_clock(&self, clock: &str) -> Result<(), TracefsError> {
        file::write(&self.path("trace_clock"), clock)
    }

    /// Size of each CPU's buffer, KB.
    ///
    /// # Errors
    /// When the file cannot be read, or says `X`: the CPUs' sizes differ.
    pub fn buffer_kb(&self) -> Result<u64, TracefsError> {
        file::read_number(&self.path("buffer_size_kb"))
    }

    /// Sets the size of every CPU's buffer, also of those that come online later, and returns what it became.
    ///
    /// Events stay; if it shrinks below them, the oldest are counted as overrun. A gigabyte takes the kernel 0.1 to
    /// 0.2 s; where a hypervisor must give the memory first, seconds, as it does any program.
    ///
    /// More than fits is refused before the kernel is asked: it would fill one CPU's buffer before it finds that the
    /// next one's does not fit, and of numbers from 2^54 on it takes the low bits.
    ///
    /// # Errors
    /// [`TracefsError::OutOfMemory`]; [`TracefsError::Busy`] while the buffer is mapped; [`TracefsError::Value`] for 0.
    pub fn set_buffer_kb(&self, per_cpu_kb: u64) -> Result<u64, TracefsError> {
        let fits_kb = self.fits_kb()?;
        if per_cpu_kb > fits_kb {
            return Err(self.out_of_memory(per_cpu_kb, fits_kb));
        }
        match self.resize("buffer_size_kb", per_cpu_kb)? {
            true => self.buffer_kb(),
            false => Err(self.out_of_memory(per_cpu_kb, self.fits_kb()?.min(per_cpu_kb))),
        }
    }

    /// KB that each CPU's buffer could have now, what it has included.
    ///
    /// A sixteenth of the machine's free memory is left out: the kernel's own records take up to 3 % beside the data.
    ///
    /// # Errors
    /// When `/proc/meminfo` or the CPUs cannot be read.
    pub fn fits_kb(&self) -> Result<u64, TracefsError> {
        let cpus = cpus::online_cpus()?.len().max(1) as u64;
        Ok((MachineMemory::now()?.available_kb / 16 * 15).saturating_add(self.kernel_memory_kb()?) / cpus)
    }

    fn out_of_memory(&self, asked_kb: u64, fits_kb: u64) -> TracefsError {
        let cpus = cpus::online_cpus().map_or(1, |cpus| cpus.len());
        TracefsError::OutOfMemory { name: self.name.clone(), asked_kb, cpus, fits_kb }
    }

    /// KB that the instance's buffers hold over all CPUs (`buffer_total_size_kb`).
    ///
    /// Data only: the kernel uses about 2 % more for its own records of 4 KiB sub-buffers, less for larger ones.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kernel_memory_kb(&self) -> Result<u64, TracefsError> {
        file::read_number(&self.path("buffer_total_size_kb"))
    }

    /// Size of a sub-buffer in KiB; `None` where the kernel has no such file (before 6.8).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn subbuf_kb(&self) -> Result<Option<u64>, TracefsError> {
        self.read_optional("buffer_subbuf_size_kb")
    }

    /// Sets the size of a sub-buffer, which empties the buffer, and returns what it became. `None`, and nothing is
    /// changed, where the kernel cannot.
    ///
    /// The kernel throws the events away but goes on counting them as `entries`, and then reads of the empty buffer
    /// return 0; so the buffer is cleared too. No [`super::CpuReader`] may be open: it would go on in the old size.
    ///
    /// # Errors
    /// [`TracefsError::Value`] beyond the kernel's limit; [`TracefsError::OutOfMemory`] when memory is too
    /// fragmented; [`TracefsError::Busy`] while the buffer is mapped.
    pub fn set_subbuf_kb(&self, kb: u64) -> Result<Option<u64>, TracefsError> {
        let old = self.subbuf_kb()?;
        if old.is_none() || old == Some(kb) {
            return Ok(old);
        }
        if self.resize("buffer_subbuf_size_kb", kb)? {
            self.clear()?;
            return self.subbuf_kb();
        }
        Err(self.out_of_memory(self.buffer_kb()?, self.fits_kb()?))
    }

    /// Bytes of a sub-buffer.
    ///
    /// # Errors
    /// When the size cannot be read.
    pub fn subbuf_bytes(&self) -> Result<usize, TracefsError> {
        let kb = self.subbuf_kb()?.and_then(|kb| usize::try_from(kb).ok());
        Ok(kb.map_or_else(page_size, |kb| kb << 10))
    }

    /// Writes a size; `false` when there was not enough memory.
    fn resize(&self, name: &str, kb: u64) -> Result<bool, TracefsError> {
        match file::write(&self.path(name), &kb.to_string()) {
            Ok(()) => Ok(true),
            Err(e) => match e.errno() {
                Some(Errno::NOMEM) => Ok(false),
                Some(Errno::BUSY) => Err(self.busy()),
                _ => Err(e),
            },
        }
    }

    /// Empties every CPU's buffer and sets its counts to 0.
    ///
    /// # Errors
    /// When `trace` cannot be opened for writing.
    pub fn clear(&self) -> Result<(), TracefsError> {
        file::open(&self.path("trace"), OFlags::WRONLY | OFlags::TRUNC, "clear").map(drop)
    }

    /// How full a buffer must be for poll to wake; `None` where the kernel has no such file (before 5.0).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn buffer_percent(&self) -> Result<Option<u64>, TracefsError> {
        self.read_optional("buffer_percent")
    }

    /// Sets it, where the kernel can.
    ///
    /// # Errors
    /// [`TracefsError::Value`] for more than 100.
    pub fn set_buffer_percent(&self, percent: u64) -> Result<(), TracefsError> {
        match self.buffer_percent()? {
            Some(_) => file::write(&self.path("buffer_percent"), &percent.to_string()),
            None => Ok(()),
        }
    }

    /// Whether new events push out the oldest.
    ///
    /// # Errors
    /// When the option cannot be read.
    pub fn overwrite(&self) -> Result<bool, TracefsError> {
        file::read_flag(&self.path("options/overwrite"))
    }

    /// Lets new events push out the oldest, or drops the new ones.
    ///
    /// # Errors
    /// When the option cannot be written.
    pub fn set_overwrite(&self, on: bool) -> Result<(), TracefsError> {
        file::write_flag(&self.path("options/overwrite"), on)
    }

    /// Undoes what a new instance may inherit from the top level and would put more than events into the buffer
    /// (stack traces) or leave names out (`record-cmd`). The other options only shape the kernel's own text.
    ///
    /// # Errors
    /// When `trace_options` cannot be written.
    pub fn set_plain_options(&self) -> Result<(), TracefsError> {
        let path = self.path("trace_options");
        let text = file::read_text(&path)?;
        let options: BTreeSet<&str> = text.split_whitespace().collect();
        for (unwanted, wanted) in
            [("stacktrace", "nostacktrace"), ("userstacktrace", "nouserstacktrace"), ("norecord-cmd", "record-cmd")]
        {
            if options.contains(unwanted) {
                file::write(&path, wanted)?;
            }
        }
        Ok(())
    }

    /// Has the kernel remember which process the threads are of that cause events ([`Tracefs::saved_tgids`]), as long as this instance is there.
    ///
    /// # Errors
    /// When the option cannot be written, or there is no memory for as many threads as there may be.
    pub fn record_tgids(&self) -> Result<(), TracefsError> {
        file::write_flag(&self.path("options/record-tgid"), true)
    }

    /// The events that are enabled, of any system.
    ///
    /// # Errors
    /// When `set_event` cannot be read or understood.
    pub fn enabled_events(&self) -> Result<Vec<EventName>, TracefsError> {
        let path = self.path("set_event");
        let text = file::read_text(&path)?;
        let named = text.lines().enumerate().map(|(index, line)| {
            let (system, name) = line
                .split_once(':')
                .ok_or_else(|| TracefsError::content(&path, index + 1, "not system:event", line))?;
            Ok(EventName { system: system.to_owned(), name: name.to_owned() })
        });
        named.collect()
    }

    /// Starts or stops recording of an event.
    ///
    /// # Errors
    /// When there is no such event or its `enable` cannot be written.
    pub fn enable(&self, event: &EventName, on: bool) -> Result<(), TracefsError> {
        file::write_flag(&self.event_path(event, "enable"), on)
    }

    /// The filter of an event, as it was written.
    ///
    /// # Errors
    /// When there is no such event or its `filter` cannot be read.
    pub fn filter(&self, event: &EventName) -> Result<Option<String>, TracefsError> {
        let text = file::read_text(&self.event_path(event, "filter"))?;
        Ok(match text.trim_end_matches('\n') {
            "none" => None,
            filter => Some(filter.to_owned()),
        })
    }

    /// Sets the filter of an event, or with `None` lets all of it pass.
    ///
    /// A refused filter would leave the event without one, everything passing; it is put back to what it was.
    ///
    /// # Errors
    /// [`TracefsError::Filter`] with the kernel's reason.
    pub fn set_filter(&self, event: &EventName, filter: Option<&str>) -> Result<(), TracefsError> {
        let path = self.event_path(event, "filter");
        let Some(filter) = filter.map(str::trim) else { return file::write(&path, "0") };
        let refuse = |reason: &str, column| TracefsError::Filter {
            event: event.to_string(),
            filter: filter.to_owned(),
            reason: reason.to_owned(),
            column,
        };
        if filter.len() > FILTER_BYTES_MAX {
            return Err(refuse("longer than 4091 bytes", None));
        }
        if filter.is_empty() || filter.contains('\n') {
            return Err(refuse("empty, or more than one line", None));
        }
        let old = self.filter(event)?;
        let Err(error) = file::write(&path, filter) else { return Ok(()) };
        let explained = file::read_text(&path).ok().and_then(|text| parse_refusal(&text));
        file::write(&path, old.as_deref().unwrap_or("0"))?;
        // The errno says little: an unclosed parenthesis is ENOENT.
        match (explained, &error) {
            (Some((reason, column)), _) => Err(refuse(&reason, Some(column))),
            (None, TracefsError::Value { .. }) => Err(refuse("the kernel gives no reason", None)),
            _ => Err(error),
        }
    }

    /// Whether the buffer takes events.
    ///
    /// # Errors
    /// When `tracing_on` cannot be read.
    pub fn tracing(&self) -> Result<bool, TracefsError> {
        file::read_flag(&self.path("tracing_on"))
    }

    /// Opens or closes the buffer to events. Closed, it keeps what it holds and can be read.
    ///
    /// # Errors
    /// When `tracing_on` cannot be written.
    pub fn set_tracing(&self, on: bool) -> Result<(), TracefsError> {
        file::write_flag(&self.path("tracing_on"), on)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn event_path(&self, event: &EventName, name: &str) -> PathBuf {
        self.dir.join("events").join(&event.system).join(&event.name).join(name)
    }

    fn read_optional(&self, name: &str) -> Result<Option<u64>, TracefsError> {
        match file::read_number(&self.path(name)) {
            Err(e) if e.errno() == Some(Errno::NOENT) && self.dir.is_dir() => Ok(None),
            result => result.map(Some),
        }
    }

    fn busy(&self) -> TracefsError {
        TracefsError::Busy { name: self.name.clone(), holders: self.holders() }
    }

    /// Who holds files of the instance open, as `pid (comm)`, as far as this process may see.
    fn holders(&self) -> Vec<String> {
        // The same instance may be reached by another mount of tracefs.
        let inside = format!("/instances/{}/", self.name);
        holders::holders(|path| path.contains(&inside))
    }
}

/// The reason, and the column counted from 1, in what the kernel makes of a refused filter's file:
/// the filter, a caret under the place, and `parse_error: Field not found`.
fn parse_refusal(text: &str) -> Option<(String, usize)> {
    let (before, reason) = text.trim_end().rsplit_once("parse_error: ")?;
    let caret = before.lines().next_back()?.find('^')?;
    Some((reason.to_owned(), caret + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let text = "foo == 80\n    ^\nparse_error: Field not found\n\n";
        assert_eq!(parse_refusal(text), Some(("Field not found".to_owned(), 5)));
        for text in ["none\n", "sport == 80\n", "\nError: (0)\n\n", "", "parse_error: x"] {
            assert_eq!(parse_refusal(text), None, "{text:?}");
        }
    }
}
