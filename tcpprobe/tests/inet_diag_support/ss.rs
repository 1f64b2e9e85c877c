//! What `ss -timO` of iproute2 says of a socket, by the names of the event `tcpprobe:tcp_info`. ss leaves out most of what is 0.

use std::collections::BTreeMap;

/// Names and values in a line of ss; of a rate or a time in milliseconds as ss rounds it.
pub fn fields(line: &str) -> BTreeMap<&'static str, u64> {
    let mut found = BTreeMap::new();
    let words: Vec<&str> = line.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let (name, value) = word.split_once(':').unwrap_or((word, ""));
        if let Some((_, ours)) = NUMBERS.iter().find(|(known, _)| *known == name) {
            found.insert(*ours, value.parse().unwrap());
        }
        match name {
            "skmem" => {
                let counts = value.trim_matches(['(', ')']).split(',');
                let count = |count: &str| count.trim_start_matches(char::is_alphabetic).parse().unwrap();
                found.extend(MEMORY.iter().copied().zip(counts.map(count)));
            }
            "bbr" if !value.is_empty() => {
                for part in value.trim_matches(['(', ')']).split(',') {
                    let (name, value) = part.split_once(':').unwrap();
                    match name {
                        "bw" => found.insert("bbr_bw", rate(value)),
                        "mrtt" => found.insert("bbr_min_rtt", micros(value)),
                        "pacing_gain" => found.insert("bbr_pacing_gain", gain(value)),
                        "cwnd_gain" => found.insert("bbr_cwnd_gain", gain(value)),
                        _ => None,
                    };
                }
            }
            "wscale" => {
                let (send, receive) = value.split_once(',').unwrap();
                found.insert("tcpi_snd_wscale", send.parse().unwrap());
                found.insert("tcpi_rcv_wscale", receive.parse().unwrap());
            }
            "rtt" => {
                let (rtt, variation) = value.split_once('/').unwrap();
                found.insert("tcpi_rtt", micros(rtt));
                found.insert("tcpi_rttvar", micros(variation));
            }
            "retrans" => {
                let (now, total) = value.split_once('/').unwrap();
                found.insert("tcpi_retrans", now.parse().unwrap());
                found.insert("tcpi_total_retrans", total.parse().unwrap());
            }
            "rto" => drop(found.insert("tcpi_rto", micros(value))),
            "ato" => drop(found.insert("tcpi_ato", micros(value))),
            "minrtt" => drop(found.insert("tcpi_min_rtt", micros(value))),
            "rcv_rtt" => drop(found.insert("tcpi_rcv_rtt", micros(value))),
            "busy" => drop(found.insert("tcpi_busy_time", millis(value))),
            "rwnd_limited" => drop(found.insert("tcpi_rwnd_limited", millis(value))),
            "sndbuf_limited" => drop(found.insert("tcpi_sndbuf_limited", millis(value))),
            "pacing_rate" => drop(found.insert("tcpi_pacing_rate", rate(words[at + 1].split('/').next().unwrap()))),
            "delivery_rate" => drop(found.insert("tcpi_delivery_rate", rate(words[at + 1]))),
            "app_limited" => drop(found.insert("tcpi_delivery_rate_app_limited", 1)),
            _ => {}
        }
    }
    found
}

/// The congestion control in a line of ss: the word before the window scales.
pub fn congestion(line: &str) -> &str {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("wscale:")).unwrap();
    words[at - 1]
}

const NUMBERS: [(&str, &str); 24] = [
    ("mss", "tcpi_snd_mss"),
    ("pmtu", "tcpi_pmtu"),
    ("rcvmss", "tcpi_rcv_mss"),
    ("advmss", "tcpi_advmss"),
    ("cwnd", "tcpi_snd_cwnd"),
    ("ssthresh", "tcpi_snd_ssthresh"),
    ("bytes_sent", "tcpi_bytes_sent"),
    ("bytes_retrans", "tcpi_bytes_retrans"),
    ("bytes_acked", "tcpi_bytes_acked"),
    ("bytes_received", "tcpi_bytes_received"),
    ("segs_out", "tcpi_segs_out"),
    ("segs_in", "tcpi_segs_in"),
    ("data_segs_out", "tcpi_data_segs_out"),
    ("data_segs_in", "tcpi_data_segs_in"),
    ("lastsnd", "tcpi_last_data_sent"),
    ("lastrcv", "tcpi_last_data_recv"),
    ("lastack", "tcpi_last_ack_recv"),
    ("delivered", "tcpi_delivered"),
    ("unacked", "tcpi_unacked"),
    ("reordering", "tcpi_reordering"),
    ("rcv_space", "tcpi_rcv_space"),
    ("rcv_ssthresh", "tcpi_rcv_ssthresh"),
    ("notsent", "tcpi_notsent_bytes"),
    ("snd_wnd", "tcpi_snd_wnd"),
];

const MEMORY: [&str; 9] =
    ["rmem_alloc", "rcvbuf", "wmem_alloc", "sndbuf", "fwd_alloc", "wmem_queued", "optmem", "backlog", "drops"];

fn micros(millis: &str) -> u64 {
    (millis.parse::<f64>().unwrap() * 1000.0).round() as u64
}

/// `8ms`, `8ms(50.0%)`.
fn millis(value: &str) -> u64 {
    value.split("ms").next().unwrap().parse::<u64>().unwrap() * 1000
}

/// Bytes a second of bits.
fn rate(bits: &str) -> u64 {
    bits.trim_end_matches("bps").parse::<u64>().unwrap() / 8
}

fn gain(value: &str) -> u64 {
    (value.parse::<f64>().unwrap() * 256.0).round() as u64
}
