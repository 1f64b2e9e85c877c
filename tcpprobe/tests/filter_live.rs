//! The running kernel accepts every compiled filter, and records what it should.
//!
//! Needs root and tracefs; skipped with the reason printed otherwise. Makes traffic on the loopback. Has passed on 5.10,
//! 6.1, 6.12, 6.18 and 7.3.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "filter_support/instance.rs"]
mod instance;
#[path = "filter_support/kernel.rs"]
mod kernel;
#[path = "filter_support/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use instance::{Instance, Recorded};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tcpprobe::filter::{Context, Filter, Predicate};
use tcpprobe::kernel::format::Format;

/// Name of the thread that makes the traffic: the `comm` of its events.
const COMM: &str = "ssh";

fn random_filters(count: usize) -> impl Iterator<Item = random::Expr> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(move |_| random::expr(&random::NUMBER_FIELDS).new_tree(&mut runner).unwrap().current())
}

fn filter_file(format: &Format) -> String {
    format!("events/{}/{}/filter", format.system, format.name)
}

#[test]
fn every_compiled_filter_is_accepted() {
    let Some(instance) = Instance::new("accepts") else { return };
    let formats = instance.formats();
    let (mut tried, mut longest) = (0, 0);
    let mut check = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        for format in &formats {
            let Some(kernel) = filter.compile(format).kernel else { continue };
            let result = instance.write(&filter_file(format), &kernel);
            assert!(result.is_ok(), "{}: {kernel}: {result:?}\n{}", format.name, instance.read("error_log"));
            tried += 1;
            longest = longest.max(kernel.len());
        }
    };
    random_filters(300).for_each(|expr| check(&expr.text()));
    tcpprobe::filter::HELP.lines().filter_map(|line| line.strip_prefix("    ")).for_each(|line| {
        check(line.split("  ").next().unwrap());
    });
    let names = "a".repeat(255);
    check(&format!("comm == \"{names}\" || comm ~ \"{}*\"", "b".repeat(254)));
    check(&vec![format!("comm == \"{names}\""); 20].join(" || "));
    check(&format!("port in {{{}}}", (0..32).map(|n| (n * 3).to_string()).collect::<Vec<_>>().join(",")));
    check("addr in {10.1.2.3-10.200.3.4} && srtt < 4294967295 && state != 2147483647 && state > -2147483648");
    check("net_cookie == 18446744073709551615 || sock_cookie > 0x7fffffffffffffff");
    check("snd_cwnd == 4294967295 && snd_cwnd == 1");
    check("snd_cwnd == 3 && snd_cwnd & 4294967295 && !(CPU == 2147483647) && err & -1");
    assert!(tried > 500 && longest > 500, "{tried} filters, the longest of {longest} characters");
    println!("{tried} filters accepted, the longest of {longest} characters");
}

#[test]
fn the_kernel_records_what_it_should() {
    let (Some(shadow), Some(filtered)) = (Instance::new("shadow"), Instance::new("filtered")) else { return };
    let traffic = std::thread::Builder::new().name(COMM.into()).spawn(move || compare(&shadow, &filtered)).unwrap();
    if let Err(panic) = traffic.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Events that traffic on the loopback makes, and that say whose they are.
const EVENTS: [&str; 6] = [
    "tcp_probe",
    "tcp_rcv_space_adjust",
    "tcp_destroy_sock",
    "tcp_send_reset",
    "tcp_receive_reset",
    "inet_sock_set_state",
];

/// Filters as the kernel takes them: what it makes of those that are never compiled.
const TRAPS: [&str; 11] = [
    "common_type < 0",
    "sport == 73616",
    "sport < 65536",
    "sport & 0",
    "CPU & 1",
    "CPU == 4294967296",
    "comm ~ \"*h\"",
    "comm ~ \"*s*\"",
    "comm ~ \"!ss*\"",
    "comm ~ \"s?h\"",
    "!(comm == \"ssh\") || sport & 1",
];

/// Those on arrays that are no number: the first event through one is a panic on 5.10, so they are for kernels on
/// which they were seen to do no harm.
const ARRAY_TRAPS: [&str; 3] = ["saddr == 16777343", "saddr != 16777343", "saddr & 127"];
const ARRAY_TRAPS_SINCE: (u32, u32) = (6, 1);

fn traps() -> Vec<&'static str> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < ARRAY_TRAPS_SINCE {
        println!("skipped: comparisons of arrays, which panic old kernels; this is {}", release.trim());
        return TRAPS.to_vec();
    }
    [&TRAPS[..], &ARRAY_TRAPS].concat()
}

/// A filter to try on traffic, for each event.
struct Case {
    kernel: Vec<Option<String>>,
    residual: Vec<Option<Predicate>>,
    /// What is meant by it; what the kernel makes of it, if it was not compiled.
    expr: Option<random::Expr>,
}

impl Case {
    fn trap(filter: &str, formats: &[Format]) -> Self {
        let has_fields = |format: &Format| {
            ["saddr", "sport"].iter().all(|name| !filter.contains(name) || format.field(name).is_some())
        };
        let kernel = formats.iter().map(|format| has_fields(format).then(|| filter.to_owned())).collect();
        Case { kernel, residual: vec![None; formats.len()], expr: None }
    }

    fn compiled(expr: random::Expr, formats: &[Format]) -> Self {
        let filter = Filter::parse(&expr.text()).unwrap();
        let parts = formats.iter().map(|format| filter.compile(format)).map(|parts| (parts.kernel, parts.residual));
        let (kernel, residual) = parts.unzip();
        Case { kernel, residual, expr: Some(expr) }
    }
}

fn compare(shadow: &Instance, filtered: &Instance) {
    let formats: Vec<Format> = shadow.formats().into_iter().filter(|f| EVENTS.contains(&f.name.as_str())).collect();
    let traffic = Traffic::new();
    for instance in [shadow, filtered] {
        instance.write("buffer_size_kb", "2048").unwrap();
        // What others do on this machine would only fill the buffer; where this is refused, it is sorted out later.
        let _ = instance.write("set_event_pid", &traffic.thread.to_string());
        instance.write("tracing_on", "0").unwrap();
        formats.iter().for_each(|f| instance.write(&format!("events/{}/{}/enable", f.system, f.name), "1").unwrap());
    }
    let traps = traps().into_iter().map(|trap| Case::trap(trap, &formats));
    let compiled = random_filters(100).map(|expr| Case::compiled(expr, &formats));
    let (mut generated, mut kept) = (0, 0);
    for case in traps.chain(compiled) {
        for (format, filter) in formats.iter().zip(&case.kernel) {
            // "0" removes the filter.
            let filter = filter.as_deref().unwrap_or("0");
            filtered.write(&filter_file(format), filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        }
        let (all, recorded) = traffic.observe(shadow, filtered);
        let (all, recorded) = (traffic.own(&formats, all), traffic.own(&formats, recorded));
        generated += all.values().sum::<usize>();
        kept += check(&case, &formats, traffic.thread, &all, &recorded);
    }
    println!("{generated} events, {kept} of them kept");
    assert!(
        generated > 2000 && kept > 500 && generated - kept > 500,
        "{generated} events, {kept} kept: this shows little"
    );
}

/// Checks what was recorded through a filter against all that there was, and returns how many of those are kept.
fn check(case: &Case, formats: &[Format], thread: u32, all: &Records, recorded: &Records) -> usize {
    let mut kept = 0;
    for ((id, cpu, bytes), count) in all {
        let at = formats.iter().position(|format| format.id == *id).unwrap();
        let record = [&id.to_le_bytes()[..], &[0, 0], &thread.to_le_bytes(), bytes].concat();
        let context = Context { cpu: *cpu, comm: Some(COMM), pid: None, ..Context::default() };
        let by_kernel = case.kernel[at].as_ref().is_none_or(|filter| {
            let task = kernel::Task { cpu: *cpu, comm: COMM };
            kernel::passes(filter, &formats[at], &record, task).unwrap_or_else(|error| panic!("{filter}: {error}"))
        });
        let count_recorded = recorded.get(&(*id, *cpu, bytes.clone())).copied().unwrap_or(0);
        let expected = if by_kernel { *count } else { 0 };
        assert_eq!(count_recorded, expected, "{} through {:?}: {bytes:?}", formats[at].name, case.kernel[at]);
        let by_residual = case.residual[at].as_ref().is_none_or(|residual| residual.matches(&record, &context));
        let meant = match &case.expr {
            Some(expr) => expr.meaning(&formats[at], &record, &context) != Some(false),
            None => by_kernel,
        };
        assert_eq!(by_kernel && by_residual, meant, "{} through {:?}: {bytes:?}", formats[at].name, case.kernel[at]);
        kept += if meant { *count } else { 0 };
    }
    let odd = recorded.keys().find(|key| !all.contains_key(key));
    assert_eq!(odd, None, "recorded by one instance alone");
    kept
}

/// Event id, CPU and own fields of records, and how often each came.
type Records = BTreeMap<(u16, u32, Vec<u8>), usize>;

/// Connections of this thread with itself.
struct Traffic {
    /// Both IPv6 and IPv4, which comes v4-mapped.
    dual: TcpListener,
    ipv4: TcpListener,
    /// The only events looked at are of this thread, and of the ports of the listeners.
    thread: u32,
    ours: Filter,
}

impl Traffic {
    fn new() -> Self {
        // Of the ports that random filters ask for, if they are free.
        let bind = |ip: std::net::IpAddr, ports: [u16; 4]| {
            ports.iter().find_map(|&port| TcpListener::bind(SocketAddr::new(ip, port)).ok()).unwrap()
        };
        let dual = bind(Ipv6Addr::UNSPECIFIED.into(), [8080, 8000, 443, 0]);
        let ipv4 = bind(Ipv4Addr::LOCALHOST.into(), [80, 22, 443, 0]);
        let ports = [&dual, &ipv4].map(|listener| listener.local_addr().unwrap().port().to_string()).join(", ");
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let thread = status.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap().trim().parse().unwrap();
        Traffic { dual, ipv4, thread, ours: Filter::parse(&format!("port in {{{ports}}}")).unwrap() }
    }

    /// Some data there and back, one connection ended by both, the other reset.
    fn run(&self) {
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port(&self.dual)));
        let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&self.dual)));
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&self.ipv4)));
        for (listener, address) in [(&self.dual, v6), (&self.dual, mapped), (&self.ipv4, v4)] {
            for reset in [false, true] {
                let mut client = TcpStream::connect(address).unwrap();
                let (mut server, _) = listener.accept().unwrap();
                let mut buffer = [0; 64];
                client.write_all(b"question").unwrap();
                assert_eq!(server.read(&mut buffer).unwrap(), 8);
                server.write_all(b"answer").unwrap();
                if !reset {
                    assert_eq!(client.read(&mut buffer).unwrap(), 6);
                }
                // To close with data unread is to reset.
                drop(client);
                drop(server);
            }
        }
    }

    /// What two instances record of the same traffic.
    fn observe(&self, first: &Instance, second: &Instance) -> (Vec<Recorded>, Vec<Recorded>) {
        let both =
            |state: &str| [first, second].iter().for_each(|instance| instance.write("tracing_on", state).unwrap());
        both("1");
        self.run();
        // For what softirqs have left.
        std::thread::sleep(Duration::from_millis(2));
        both("0");
        (first.records(), second.records())
    }

    /// The records of this thread and these ports.
    fn own(&self, formats: &[Format], records: Vec<Recorded>) -> Records {
        let mut own = Records::new();
        for (cpu, record) in records {
            let id = u16::from_le_bytes([record[0], record[1]]);
            let Some(format) = formats.iter().find(|format| format.id == id) else { continue };
            let thread = u32::from_le_bytes(record[4..8].try_into().unwrap());
            if thread == self.thread && self.ours.predicate(format).matches(&record, &Context::default()) {
                *own.entry((id, cpu, without_padding(format, &record))).or_default() += 1;
            }
        }
        own
    }
}

/// The bytes of the event's own fields where they were; what is between them is whatever the buffer held before.
fn without_padding(format: &Format, record: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; format.record_size()];
    for field in format.own_fields() {
        let range = field.offset as usize..(field.offset + field.size) as usize;
        bytes[range.clone()].copy_from_slice(&record[range]);
    }
    bytes.split_off(8)
}
