//! Whose a connection is, and by which congestion control it goes: in words, in JSON, and as terms of a filter.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::Value;
use tcpprobe::event::{Owner, Socket, owner};
use tcpprobe::file::OWN_CPU;
use tcpprobe::file::block::connection_id;
use tcpprobe::filter::{Context, Ends, Filter, Predicate};
use tcpprobe::flow::{Connection, FlowTable, OPEN_MAX, Readers, Told, Whose};
use tcpprobe::source::{EventFilter, Trace};

use crate::exit::{Exit, Failure};
use crate::{escape, filter};

/// Fields of an owner that a filter may be about where whole connections are read. The first is one of tasks too.
const FIELDS: [&str; 8] = ["comm", "exe", "cgroup", "unit", "container", "pod", "uid", "pid"];

/// The fields that only owners have.
fn of_owners_alone() -> &'static [&'static str] {
    &FIELDS[1..]
}

/// What `--filter` asks of the owner and the congestion control of connections. What is not known of a connection meets no term.
#[derive(Debug, Default)]
pub struct Owned {
    owner: Option<Predicate>,
    congestion_controls: Vec<Vec<String>>,
}

impl Owned {
    /// Takes such terms out of a filter; the rest is about events.
    pub fn take(whole: &mut Filter) -> Result<Self, Failure> {
        let failure = |error| filter::failure(&error, whole.text());
        let mut rest = whole.clone();
        let congestion_controls = rest.take_names("cc").map_err(failure)?;
        // Beside terms about events, the name is that of the task.
        let mut events = rest.clone();
        let asked = match rest.take_about(&FIELDS) {
            Ok(asked) => asked,
            Err(_) => {
                let asked = events.take_about(of_owners_alone()).map_err(failure)?;
                rest = events;
                asked
            }
        };
        let owner = match owner::format() {
            Ok(format) if !asked.is_all() => {
                asked.check([&format]).map_err(failure)?;
                Some(asked.predicate(&format))
            }
            _ => None,
        };
        *whole = rest;
        Ok(Owned { owner, congestion_controls })
    }

    /// Whether it asks nothing.
    pub fn is_all(&self) -> bool {
        self.owner.is_none() && self.congestion_controls.is_empty()
    }

    /// Whether a connection is meant of which this was told.
    pub fn fits(&self, told: &Told) -> bool {
        let is_named = |names: &Vec<String>| told.congestion_control.iter().any(|cc| names.iter().any(|n| **n == **cc));
        self.congestion_controls.iter().all(is_named)
            && self.owner.as_ref().is_none_or(|wanted| {
                told.owner.as_ref().is_some_and(|whose| {
                    let comm = String::from_utf8_lossy(&whose.comm);
                    let (comm, pid) = (Some(comm.as_ref()), Some(whose.pid));
                    let context = Context { cpu: OWN_CPU, comm, pid, ends: Ends::Unasked };
                    wanted.matches(&owner::record(&Socket::UNTOLD, whose), &context)
                })
            })
    }
}

/// The events of the connections that `filter` means. Where it is about owners, `open` gives the trace once before, for whose the
/// connections are: that may be told after their first events. Where the trace tells none, `comm` is the name of the task.
/// It gives `None` of what can be read once only.
pub fn of_connections<'t>(
    events: &[String],
    filter: Filter,
    open: impl FnOnce(Vec<&'static str>) -> Result<Option<Trace<'t>>>,
) -> Result<EventFilter> {
    let mut rest = filter.clone();
    let owned = Owned::take(&mut rest)?;
    if owned.is_all() {
        return Ok(EventFilter::new(events.to_vec(), Some(filter)));
    }
    let mut tasks = filter.clone();
    let is_of_tasks =
        owned.congestion_controls.is_empty() && tasks.take_about(of_owners_alone()).is_ok_and(|f| f.is_all());
    let Some(mut trace) = open(vec!["pid", "uid"])? else {
        if is_of_tasks {
            return Ok(EventFilter::new(events.to_vec(), Some(filter)));
        }
        let what = "a filter about owners reads the trace twice, and this input can be read once only";
        return Err(Failure::new(Exit::Usage, what, "save it as a file first").into());
    };
    let (mut chosen, mut is_told) = (HashSet::new(), false);
    let mut table = FlowTable::new(
        Whose(|connection: &Connection, told: Told| {
            is_told |= told != Told::default();
            if owned.fits(&told) {
                chosen.insert(connection_id(connection.local, connection.peer));
            }
        }),
        OPEN_MAX,
    );
    let mut readers = Readers::default();
    for item in &mut trace {
        readers.feed(&mut table, &item?);
    }
    let _ = table.finish();
    if is_told {
        return Ok(EventFilter::new(events.to_vec(), Some(rest)).of_sockets(chosen));
    }
    if !is_of_tasks {
        let what = "the trace tells no owners and no congestion controls";
        return Err(Failure::new(Exit::NoData, what, "leave out what the filter says of them").into());
    }
    Ok(EventFilter::new(events.to_vec(), Some(filter)))
}

/// Refuses a filter about owners or congestion control where events are shown as they come: whose they are may be told later.
pub fn refuse(filter: &Filter) -> Result<(), Failure> {
    let alone = |mut filter: Filter| filter.take_about(of_owners_alone()).is_ok_and(|asked| asked.is_all());
    let names = |mut filter: Filter| filter.take_names("cc").is_ok_and(|asked| asked.is_empty());
    if alone(filter.clone()) && names(filter.clone()) {
        return Ok(());
    }
    let what = "a filter about owners or cc chooses whole connections, and here are single events";
    Err(Failure::new(Exit::Usage, what, "fetch, plot, diagnose and summary take it"))
}

/// The owner, `null` where it is not known; so is what is not known of it.
pub fn to_json(owner: Option<&Owner>) -> Value {
    owner.map_or(Value::Null, Owner::to_json)
}

/// `nginx[812]`, with the unit or the container behind it; none where nothing is known.
pub fn in_words(owner: &Owner) -> String {
    let unit = if owner.unit.is_empty() { &owner.container } else { &owner.unit };
    let place = if unit.is_empty() { String::new() } else { format!(" ({})", printable(unit)) };
    format!("{}{place}", process(owner))
}

/// `nginx[812]`.
pub fn process(owner: &Owner) -> String {
    let comm = if owner.comm.is_empty() { "?".to_owned() } else { printable(&owner.comm) };
    format!("{comm}[{}]", owner.pid)
}

/// A text of the kernel's, without what a terminal would obey.
pub fn printable(bytes: &[u8]) -> String {
    escape::text(&String::from_utf8_lossy(bytes)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn terms_about_owners_choose_connections() {
        let nginx = Owner {
            pid: 812,
            uid: 33,
            comm: b"nginx".to_vec(),
            unit: b"nginx.service".to_vec(),
            container: b"0123456789ab".to_vec(),
            ..Owner::default()
        };
        let told = Told { owner: Some(Arc::new(nginx)), congestion_control: Some("bbr".into()) };
        let check = |text: &str, of_nginx: bool, of_nobody: bool| {
            let mut filter = Filter::parse(text).unwrap();
            let owned = Owned::take(&mut filter).unwrap();
            assert_eq!(owned.fits(&told), of_nginx, "{text}");
            assert_eq!(owned.fits(&Told::default()), of_nobody, "{text}");
        };
        check("comm == \"nginx\"", true, false);
        check("comm == \"nginx\" && sport == 80", true, false);
        check("unit == nginx.service && cc == bbr", true, false);
        check("unit ~ \"nginx*\" || uid == 0", true, false);
        check("uid == 0", false, false);
        check("!(comm == \"nginx\")", false, false);
        check("pid in {1, 812}", true, false);
        check("container ~ \"0123*\" && pod == \"\"", true, false);
        check("cc in {cubic, reno}", false, false);
        check("cc in {cubic, bbr}", true, false);
        check("sport == 80", true, true);
        check("", true, true);
        for text in ["unit == x || sport == 80", "uid == nobody", "cc != bbr", "cc == bbr || uid == 0"] {
            let failure = Owned::take(&mut Filter::parse(text).unwrap()).map(|_| ()).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{text}");
        }
    }

    #[test]
    fn the_rest_is_about_events() {
        let mut filter = Filter::parse("sport == 80 && unit == x.service").unwrap();
        assert!(!Owned::take(&mut filter).unwrap().is_all() && !filter.is_all());
        assert!(Owned::take(&mut filter).unwrap().is_all() && !filter.is_all());
        let mut of_tasks = Filter::parse("sport == 80 || comm == \"nginx\"").unwrap();
        assert!(Owned::take(&mut of_tasks).unwrap().is_all() && !of_tasks.is_all());
    }

    #[test]
    fn single_events_are_not_chosen_by_owners() {
        let refused = |text: &str| refuse(&Filter::parse(text).unwrap()).is_err();
        for text in
            ["unit == x.service", "sport == 80 && uid == 33", "uid == 33 || sport == 80", "cc == bbr", "!(pid == 1)"]
        {
            assert!(refused(text), "{text}");
        }
        for text in ["", "sport == 80", "comm == \"nginx\"", "comm == \"nginx\" || sport == 80"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn owners_in_words() {
        let check = |comm: &[u8], unit: &[u8], container: &[u8], expected: &str| {
            let [comm, unit, container] = [comm, unit, container].map(<[u8]>::to_vec);
            assert_eq!(in_words(&Owner { pid: 7, comm, unit, container, ..Owner::default() }), expected);
        };
        check(b"nginx", b"nginx.service", b"", "nginx[7] (nginx.service)");
        check(b"", b"", b"0123", "?[7] (0123)");
        check(b"a\x1b[2J\xff", b"", b"", "a\\u{1b}[2J\u{fffd}[7]");
    }
}
