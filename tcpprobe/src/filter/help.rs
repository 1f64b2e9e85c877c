//! What `help filter` prints.

/// The language of filters in plain words, with examples, of at most 80 columns.
///
/// The lines of the examples are indented by four blanks, the filter up to the first run of two blanks.
pub const HELP: &str = "\
A filter is terms joined by && (and), || (or), ! (not) and parentheses; && binds
closer than ||. A term is a field, a comparison and a value:

  field       any number or text of any event, by the kernel's name: of
              tcp_probe srtt, snd_cwnd, ssthresh, snd_wnd, rcv_wnd, snd_nxt,
              snd_una, data_len, mark, sock_cookie; of tcp_retransmit_skb state,
              err; of every event common_pid and more. Besides:
              addr  saddr  daddr   addresses: either end, own end, peer
                                   (also src, dest; host, net)
              port  sport  dport   ports: either end, own end, peer
              CPU  comm            the CPU that recorded the event, the task
                                   that it interrupted
  comparison  == != < <= > >=, & (has a bit of), ~ (fits a pattern of * ?
              [a-z]), in {a, b, ...}
  value       a number (80, 0x1f), a range (8000-8100, both ends included), a
              time for srtt and rtt_us (20ms, 1.5s, 300us; a bare number is
              microseconds), an address, prefix or range of addresses, a name of
              a state or family (ESTABLISHED, ipv6), a text in quotes

port != 22 means that neither port is 22; a v4-mapped address is its IPv4
address. A term about a field that an event lacks never leaves the event out.
An event that names its socket and no ports (a reset that the kernel sends of
itself) has the ports and addresses of that socket.

Commands that read a trace (plot, fetch, diagnose, summary, convert) choose
whole connections by what it tells of their owner (comm, unit, container, pod,
exe, cgroup, uid, pid) and congestion control (cc): such terms stand beside the
others, joined by &&. comm is the task's name where a trace tells no owners.

    unit == nginx.service && sport == 443
    comm ~ \"nginx*\" || uid == 33
    cc in {bbr, cubic}

Examples:

    sport == 80 || dport == 80
    port == 80                                 the same
    port in {80, 443, 8000-8100}               a set with a range in it
    addr == 192.168.1.100                      either end, IPv4 or v4-mapped
    daddr == 10.0.0.0/8 && dport != 22         a prefix
    saddr == 2001:db8::/32 || family == ipv6   IPv6
    srtt > 20ms && snd_cwnd < 10               slow, and held back
    state == ESTABLISHED && port == 443        of established connections
    !(addr == 127.0.0.0/8 || addr == ::1)      no loopback
    comm ~ \"nginx*\" && data_len & 0x8000       a pattern, a bit
";
