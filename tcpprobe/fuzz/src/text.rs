//! ftrace text, and what else the kernel says in text beside a buffer.

use std::io::{Cursor, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tcpprobe::event::{AF_INET, AF_INET6, Event, Record, TcpProbe, TcpRetransmitSkb};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::ring::{CpuStats, current_clock, saved_cmdlines};
use tcpprobe::kernel::text::{
    LINE_BYTES_MAX, Layout, Line, TextEvent, TextReader, TextWriter, parse_line, parse_stream,
};

use super::input::Trickle;
use super::{flows, kernels};

/// The kernel's names of tasks are shorter.
const TASK_COMM_LEN: usize = 16;
/// What is later, in nanoseconds, might be rounded to no time at all.
const TIME_MAX: u64 = 1 << 63;

pub fn run(input: &[u8]) {
    let lines = lines(TextReader::new(input));
    assert!(lines == self::lines(TextReader::new(Trickle::new(input))));
    let ends = input.iter().filter(|&&byte| byte == b'\n').count();
    assert_eq!(lines.len(), ends + usize::from(input.last().is_some_and(|&byte| byte != b'\n')));
    if input.starts_with(&[0x1f, 0x8b]) {
        let mut gzipped = parse_stream(Cursor::new(input.to_vec())).expect("it can be read");
        while let Ok(Some(_)) = gzipped.next_line() {}
    }
    let text = String::from_utf8_lossy(input);
    if let Err((line, ..)) = CpuStats::parse(&text) {
        assert!(line <= text.lines().count());
    }
    assert!(saved_cmdlines(input).len() <= lines.len());
    assert!(current_clock(&text).is_none_or(|clock| text.contains(&format!("[{clock}]"))));
    text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| line.len() < LINE_BYTES_MAX).for_each(line);
    flows::check(&events(input));
}

/// The events that are more than text, with their times.
fn events(input: &[u8]) -> Vec<(u64, Event)> {
    let (mut reader, mut events) = (TextReader::new(input), Vec::new());
    while let Some(line) = reader.next_line().expect("nothing fails") {
        if let Ok(Line::Event(TextEvent { time, event: Some(event), .. })) = line {
            events.push((time, event));
        }
    }
    events
}

/// What a reader makes of each line.
fn lines<R: Read>(mut reader: TextReader<R>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().expect("nothing fails") {
        lines.push(match line {
            Ok(Line::Event(event)) => format!("{event:?}"),
            Ok(line) => format!("{line:?}"),
            Err(broken) => broken.to_string(),
        });
    }
    lines
}

fn line(line: &str) {
    let event = match parse_line(line) {
        Ok(event) => event,
        Err(error) => return assert!((1..=line.len() + 1).contains(&error.column), "{error}"),
    };
    assert!(line.contains(event.comm) && line.ends_with(event.body));
    both_ways_agree(&event, line);
    fields_stand_by_themselves(&event);
    let Some(typed) = event.event else { return };
    let format = kernels::latest(event.name, |format| tells_errors(typed) == format.field("err").is_some());
    let format = format.expect("it is an event of some kernel");
    if let Some(record) = record(typed, format) {
        is_the_same_when_written(&event, format, &record);
    }
}

fn tells_errors(event: Event) -> bool {
    matches!(event, Event::TcpRetransmitSkb(TcpRetransmitSkb { err: Some(_), .. }))
}

/// A field that no kernel prints makes the reader of a tcp_probe go the general way, and the event is the same.
fn both_ways_agree(event: &TextEvent<'_>, line: &str) {
    let line = format!("{line} colour=blue");
    let other = parse_line(&line).expect("a field more is no error");
    assert_eq!(event.event, other.event);
    assert!(event.extras().chain([("colour", "blue")]).eq(other.extras()));
}

/// Fields are of the body, and the same without what is between them.
fn fields_stand_by_themselves(event: &TextEvent<'_>) {
    let fields: Vec<(&str, &str)> = event.fields().collect();
    assert!(event.extras().all(|extra| fields.contains(&extra)));
    let joined: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert!(joined.iter().all(|field| event.body.contains(field)));
    // The last one keeps a carriage return at the end of the one before.
    let line = format!("a-1 [000] 1.0: e: {} last=.", joined.join(" "));
    assert!(parse_line(&line).expect("it is an event").fields().eq(fields.into_iter().chain([("last", ".")])));
}

/// The record that a kernel would have printed the event of; `None` where none would have.
fn record(event: Event, format: &Format) -> Option<Vec<u8>> {
    let mut record = kernels::record(format, &[]);
    let mut put = |name: &str, bytes: &[u8]| {
        let field = format.field(name).expect("it is of this event");
        record[field.offset as usize..][..field.size as usize].copy_from_slice(&bytes[..field.size as usize]);
    };
    let (src, dest) = event.ends();
    let numbers = match event {
        Event::TcpProbe(probe) => {
            put("saddr", &sockaddr(src));
            put("daddr", &sockaddr(dest));
            numbers_of_probe(&probe)
        }
        Event::TcpRetransmitSkb(retransmit) => {
            for (end, v4, v6) in [(src, "saddr", "saddr_v6"), (dest, "daddr", "daddr_v6")] {
                // The text of an IPv4 socket may claim an IPv6 address, but no kernel has it.
                (end.is_ipv4() || retransmit.family != AF_INET).then_some(())?;
                put(v4, &if let IpAddr::V4(v4) = end.ip() { v4.octets() } else { [0; 4] });
                put(v6, &mapped(end.ip()).octets());
            }
            numbers_of_retransmit(&retransmit)
        }
    };
    numbers.iter().for_each(|(name, number)| put(name, &number.to_le_bytes()));
    Some(record)
}

fn numbers_of_probe(probe: &TcpProbe) -> Vec<(&'static str, u64)> {
    vec![
        ("family", probe.family.into()),
        ("mark", probe.mark.into()),
        ("data_len", probe.data_len.into()),
        ("snd_nxt", probe.snd_nxt.into()),
        ("snd_una", probe.snd_una.into()),
        ("snd_cwnd", probe.snd_cwnd.into()),
        ("ssthresh", probe.ssthresh.into()),
        ("snd_wnd", probe.snd_wnd.into()),
        ("srtt", probe.srtt.into()),
        ("rcv_wnd", probe.rcv_wnd.into()),
        ("sock_cookie", probe.sock_cookie),
        ("skbaddr", probe.skbaddr),
        ("skaddr", probe.skaddr),
    ]
}

fn numbers_of_retransmit(retransmit: &TcpRetransmitSkb) -> Vec<(&'static str, u64)> {
    let mut numbers = vec![
        ("family", retransmit.family.into()),
        ("sport", retransmit.src.port().into()),
        ("dport", retransmit.dest.port().into()),
        ("state", retransmit.state.into()),
        ("skbaddr", retransmit.skbaddr),
        ("skaddr", retransmit.skaddr),
    ];
    numbers.extend(retransmit.err.map(|err| ("err", u64::from(err.cast_unsigned()))));
    numbers
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// A `sockaddr_in6`, or a `sockaddr_in` and zeros.
fn sockaddr(end: SocketAddr) -> Vec<u8> {
    let mut bytes = if end.is_ipv4() { AF_INET } else { AF_INET6 }.to_le_bytes().to_vec();
    bytes.extend(end.port().to_be_bytes());
    match end.ip() {
        IpAddr::V4(v4) => bytes.extend(v4.octets()),
        IpAddr::V6(v6) => bytes.extend([0; 4].iter().chain(&v6.octets())),
    }
    bytes.resize(28, 0);
    bytes
}

/// A record of the event that was read is printed as the same event, if it is one that a kernel could have recorded.
fn is_the_same_when_written(event: &TextEvent<'_>, format: &Format, record: &[u8]) {
    let (pid, time) = (event.pid, event.time);
    if pid <= 0 || event.comm.len() >= TASK_COMM_LEN || time > TIME_MAX {
        return;
    }
    let mut record = record.to_vec();
    record[4..8].copy_from_slice(&pid.to_le_bytes());
    let record = Record { time, cpu: event.cpu, comm: Some(event.comm), format, bytes: &record };
    for layout in [Layout::FourColumns, Layout::BottomHalves] {
        let mut writer = TextWriter::new(Vec::new(), layout);
        writer.event(&record).expect("nothing fails");
        let text = String::from_utf8(writer.into_inner()).expect("it was text");
        let again = parse_line(&text).expect("what was written is read");
        assert_eq!((again.comm, again.pid, again.cpu, again.name), (event.comm, pid, event.cpu, event.name), "{text}");
        assert_eq!((again.time, again.event), ((time + 500) / 1000 * 1000, event.event), "{text}");
        assert_eq!(again.extras().count(), 0, "{text}");
    }
}
