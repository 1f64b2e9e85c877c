//! Names for numbers, and the nearest of the names that there are.

use crate::kernel::names as kernel;

/// Families, also as `ip` and its relatives call them.
const FAMILIES: [(&str, i128); 6] =
    [("AF_INET", 2), ("inet", 2), ("ipv4", 2), ("AF_INET6", 10), ("inet6", 10), ("ipv6", 10)];

/// What other tools call the fields: Wireshark, tcpdump, ss and its relatives.
const OTHERS: [(&str, &str); 14] = [
    ("ip.addr", "addr"),
    ("ipv6.addr", "addr"),
    ("ip.src", "saddr"),
    ("ipv6.src", "saddr"),
    ("ip.dst", "daddr"),
    ("ipv6.dst", "daddr"),
    ("tcp.port", "port"),
    ("tcp.srcport", "sport"),
    ("tcp.dstport", "dport"),
    ("portrange", "port"),
    ("laddr", "saddr"),
    ("raddr", "daddr"),
    ("lport", "sport"),
    ("rport", "dport"),
];

/// What a field that another tool calls `word` is called here.
pub(super) fn of_others(word: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(other, _)| *other == word).map(|&(_, name)| name)
}

/// What tcpdump's `qualifier kind` is called here, as in `src host 10.0.0.1` or `tcp port 80`.
pub(super) fn of_tcpdump(qualifier: &str, kind: &str) -> Option<&'static str> {
    match (qualifier, kind) {
        ("src", "host" | "net") => Some("saddr"),
        ("dst", "host" | "net") => Some("daddr"),
        ("ip" | "ip6", "host" | "net") => Some("addr"),
        ("src", "port" | "portrange") => Some("sport"),
        ("dst", "port" | "portrange") => Some("dport"),
        ("tcp" | "ip" | "ip6", "port" | "portrange") => Some("port"),
        _ => None,
    }
}

/// The number that `name` stands for in the field `field`, by the tables of every kernel. Case does not matter.
pub(super) fn number_of(field: &str, name: &str) -> Option<i128> {
    known(field).into_iter().find(|(known, _)| same(field, known, name)).map(|(_, number)| number)
}

/// The names that `field` has on every kernel.
pub(super) fn known(field: &str) -> Vec<(&'static str, i128)> {
    match field {
        "state" | "oldstate" | "newstate" => kernel::STATES.into_iter().zip(1..).collect(),
        "cong_state" => kernel::CONG_STATES.into_iter().zip(0..).collect(),
        "family" => FAMILIES.to_vec(),
        "protocol" => kernel::PROTOCOLS.map(|(number, name)| (name, i128::from(number))).to_vec(),
        _ => Vec::new(),
    }
}

fn same(field: &str, known: &str, name: &str) -> bool {
    let prefix = match field {
        "cong_state" => "TCP_CA_",
        "protocol" => "IPPROTO_",
        "family" => "",
        _ => "TCP_",
    };
    let bare = match name.get(..prefix.len()) {
        Some(head) if head.eq_ignore_ascii_case(prefix) => &name[prefix.len()..],
        _ => name,
    };
    // ss and the RFCs write FIN-WAIT-1.
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    plain(known) == plain(bare)
}

/// The names and numbers that a `print fmt` gives for `field` (`__print_symbolic(REC->field, { 1, "NAME" }, ...)`).
pub(super) fn symbols<'f>(print_fmt: &'f str, field: &str) -> Vec<(&'f str, i128)> {
    let start = format!("__print_symbolic(REC->{field},");
    let Some((_, list)) = print_fmt.split_once(&start) else { return Vec::new() };
    let mut found = Vec::new();
    let mut rest = list.trim_start();
    while let Some((pair, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        if let Some((number, name)) = pair.split_once(',') {
            // Numbers of enumerations that the kernel left as names are in the tables above, or nowhere.
            found.extend(number.trim().parse().ok().map(|number| (name.trim().trim_matches('"'), number)));
        }
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    found
}

/// Longer words are no misspelt names.
const WORD_BYTES_MAX: usize = 64;

/// The name that differs from `word` the least, if it is near enough to be meant, or one that it begins or is a part of.
pub(super) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let far = (word.len() / 3).clamp(1, 3);
    let rank = |name: &str| {
        let name = name.to_ascii_lowercase();
        let distance = strsim::osa_distance(&word, &name);
        let part = word.len() > 2 && (name.starts_with(&word) || name.split('_').any(|part| part == word));
        (distance <= far).then_some(distance).or(part.then_some(usize::MAX))
    };
    names.into_iter().filter_map(|name| Some((rank(name)?, name))).min_by_key(|&(rank, _)| rank).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_states() {
        for name in ["ESTABLISHED", "TCP_ESTABLISHED", "established", "tcp_Established"] {
            assert_eq!(number_of("state", name), Some(1), "{name}");
        }
        assert_eq!(number_of("newstate", "FIN-WAIT-2"), Some(5));
        assert_eq!(number_of("oldstate", "TCP_NEW_SYN_RECV"), Some(12));
        assert_eq!(number_of("cong_state", "TCP_CA_Loss"), Some(4));
        assert_eq!(number_of("family", "IPv6"), Some(10));
        assert_eq!(number_of("protocol", "IPPROTO_TCP"), Some(6));
        assert_eq!(number_of("srtt", "ESTABLISHED"), None);
        assert_eq!(number_of("state", "é"), None);
    }

    #[test]
    fn names_of_a_format() {
        let fmt = r#""a=%s b=%s", REC->a ? __print_symbolic(REC->a, { 1, "ONE" }, { TWO, "TWO" }, { 3, "THREE" }) : "?", REC->b"#;
        assert_eq!(symbols(fmt, "a"), [("ONE", 1), ("THREE", 3)]);
        assert_eq!(symbols(fmt, "b"), []);
        assert_eq!(symbols("__print_symbolic(REC->a, { 1, \"ONE", "a"), []);
    }

    #[test]
    fn near_names() {
        let names = ["sport", "dport", "snd_cwnd", "ssthresh"];
        assert_eq!(nearest("sprot", names), Some("sport"));
        assert_eq!(nearest("sstresh", names), Some("ssthresh"));
        assert_eq!(nearest("cwnd", names), Some("snd_cwnd"));
        assert_eq!(nearest("ESTAB", ["LISTEN", "ESTABLISHED"]), Some("ESTABLISHED"));
        assert_eq!(nearest("SENT", ["LISTEN", "SYN_SENT"]), Some("SYN_SENT"));
        assert_eq!(nearest("window", names), None);
        assert_eq!(nearest("SND_CWND", names), Some("snd_cwnd"));
        assert_eq!(nearest("", names), None);
    }
}
