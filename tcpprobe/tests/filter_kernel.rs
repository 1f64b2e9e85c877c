//! The traps of the kernel's filters are those that were seen, and no compiled filter steps into one.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "filter_support/formats.rs"]
mod formats;
#[path = "filter_support/kernel.rs"]
mod kernel;

use kernel::Task;
use tcpprobe::filter::Filter;
use tcpprobe::kernel::format::Format;

const TASK: Task<'static> = Task { cpu: 1, comm: "nginx" };

fn event(name: &str) -> Format {
    formats::all(formats::KERNELS[3]).into_iter().find(|format| format.name == name).unwrap()
}

/// A record of zeros with these fields, of a task that is not idle.
fn record(format: &Format, fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; format.record_size()];
    bytes[4] = 77;
    for (name, value) in fields {
        let at = format.field(name).unwrap().offset as usize;
        bytes[at..at + value.len()].copy_from_slice(value);
    }
    bytes
}

#[test]
fn the_traps() {
    let probe = event("tcp_probe");
    let bytes = record(&probe, &[("sport", &[80, 0]), ("saddr", &[2, 0, 0, 80, 127, 0, 0, 1])]);
    let check = |filter: &str, expected: Result<bool, &str>| {
        let result = kernel::passes(filter, &probe, &bytes, TASK);
        assert_eq!(
            result.as_ref().map(|passes| *passes).map_err(|error| error.split(':').next().unwrap()),
            expected,
            "{filter}"
        );
    };
    check("sport == 80", Ok(true));
    check("sport == 65616", Ok(true));
    check("sport < 65536", Ok(false));
    check("saddr == 1342177282", Ok(false));
    check("saddr != 1", Ok(false));
    check("CPU & 1", Ok(false));
    check("CPU == 4294967297", Ok(true));
    check("comm ~ \"ng*\"", Ok(true));
    check("comm ~ \"*x\"", Ok(false));
    check("comm ~ \"!ng*\"", Ok(false));
    let idle = record(&probe, &[("common_pid", &[0])]);
    assert_eq!(kernel::passes("comm == \"swapper/1\"", &probe, &idle, TASK), Ok(true));
    check("0", Ok(true));
    check("sport == -1", Err("Illegal integer value"));
    check("sport == \"80\"", Err("Expecting numeric field"));
    check("comm == nginx", Err("Invalid value (did you forget quotes)?"));
    check("state == 1", Err("Field not found"));
    check("sport == 80 & dport == 1", Err("Too many terms in predicate expression"));
}

/// The kernel's part and the residual of a filter for one event of 6.18.
fn check(filter: &str, name: &str, kernel: &str, residual: &str) {
    let compiled = Filter::parse(filter).unwrap().compile(&event(name));
    assert_eq!(compiled.kernel.unwrap_or_default(), kernel, "{filter} for {name}");
    assert_eq!(compiled.residual.map(|r| r.to_string()).unwrap_or_default(), residual, "{filter} for {name}");
}

#[test]
fn no_trap_is_stepped_into() {
    check("sport == 80 && saddr == 127.0.0.1", "tcp_probe", "sport == 80", "saddr == 127.0.0.1");
    check("sport == 80 || saddr == 127.0.0.1", "tcp_probe", "", "sport == 80 || saddr == 127.0.0.1");
    check("snd_cwnd < 4294967296", "tcp_probe", "", "");
    check("snd_cwnd == 4294967296", "tcp_probe", "common_type < 0", "");
    check("snd_cwnd != 4294967296", "tcp_probe", "", "");
    check("data_len < 65535", "tcp_probe", "data_len < 65535", "");
    check("CPU == 1", "tcp_probe", "CPU == 1", "");
    check("CPU & 1", "tcp_probe", "", "CPU & 1");
    check("comm ~ \"ng*\" && comm ~ \"*x\"", "tcp_probe", "comm ~ \"ng*\"", "comm ~ \"*x\"");
    for pattern in ["*", "*ng*", "n?inx", "[n]ginx", "1*", "!ng*"] {
        check(&format!("comm ~ \"{pattern}\""), "tcp_probe", "", &format!("comm ~ \"{pattern}\""));
    }
    check("comm == '\"'", "tcp_probe", "", "comm == '\"'");
    check("skaddr == 5 && sport == 80", "tcp_retransmit_skb", "sport == 80", "skaddr == 5");
    check("sport == 80", "tcp_send_reset", "", "sport == 80");
    check("family == ipv4", "tcp_send_reset", "", "family == 2");
    check("saddr == 2001:db8::1", "tcp_send_reset", "", "saddr == 2001:db8::1");
}

#[test]
fn addresses_of_four_bytes() {
    let name = "tcp_retransmit_skb";
    check("saddr == 127.0.0.1", name, "family != 2 || saddr == 16777343", "saddr == 127.0.0.1");
    check("saddr != 127.0.0.1", name, "family != 2 || saddr != 16777343", "saddr != 127.0.0.1");
    check("saddr == ::1", name, "family != 2", "saddr == ::1");
    check("saddr != ::1", name, "", "saddr != ::1");
    check("saddr == ::/0", name, "family != 2", "saddr != 0.0.0.0/0");
    check("saddr == 0.0.0.0/0", name, "", "saddr == 0.0.0.0/0");
    check(
        "saddr == 192.168.0.0/16",
        name,
        // 192 is bits 6 and 7 of the first byte, 168 bits 3, 5 and 7 of the second, in the order of the address's bits.
        "family != 2 || saddr & 2048 && saddr & 8192 && saddr & 32768 && saddr & 64 && saddr & 128 && !(saddr & 22335)",
        "saddr == 192.168.0.0/16",
    );
    check("!(saddr == 128.0.0.0/1)", name, "family != 2 || !(saddr & 128)", "saddr != 128.0.0.0/1");
    check(
        "saddr == 10.0.0.2-10.0.0.4 && family == AF_INET",
        name,
        "(family != 2 || saddr & 33554432 && saddr & 2 && saddr & 8 && !(saddr & 4244635637) || saddr == 67108874) && family == 2",
        "saddr == 10.0.0.2-10.0.0.4",
    );
}

#[test]
fn states_and_names() {
    check("state in {ESTABLISHED, SYN_SENT, 3}", "tcp_retransmit_skb", "state >= 1 && state <= 3", "");
    check("reason == no_socket", "tcp_send_reset", "reason == 1", "");
    check("cong_state == Loss", "tcp_cong_state_set", "cong_state == 4", "");
    check("err < 0", "tcp_retransmit_skb", "err < 0", "");
    check("err & 0x80000000", "tcp_retransmit_skb", "err & -2147483648", "");
    check("!(err & 1)", "tcp_retransmit_skb", "!(err & 1)", "");
    check("rtt_us == 1ms-2ms", "tcp_rcvbuf_grow", "rtt_us >= 1000 && rtt_us <= 2000", "");
    check("!(rtt_us == 1ms-2ms)", "tcp_rcvbuf_grow", "rtt_us < 1000 || rtt_us > 2000", "");
    check("length > 5", "tcp_probe", "data_len > 5", "");
}

#[test]
fn too_much_is_left_to_the_residual() {
    let ports = |count: u32| (0..count).map(|n| (n * 7 + 1).to_string()).collect::<Vec<_>>().join(", ");
    let filter = format!("sport in {{{}}}", ports(64));
    let compiled = Filter::parse(&filter).unwrap().compile(&event("tcp_probe"));
    assert!(compiled.residual.is_none() && compiled.kernel.unwrap().matches("==").count() == 64);

    let filter = format!("sport in {{{}}}", ports(65));
    let compiled = Filter::parse(&filter).unwrap().compile(&event("tcp_probe"));
    assert_eq!(compiled.kernel.as_deref(), Some("sport >= 1 && sport <= 449"), "the range around them");
    assert!(compiled.residual.is_some());

    // The short sides go first.
    let filter = format!("sport in {{{}}} && dport == 443 && mark == 1", ports(64));
    let compiled = Filter::parse(&filter).unwrap().compile(&event("tcp_probe"));
    assert_eq!(compiled.kernel.as_deref(), Some("sport >= 1 && sport <= 442 && dport == 443 && mark == 1"));

    // Of "either" all or nothing.
    let filter = format!("mark == 1 && port in {{{}}}", ports(50));
    let compiled = Filter::parse(&filter).unwrap().compile(&event("tcp_probe"));
    let kernel = compiled.kernel.unwrap();
    assert!(kernel.starts_with("mark == 1 && (sport == 1 || "), "{kernel}");
    assert!(kernel.ends_with(" || dport >= 1 && dport <= 344)"), "{kernel}");
}

#[test]
fn what_an_event_lacks() {
    let check = |filter: &str, kernel: &str, missing: &[&str]| {
        let compiled = Filter::parse(filter).unwrap().compile(&event("tcp_retransmit_skb"));
        assert_eq!(compiled.kernel.unwrap_or_default(), kernel, "{filter}");
        assert_eq!(compiled.missing, missing, "{filter}");
        assert!(compiled.residual.is_none(), "{filter}");
    };
    check("sport == 80 && srtt > 20ms", "sport == 80", &["srtt"]);
    check("sport == 80 && !(srtt > 20ms)", "sport == 80", &["srtt"]);
    check("sport == 80 || srtt > 20ms", "", &["srtt"]);
    check("!(sport == 80 && srtt > 20ms)", "", &["srtt"]);
    check("!(sport == 80 || srtt > 20ms)", "sport != 80", &["srtt"]);
    check("srtt > 1 && (mark == 1 || srtt < 5) && !!!(snd_cwnd == 2)", "", &["srtt", "mark", "snd_cwnd"]);
    let sendmsg =
        Filter::parse("addr == 10.0.0.1 && port != 80 && skb_len > 5").unwrap().compile(&event("tcp_sendmsg_locked"));
    assert_eq!((sendmsg.kernel.as_deref(), sendmsg.missing), (Some("skb_len > 5"), vec!["addr".into(), "port".into()]));
}
