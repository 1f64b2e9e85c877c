//! The daemon's own small instance: events that happen in the context of the program that uses a socket.
//!
//! Changes of a socket's state are some of each connection, and on unless they are too many. What happens at every call of a program (data taken, data sent) costs the program
//! at each, so it is on in a window that can be closed. The buffer is as small as the kernel makes it, and new events push out old ones.

use std::collections::BTreeMap;

use tcpprobe::event::{Event, EventReader, INTERRUPT_FLAGS, Socket};
use tcpprobe::kernel::format::{Field, Format, PageLayout};
use tcpprobe::kernel::page::{Lost, Page};

use crate::clock;
use crate::tracefs::{CpuReader, EventName, Instance, ReadOutcome, Settings, Tracefs, TracefsError, page_kb};

/// Of each CPU; the kernel makes two sub-buffers of it at least.
const BUFFER_KB: u64 = 8;
/// Most pages read of a CPU at a time: it may go on writing.
const PAGES_MAX: usize = 16;
/// Connecting, connected, and closing; of what else ends a connection, that it does.
const STATES: &str = "protocol == 6 && (newstate == 1 || newstate == 2 || newstate == 4 || newstate == 9 || \
                      (newstate == 7 && (oldstate == 1 || oldstate == 2 || oldstate == 8)))";

/// What an event said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A program took data.
    Used(Socket),
    /// A program sent data on the socket at this address.
    Sent(u64),
    /// Where a socket's ends are.
    Ends(Socket),
    /// The state changed, from one to the other.
    State(Socket, u8, u8),
}

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Nanoseconds since boot.
    pub time: u64,
    /// The thread that did it; none where that only was interrupted.
    pub tid: Option<i32>,
    pub what: What,
}

/// What was in the buffer.
#[derive(Debug, Default)]
pub struct Reading {
    /// In the order of time.
    pub sightings: Vec<Sighting>,
    /// Times in which events were overwritten on some CPU, or changes of states were not recorded.
    pub gaps: Vec<(u64, u64)>,
    /// Whether events were overwritten.
    pub is_full: bool,
    /// Changes of states.
    pub states: usize,
    /// Calls of programs that were recorded, also those that say nothing of a TCP socket.
    pub calls: usize,
}

/// What is on in a window, with its filter; none is no filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Of tcp_rcv_space_adjust.
    pub taken: Option<String>,
    /// Of sock_send_length.
    pub sent: Option<String>,
    /// Of tcp_probe, which tells the ends of sockets that are asked for; it is off where there is none.
    pub probe: Option<String>,
}

/// Where an event's fields are that has no type.
#[derive(Debug)]
struct SentFields {
    sk: Field,
    ret: Field,
    protocol: Field,
}

#[derive(Debug)]
enum Reader {
    Typed(Box<EventReader>),
    Sent(SentFields),
}

/// The events of windows.
#[derive(Debug)]
struct InWindow {
    taken: EventName,
    sent: Option<EventName>,
    probe: EventName,
}

/// The instance.
#[derive(Debug)]
pub struct Ring {
    instance: Instance,
    layout: PageLayout,
    cpus: Vec<(CpuReader, u64)>,
    readers: BTreeMap<u16, Reader>,
    in_window: InWindow,
    /// The filters that are set.
    window: Option<Window>,
    is_open: bool,
    /// Since when changes of states are not recorded; and the time in which they were not, to be told with the next reading.
    states_off: Option<u64>,
    unseen: Option<(u64, u64)>,
    buffer: Vec<u8>,
}

fn states() -> EventName {
    EventName::new("sock", "inet_sock_set_state")
}

/// The event of a program that takes data.
#[must_use]
pub fn taken() -> EventName {
    EventName::new("tcp", "tcp_rcv_space_adjust")
}

/// The event of a program that sends data, since 6.3.
#[must_use]
pub fn sent() -> EventName {
    EventName::new("sock", "sock_send_length")
}

impl Ring {
    /// Makes the instance. One that an earlier daemon left is removed.
    ///
    /// # Errors
    /// When the kernel lacks an event that is needed, or the instance cannot be made.
    pub fn create(tracefs: &Tracefs, name: &str) -> Result<Self, TracefsError> {
        if Instance::exists(tracefs, name) {
            Instance::open(tracefs, name)?.remove()?;
        }
        let instance = Instance::create(tracefs, name)?;
        let made = Ring::in_instance(tracefs, instance.clone());
        if made.is_err() {
            let _ = instance.remove();
        }
        made
    }

    fn in_instance(tracefs: &Tracefs, instance: Instance) -> Result<Self, TracefsError> {
        let mut readers = BTreeMap::new();
        let probe = EventName::new("tcp", "tcp_probe");
        for event in [states(), taken(), probe.clone()] {
            let format = tracefs.format(&event)?;
            readers.insert(format.id, Reader::Typed(Box::new(EventReader::new(&format))));
        }
        let mut in_window = InWindow { taken: taken(), sent: None, probe };
        if tracefs.has(&sent()) {
            let format = tracefs.format(&sent())?;
            if let Some(fields) = SentFields::of(&format) {
                readers.insert(format.id, Reader::Sent(fields));
                in_window.sent = Some(sent());
            }
        }
        let subbuf_kb = tracefs.features().subbuf_size.then(page_kb);
        instance.configure(&Settings {
            clock: "boot".into(),
            buffer_kb: BUFFER_KB.max(2 * page_kb()),
            subbuf_kb,
            buffer_percent: None,
            overwrite: true,
            events: BTreeMap::from([(states(), Some(STATES.to_owned()))]),
            tracing: true,
        })?;
        if let Err(error) = instance.record_tgids() {
            tracing::debug!(%error, "threads that ended are not joined to their processes");
        }
        let cpus = instance.cpus()?.into_iter().map(|cpu| Ok((CpuReader::open(&instance, cpu)?, 0)));
        let cpus = cpus.collect::<Result<Vec<_>, TracefsError>>()?;
        let subbuf = cpus.iter().map(|(reader, _)| reader.subbuf_bytes()).max().unwrap_or(0);
        let (layout, buffer) = (tracefs.page_layout()?, vec![0; subbuf]);
        Ok(Ring {
            instance,
            layout,
            cpus,
            readers,
            in_window,
            window: None,
            is_open: false,
            states_off: None,
            unseen: None,
            buffer,
        })
    }

    /// Has what happens at every call be recorded too.
    ///
    /// # Errors
    /// When the instance is not as it was made.
    pub fn open_window(&mut self, window: &Window) -> Result<(), TracefsError> {
        if self.is_open && self.window.as_ref() == Some(window) {
            return Ok(());
        }
        self.is_open = true;
        let events = self.in_window.events();
        if self.window.as_ref() != Some(window) {
            for (event, filter) in events.iter().zip([&window.taken, &window.sent, &window.probe]) {
                if let Some(event) = event {
                    self.instance.set_filter(event, filter.as_deref())?;
                }
            }
            self.window = Some(window.clone());
        }
        for event in events[..2].iter().flatten() {
            self.instance.enable(event, true)?;
        }
        self.instance.enable(&self.in_window.probe, window.probe.is_some())
    }

    /// Ends the window.
    ///
    /// # Errors
    /// See [`Ring::open_window`].
    pub fn close_window(&mut self) -> Result<(), TracefsError> {
        self.is_open = false;
        self.in_window.events().into_iter().flatten().try_for_each(|event| self.instance.enable(event, false))
    }

    /// Has changes of states be recorded, or not.
    ///
    /// # Errors
    /// See [`Ring::open_window`].
    pub fn record_states(&mut self, on: bool) -> Result<(), TracefsError> {
        match (on, self.states_off) {
            (true, Some(since)) => {
                self.instance.enable(&states(), true)?;
                self.states_off = None;
                // Nobody may have read meanwhile.
                let since = self.unseen.map_or(since, |(since, _)| since);
                self.unseen = Some((since, clock::boot_ns()));
            }
            (false, None) => {
                self.states_off = Some(clock::boot_ns());
                self.instance.enable(&states(), false)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes what is in the buffer.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self) -> Result<Reading, TracefsError> {
        let Ring { cpus, readers, buffer, layout, unseen, .. } = self;
        let mut reading = Reading::default();
        reading.gaps.extend(unseen.take());
        for (reader, last) in cpus {
            for _ in 0..PAGES_MAX {
                let ReadOutcome::Page(_) = reader.read(buffer)? else { break };
                let Ok(page) = Page::parse(*layout, buffer) else { continue };
                if page.lost != Lost::None {
                    reading.gaps.push((*last, page.time));
                    reading.is_full = true;
                }
                for (time, record) in page.records() {
                    *last = time;
                    let id = record.first_chunk().map_or(0, |id| u16::from_le_bytes(*id));
                    let reader = readers.get(&id);
                    let what = reader.and_then(|reader| reader.read(record));
                    let is_call = matches!(reader, Some(Reader::Sent(_))) || matches!(what, Some(What::Used(_)));
                    reading.calls += usize::from(is_call);
                    reading.states += usize::from(matches!(what, Some(What::State(..))));
                    reading.sightings.extend(what.map(|what| Sighting { time, tid: thread(record), what }));
                }
            }
        }
        reading.sightings.sort_by_key(|seen| seen.time);
        Ok(reading)
    }

    /// Removes the instance.
    ///
    /// # Errors
    /// When somebody else holds it.
    pub fn remove(self) -> Result<(), TracefsError> {
        let Ring { instance, cpus, .. } = self;
        drop(cpus);
        instance.remove()
    }
}

impl InWindow {
    fn events(&self) -> [Option<&EventName>; 3] {
        [Some(&self.taken), self.sent.as_ref(), Some(&self.probe)]
    }
}

impl SentFields {
    fn of(format: &Format) -> Option<Self> {
        let field = |name| format.field(name).cloned();
        Some(SentFields { sk: field("sk")?, ret: field("ret")?, protocol: field("protocol")? })
    }
}

impl Reader {
    fn read(&self, record: &[u8]) -> Option<What> {
        const TCP: u64 = 6;
        match self {
            Reader::Sent(fields) => {
                let is_meant = fields.protocol.unsigned(record)? == TCP && fields.ret.integer(record)? > 0;
                is_meant.then(|| fields.sk.unsigned(record).map(What::Sent))?
            }
            Reader::Typed(reader) => match reader.read(record)? {
                Event::TcpRcvSpaceAdjust(event) => Some(What::Used(event.socket)),
                Event::InetSockSetState(event) => Some(What::State(event.socket, event.oldstate, event.newstate)),
                // Before 6.9 it does not name the socket.
                Event::TcpProbe(event) => Some(What::Ends(event.socket())).filter(|_| event.skaddr != 0),
                _ => None,
            },
        }
    }
}

/// The thread that an event was caused by; none of one that happened in an interrupt.
fn thread(record: &[u8]) -> Option<i32> {
    let (flags, pid) = (*record.get(2)?, i32::from_le_bytes(*record.get(4..)?.first_chunk()?));
    (flags & INTERRUPT_FLAGS == 0 && pid > 0).then_some(pid)
}
