//! A filter on ftrace text: what the kernel did not print excludes no event.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use tcpprobe::filter::Filter;
use tcpprobe::source::{EventFilter, Trace, Wanted};

/// As 4.16 prints it.
const OLD_RETRANSMIT: &str = "  <idle>-0 [000] ..s2. 9.067739: tcp_retransmit_skb: sport=57676 dport=5201 saddr=10.99.0.1 \
    daddr=10.99.0.2 saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2";
/// As 6.18 does.
const RETRANSMIT: &str = "  <idle>-0 [000] ..s2. 9.067739: tcp_retransmit_skb: skbaddr=00000000105ba88a \
    skaddr=00000000273e15c6 family=AF_INET sport=57676 dport=5201 saddr=10.99.0.1 daddr=10.99.0.2 \
    saddrv6=::ffff:10.99.0.1 daddrv6=::ffff:10.99.0.2 state=TCP_ESTABLISHED err=-113";
const OLD_PROBE: &str = "  iperf3-139 [001] ..s2. 4.516992: tcp_probe: src=10.99.0.2:5201 dest=10.99.0.1:54894 mark=0x0 \
    length=37 snd_nxt=0xd6372c58 snd_una=0xd6372c57 snd_cwnd=10 ssthresh=2147483647 snd_wnd=64256 srtt=31826 rcv_wnd=65160";

fn check(line: &str, filter: &str, passes: bool) {
    let events = EventFilter::new(Vec::new(), Some(Filter::parse(filter).unwrap()));
    let trace = Trace::text("text", line.as_bytes(), Wanted { events, ..Wanted::default() }).unwrap();
    assert_eq!(trace.events().count() == 1, passes, "{filter} of {line}");
}

#[test]
fn what_old_text_does_not_tell_is_unknown() {
    for unknown in ["err < 0", "err == 0", "skaddr == 5", "skbaddr == 5", "state == SYN_SENT"] {
        for filter in [unknown.to_owned(), format!("!({unknown})"), format!("sport == 57676 && {unknown}")] {
            check(OLD_RETRANSMIT, &filter, true);
        }
        check(OLD_RETRANSMIT, &format!("sport == 1 && {unknown}"), false);
    }
    check(OLD_PROBE, "sock_cookie == 5 && skaddr == 5", true);
    check(OLD_PROBE, "data_len == 37", true);
}

#[test]
fn what_new_text_tells_decides() {
    check(RETRANSMIT, "err < 0 && skaddr == 0x273e15c6 && state == ESTABLISHED", true);
    for filter in ["err == 0", "skaddr == 5", "skbaddr == 5", "state == SYN_SENT"] {
        check(RETRANSMIT, filter, false);
    }
}
