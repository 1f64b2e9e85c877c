//! The events, and the fields that features need.

use tcpprobe::event::{EventReader, EventSet};
use tcpprobe::kernel::format::Format;

use super::Check;
use crate::tracefs::{EventName, Tracefs};
use crate::wording::counted;

/// What a plot needs of the events that it draws.
const NEEDED: [(&str, &[&str]); 2] = [
    (
        "tcp:tcp_probe",
        &[
            "saddr", "daddr", "sport", "dport", "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt",
            "rcv_wnd",
        ],
    ),
    ("tcp:tcp_retransmit_skb", &["saddr", "daddr", "saddr_v6", "daddr_v6", "sport", "dport", "skaddr"]),
];

/// What is better with a field, by event.
const BETTER: [(&str, &str, &str); 3] = [
    ("tcp:tcp_probe", "sock_cookie", "connections are told apart by their addresses alone"),
    ("tcp:tcp_probe", "skaddr", "retransmissions are joined to connections by address and time (exactly since 6.9)"),
    ("tcp:tcp_retransmit_skb", "state", "the state of the socket is not known"),
];

/// What goes without an event of the default set that a kernel may lack, and since when kernels have it.
const WITHOUT: [(&str, &str); 1] = [(
    "tcp:tcp_cong_state_set",
    "this kernel does not have it (since 5.19): why something was retransmitted is inferred",
)];

/// A check for each event that is recorded by default, and one for the others.
pub fn events(tracefs: &Tracefs) -> Vec<Check> {
    let all = match tracefs.events() {
        Ok(all) => all,
        Err(error) => return vec![Check::error("events", &error)],
    };
    let mut checks = Vec::new();
    for &name in EventSet::Default.names() {
        checks.push(match all.iter().find(|event| event.to_string() == name) {
            Some(event) => {
                tracefs.format(event).map_or_else(|error| Check::error(name, &error), |f| event_check(name, &f))
            }
            None if EventSet::Minimal.names().contains(&name) => {
                Check::failure(name, "this kernel does not have it", "a kernel of 4.16 or later")
            }
            None => {
                let known = WITHOUT.iter().find(|(event, _)| *event == name);
                Check::ok(name, known.map_or("this kernel does not have it; jobs go without", |(_, so)| so))
            }
        });
    }
    let others: Vec<&EventName> =
        all.iter().filter(|event| !EventSet::Default.has(&event.system, &event.name)).collect();
    let broken: Vec<Check> = others
        .iter()
        .filter_map(|event| Some(Check::error(&event.to_string(), &tracefs.format(event).err()?)))
        .collect();
    let usable = others.len() - broken.len();
    let count = counted(usable, "other can be recorded", "others can be recorded");
    checks.push(Check::ok("other events", format!("{count}: `--events all`")));
    // Jobs that do not want them work.
    checks.extend(broken.into_iter().map(|check| Check { level: super::Level::Warning, ..check }));
    checks
}

fn event_check(name: &str, format: &Format) -> Check {
    let lacks = |field: &&str| format.field(field).is_none();
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(event, _)| *event == name)
        .flat_map(|(_, fields)| fields.iter().copied())
        .filter(lacks)
        .collect();
    if !missing.is_empty() || !EventReader::new(format).is_typed() {
        let what =
            if missing.is_empty() { "its addresses are laid out differently".to_owned() } else { missing.join(", ") };
        let finding = format!("it can be recorded, but plots need what it lacks: {what}");
        return Check::warning(name, finding, "another kernel, or a newer tcpprobectl");
    }
    let own = format.own_fields().count();
    let worse = BETTER.iter().find(|(event, field, _)| *event == name && lacks(field));
    Check::ok(
        name,
        match worse {
            None if !EventSet::Minimal.names().contains(&name) => format!("{own} fields"),
            None => format!("{own} fields, with all that plots need"),
            Some((_, field, so)) => format!("without {field}: {so}"),
        },
    )
}
