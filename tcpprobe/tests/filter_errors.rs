//! What is wrong with a filter is said with its place, and with what to write instead.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "filter_support/formats.rs"]
mod formats;

use tcpprobe::filter::Filter;
use tcpprobe::kernel::format::Format;
use tcpprobe::source::{EventFilter, Trace, Wanted};

/// The events of one kernel that a job can have.
fn formats() -> Vec<Format> {
    let all = formats::all(formats::KERNELS[3]).into_iter();
    all.filter(|format| format.system == "tcp" || format.name == "inet_sock_set_state").collect()
}

/// Checks `text` against all events of one kernel; carets in `marks` stand under the mistake.
fn check(text: &str, marks: &str, message: &str, hint: Option<&str>) {
    let formats = formats();
    let error = Filter::parse(text).and_then(|filter| filter.check_capture(&formats)).expect_err(text);
    let shown = format!("{}{}", " ".repeat(error.column - 1), "^".repeat(error.length));
    assert_eq!(shown, marks, "{text}: {error}");
    assert_eq!(error.message, message, "{text}");
    assert_eq!(error.hint.as_deref(), hint, "{text}");
}

#[test]
fn other_languages() {
    check("sport = 80", "      ^", "a single = compares nothing", Some("write =="));
    check("sport == 80 and dport == 1", "            ^^^", "and is not a word of filters", Some("write &&"));
    check("sport == 80 OR dport == 1", "            ^^", "OR is not a word of filters", Some("write ||"));
    check("not sport == 80", "^^^", "not is not a word of filters", Some("write !"));
    check("sport == 80 && not (dport == 1)", "               ^^^", "not is not a word of filters", Some("write !"));
    check("sport == 80 | dport == 1", "            ^", "a single | joins nothing", Some("write ||"));
    check("sport == 80 & dport == 1", "            ^", "& tests bits of a number", Some("write && between terms"));
    check("sport =< 80", "      ^^", "=< is not a comparison", Some("write <="));
    check("port 80", "     ^^", "a comparison must stand between port and 80", Some("write port == 80"));
    check("port == 80,443", "          ^", "a list of values is a set", Some("write port in {80, 443}"));
    check("port == {80,443}", "     ^^", "a set goes with the word in", Some("write port in {...}"));
    check("port != {80,443}", "     ^^", "a set goes with the word in", Some("write !(port in {...})"));
    check("port < {80}", "     ^", "a set goes with the word in", Some("write port in {...}"));
    check("srtt > 1,000", "        ^", "a comma stands in sets only", Some("write numbers without commas"));
    check("srtt > 20 ms", "          ^^", "&& or || must stand before ms", Some("write 20ms"));
    check("sport !== 80", "      ^^^", "!== is not a comparison", Some("write !="));
    check("comm == “x”", "        ^", "'“' has no meaning in a filter", Some("text stands between \" or '"));
    check(
        "data_len & 4 == 4",
        "             ^^",
        "data_len & is a comparison already: true where a bit is in common",
        Some("leave out what follows"),
    );
    check("port {80}", "     ^", "a set needs the word in", Some("write port in {...}"));
    check(
        "port in (80,443)",
        "     ^^",
        "a set in braces must follow in",
        Some("write port in {80, 443}, with the values that you mean"),
    );
    check("port not in {80}", "     ^^^", "not is not a word of filters", Some("write !(port in {...})"));
    check("port == 80..90", "        ^^^^^^", "80..90 is not a range", Some("write 80-90"));
    check(
        "port == 80 -90",
        "           ^^^",
        "&& or || must stand before -90",
        Some("write a range without blanks: 8000-8100"),
    );
    check("srtt + 5 > 8", "     ^", "there is no arithmetic in filters", Some("write the result"));
    check("srtt / 2 > 8", "     ^", "there is no arithmetic in filters", Some("write the result"));
    check(
        "snd_nxt-snd_una > 5",
        "^^^^^^^^^^^^^^^",
        "snd_nxt-snd_una is not the name of a field, and a term begins with one",
        Some("there is no arithmetic in filters"),
    );
    check("comm !~ \"x\"", "     ^^", "!~ is not a comparison", Some("write ! before the term: !(comm ~ \"x*\")"));
}

#[test]
fn other_tools() {
    let no_comparison = |text: &str, marks: &str, between: &str, hint: &str| {
        check(text, marks, &format!("a comparison must stand between {between}"), Some(hint));
    };
    no_comparison("host 10.0.0.1", "     ^^^^^^^^", "host and 10.0.0.1", "write host == 10.0.0.1");
    no_comparison("src host 10.0.0.1", "    ^^^^", "src and host", "write saddr == 10.0.0.1");
    no_comparison("dst net 10.0.0.0/8", "    ^^^", "dst and net", "write daddr == 10.0.0.0/8");
    no_comparison("tcp port 80 and host 1.2.3.4", "    ^^^^", "tcp and port", "write port == 80");
    no_comparison("port 80 and host 1.2.3.4", "     ^^", "port and 80", "write port == 80");
    no_comparison("portrange 80-90", "          ^^^^^", "portrange and 80-90", "write port == 80-90");
    no_comparison("sport eq 80", "      ^^", "sport and eq", "one of == != < <= > >= & ~ in");
    check("tcp and port 80", "^^^", "a comparison must follow tcp", Some("one of == != < <= > >= & ~ in"));
    check(
        "tcp.srcport == 80",
        "^^^^^^^^^^^",
        "tcp.srcport is not the name of a field, and a term begins with one",
        Some("write sport"),
    );
    check("rport == 80", "^^^^^", "no event of these has the field rport", Some("write dport"));
    check("sport == :80", "         ^^^", ":80 is not an address", Some("leave out the colon"));
}

#[test]
fn things_left_out() {
    check("sport", "^^^^^", "a comparison must follow sport", Some("one of == != < <= > >= & ~ in"));
    check("sport ==", "      ^^", "a value must follow here", None);
    check("sport == && dport == 1", "      ^^", "a value must follow here", None);
    check("sport == 80 &&", "            ^^", "a term must follow here", None);
    check("!", "^", "a term must follow here", None);
    check("== 80", "^^", "a field must stand before the comparison", None);
    check("\"x\" == comm", "^^^", "a term begins with a field, as in comm == \"curl\"", None);
    check("(sport == 80", "^", "this ( is never closed", None);
    check("((sport == 80) || dport == 80", "^", "this ( is never closed", None);
    check("sport == 80)", "           ^", "this ) closes nothing", None);
    check("()", " ^", "there is nothing in these parentheses", None);
    check("port in {80", "        ^", "this { is never closed", None);
    check("port in {}", "        ^", "a value must follow here", None);
    check("port in {80, }", "           ^", "a value must follow here", None);
    check("port in {80 443}", "            ^^^", "a comma or } must stand here", None);
    check("sport == 80 dport == 1", "            ^^^^^", "&& or || must stand before dport", None);
    check("1 < srtt < 5", "^", "1 is not the name of a field, and a term begins with one", None);
    check("srtt > 1 < 5", "         ^", "comparisons do not follow one another", Some("write && between two terms"));
    check("comm == \"x", "        ^", "the text that begins here has no closing \"", None);
    check(
        "port == 80 || 443",
        "              ^^^",
        "443 is not the name of a field, and a term begins with one",
        Some("write port == 443"),
    );
}

#[test]
fn types() {
    check("src == 80", "       ^^", "src is an address, not a number", Some("write sport == 80"));
    check("dst != 80", "       ^^", "dst is an address, not a number", Some("write dport != 80"));
    check("host == 80-90", "        ^^^^^", "host is an address, not a number", Some("write port == 80-90"));
    check(
        "saddr == 0x0100007f",
        "         ^^^^^^^^^^",
        "saddr is an address, not a number",
        Some("write saddr == 127.0.0.1"),
    );
    check(
        "sport == \"80\"",
        "         ^^^^",
        "sport is a number, and numbers stand without quotes",
        Some("write sport == 80"),
    );
    check(
        "srtt == '80'",
        "        ^^^^",
        "srtt is a number, and numbers stand without quotes",
        Some("write srtt == 80"),
    );
    check("sport == 10.0.0.1", "         ^^^^^^^^", "sport is a port, not an address", Some("write saddr =="));
    check(
        "srtt == 10.0.0.1",
        "        ^^^^^^^^",
        "srtt is not an address",
        Some("addresses go with saddr, daddr, or addr for either"),
    );
    check("port == 65536", "        ^^^^^", "a port is 0 to 65535", None);
    check("port in {80, -1}", "             ^^", "a port is 0 to 65535", None);
    check("port < 0", "       ^", "port is 0 to 65535", None);
    check("port > 65535", "       ^^^^^", "port is 0 to 65535", None);
    check(
        "port == \"https\"",
        "        ^^^^^^^",
        "a port is a number, and https is none; names are not looked up",
        None,
    );
    check("port == https", "        ^^^^^", "a port is a number, and https is none; names are not looked up", None);
    check("sport == dport", "         ^^^^^", "a port is a number, and dport is none; names are not looked up", None);
    check("saddr == localhost", "         ^^^^^^^^^", "localhost is not an address, and names are not looked up", None);
    check("saddr == \"localhost\"", "         ^^^^^^^^^^^", "localhost is not an address", None);
    check(
        "saddr < 10.0.0.1",
        "        ^^^^^^^^",
        "addresses go with == and !=, not with <",
        Some("write a prefix (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9)"),
    );
    check("port < 80-90", "       ^^^^^", "a range goes with == and !=, not with <", None);
    check("sport ~ \"8*\"", "        ^^^^", "~ compares text, and sport is a number", Some("write =="));
    check("state ~ \"EST*\"", "      ^", "~ compares text, and state is a number", Some("write =="));
    check("comm == curl", "        ^^^^", "text stands in quotes", Some("write \"curl\""));
    check("comm in {curl}", "         ^^^^", "text stands in quotes", Some("write \"curl\""));
    check("comm == k*", "        ^^", "text stands in quotes", Some("write comm ~ \"k*\""));
    check("comm ~ k*", "       ^^", "text stands in quotes", Some("write \"k*\""));
    check("comm == 7", "        ^", "comm is text, and text stands in quotes", None);
    check("comm & 7", "     ^", "comm is text, and goes with == != ~", None);
    check("snd_cwnd > 20ms", "           ^^^^", "snd_cwnd is not a time; those are srtt and rtt_us", None);
    check(
        "srtt > 20min",
        "       ^^^^^",
        "20min is neither a number, a range, a duration, an address nor a name",
        Some("times are in us, ms or s, and there are no other units"),
    );
    check(
        "state < ESTABLISHED",
        "        ^^^^^^^^^^^",
        "< compares numbers",
        Some("names and texts go with == and !="),
    );
    check("mark & 0", "       ^", "no number has a bit in common with 0", None);
    check("saddr == 10.0.0.0/33", "         ^^^^^^^^^^^", "the length of an IPv4 prefix is 0 to 32, not \"33\"", None);
    check(
        "saddr == 10.1.0.0/8",
        "         ^^^^^^^^^^",
        "10.1.0.0 has bits beyond the first 8",
        Some("write 10.0.0.0/8, or 10.1.0.0 for the one address"),
    );
}

#[test]
fn fields_and_names() {
    check("sprot == 80", "^^^^^", "no event of these has the field sprot", Some("did you mean sport?"));
    check("cwnd < 10", "^^^^", "no event of these has the field cwnd", Some("did you mean snd_cwnd?"));
    check("sadr == 1.2.3.4", "^^^^", "no event of these has the field sadr", Some("did you mean saddr?"));
    check("sk_rcvbuf > 1", "^^^^^^^^^", "no event of these has the field sk_rcvbuf", Some("did you mean rcvbuf?"));
    check("nothing == 1 || srtt > 1", "^^^^^^^", "no event of these has the field nothing", None);
    check(
        "saddr.function == 1",
        "^^^^^^^^^^^^^^",
        "saddr.function is not the name of a field, and a term begins with one",
        None,
    );
    check(
        "state == ESTABLISHD",
        "         ^^^^^^^^^^",
        "ESTABLISHD is not a name for a value of state",
        Some("did you mean ESTABLISHED?"),
    );
    check(
        "reason == NO_SOCKT",
        "          ^^^^^^^^",
        "NO_SOCKT is not a name for a value of reason",
        Some("did you mean NO_SOCKET?"),
    );
    check(
        "state == ESTAB",
        "         ^^^^^",
        "ESTAB is not a name for a value of state",
        Some("did you mean ESTABLISHED?"),
    );
    check(
        "cong_state == slow",
        "              ^^^^",
        "slow is not a name for a value of cong_state",
        Some("one of Open Disorder CWR Recovery Loss"),
    );
    check(
        "family == v6",
        "          ^^",
        "v6 is not a name for a value of family",
        Some("one of AF_INET AF_INET6 inet ipv4 inet6 ipv6"),
    );
    check("family != 6", "          ^", "6 is a version of IP, and no socket's family", Some("write ipv6"));
    check("srtt == LOW", "        ^^^", "LOW is not a name for a value of srtt", Some("it is a number"));
    check("srtt < 4294967296", "       ^^^^^^^^^^", "srtt is 0 to 4294967295", None);
    check("err == 2147483648", "       ^^^^^^^^^^", "err is -2147483648 to 2147483647", None);
    check("srtt < 0", "       ^", "srtt is 0 to 4294967295", None);
    check("data_len & -65536", "           ^^^^^^", "data_len is 0 to 65535", None);
    check(
        "comm == \"kube-controller-manager\"",
        "        ^^^^^^^^^^^^^^^^^^^^^^^^^",
        "the kernel keeps 15 bytes of the name of a task",
        Some("write \"kube-controller\""),
    );
    check("srtt > -1", "       ^^", "srtt is 0 to 4294967295", None);
    check(
        "sport == 80 && skaddr == 0xffff888000000000",
        "               ^^^^^^",
        "skaddr is a kernel pointer, known only by the id it has in the trace",
        Some("filter when you read the trace"),
    );
}

#[test]
fn limits() {
    let deep = format!("{}sport == 80{}", "(".repeat(10_000), ")".repeat(10_000));
    let error = Filter::parse(&deep).unwrap_err();
    assert_eq!((error.column, error.message.as_str()), (8192, "the filter is longer than 8192 bytes"));
    let deep = format!("{}sport == 80{}", "(".repeat(4000), ")".repeat(4000));
    let error = Filter::parse(&deep).unwrap_err();
    assert_eq!((error.column, error.message.as_str()), (65, "more than 64 parentheses in one another"));
    assert!(Filter::parse(&format!("{}sport == 80{}", "(".repeat(64), ")".repeat(64))).is_ok());
    assert!(Filter::parse(&format!("{}sport == 80", "!".repeat(8000))).is_ok(), "! is no depth");
    let error = Filter::parse(&format!("{}sport == 80", "!(".repeat(65))).unwrap_err();
    assert_eq!(error.message, "more than 64 parentheses in one another");
    let error = Filter::parse(&format!("port in {{{}1}}", "1,".repeat(512))).unwrap_err();
    assert_eq!(error.message, "more than 512 values in one filter");
    let error = Filter::parse(&vec!["mark==1"; 513].join("||")).unwrap_err();
    assert_eq!(error.message, "more than 512 values in one filter");
}

#[test]
fn nothing_is_wrong_with_these() {
    let formats = formats();
    for text in [
        "",
        "  ",
        "sport==80",
        "sport==80||dport==80",
        "!sport == 80",
        "!!(sport == 80)",
        "saddr == \"192.168.1.100\" || daddr == '192.168.1.100'",
        "saddr_v6 == 2001:db8::1",
        "err == -1",
        "err & -1",
        "err & 0x80000000",
        "state == \"TCP_ESTABLISHED\"",
        "skaddr != 0",
        "oldstate == SYN-SENT",
        "protocol == IPPROTO_TCP",
        "common_pid == 1 && common_flags & 1",
        "port IN {80}",
    ] {
        let result = Filter::parse(text).and_then(|filter| filter.check_capture(&formats));
        assert!(result.is_ok(), "{text}: {result:?}");
    }
    let pointer = Filter::parse("skaddr == 7").unwrap();
    assert!(pointer.check(&formats).is_ok(), "a reader may ask for a pointer");
}

#[test]
fn text_has_the_fields_of_the_events_that_are_known() {
    let check = |filter: &str| {
        let events = EventFilter::new(Vec::new(), Some(Filter::parse(filter).unwrap()));
        Trace::text("text", &b""[..], Wanted { events, ..Wanted::default() })
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(check("srtt > 1ms && err != 0 && comm == \"x\" && reason == NO_SOCKET"), Ok(()));
    assert_eq!(check("colour == 1"), Err("filter, column 1: no event of these has the field colour".to_owned()));
}
