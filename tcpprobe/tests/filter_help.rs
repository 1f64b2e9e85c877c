//! The examples of the help are filters that work.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "filter_support/formats.rs"]
mod formats;

use tcpprobe::filter::{Filter, HELP};

fn examples() -> Vec<&'static str> {
    let (_, list) = HELP.split_once("Examples:\n").unwrap();
    list.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| line.split("  ").next().unwrap()).collect()
}

/// The kernel's part and the residual of an example for one event of 6.18.
fn check(example: usize, event: &str, kernel: &str, residual: &str) {
    let format = formats::all(formats::KERNELS[3]).into_iter().find(|format| format.name == event).unwrap();
    let compiled = Filter::parse(examples()[example]).unwrap().compile(&format);
    assert_eq!(compiled.kernel.unwrap_or_default(), kernel, "{} for {event}", examples()[example]);
    let shown = compiled.residual.map(|residual| residual.to_string()).unwrap_or_default();
    assert_eq!(shown, residual, "{} for {event}", examples()[example]);
}

#[test]
fn there_are_ten_and_all_are_right_on_every_kernel() {
    assert_eq!(examples().len(), 10);
    for kernel in formats::KERNELS {
        let formats = formats::all(kernel);
        for example in examples() {
            let filter = Filter::parse(example).unwrap_or_else(|error| panic!("{}", error.render(example)));
            filter.check_capture(&formats).unwrap_or_else(|error| panic!("{kernel}: {}", error.render(example)));
        }
    }
}

#[test]
fn it_fits_a_terminal_of_80_columns_in_any_locale() {
    let wide: Vec<&str> = HELP.lines().filter(|line| line.len() > 80 || !line.is_ascii()).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn what_the_kernel_gets() {
    let both = "sport == 80 || dport == 80";
    check(0, "tcp_probe", both, "");
    check(1, "tcp_probe", both, "");
    check(1, "tcp_send_reset", "", both);
    check(
        2,
        "tcp_probe",
        "sport == 80 || sport == 443 || sport >= 8000 && sport <= 8100 || dport == 80 || dport == 443 || dport >= 8000 && dport <= 8100",
        "",
    );
    let host = "saddr == 192.168.1.100 || daddr == 192.168.1.100";
    check(3, "tcp_probe", "", host);
    check(3, "tcp_retransmit_skb", "family != 2 || saddr == 1677830336 || daddr == 1677830336", host);
    check(4, "tcp_probe", "dport != 22", "daddr == 10.0.0.0/8");
    check(
        4,
        "tcp_retransmit_skb",
        "(family != 2 || daddr & 2 && daddr & 8 && !(daddr & 245)) && dport != 22",
        "daddr == 10.0.0.0/8",
    );
    check(5, "tcp_probe", "family != 2 || family == 10", "saddr == 2001:db8::/32 || family == 10");
    check(6, "tcp_probe", "srtt > 20000 && snd_cwnd < 10", "");
    check(6, "tcp_retransmit_skb", "", "");
    check(7, "tcp_retransmit_skb", "state == 1 && (sport == 443 || dport == 443)", "");
    let no_loopback = "saddr != 127.0.0.0/8 && daddr != 127.0.0.0/8 && saddr != ::1 && daddr != ::1";
    check(8, "tcp_probe", "", no_loopback);
    check(9, "tcp_probe", "comm ~ \"nginx*\" && data_len & 32768", "");
}

#[test]
fn it_fits_a_terminal() {
    assert_eq!(HELP.lines().find(|line| line.chars().count() > 100), None);
    assert!(HELP.ends_with('\n'));
}
