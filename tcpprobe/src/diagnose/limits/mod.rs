//! A limit each: its page, what it says of a connection, and its rule.

mod bandwidth;
mod connecting;
mod idle;
mod packet_loss;
pub(super) mod policer;
mod receive_window;
mod receiver_application;
mod round_trips;
mod send_buffer;
mod sender_application;
mod sender_host;
mod small_writes;
mod timeout;
mod unseen;
mod window_growth;

use super::Diagnosis;
use super::limit::Limit;

/// What a limit says of a connection: evidence with numbers, and a remedy; empty where there is nothing to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What was seen.
    pub evidence: String,
    /// What helps.
    pub remedy: String,
}

impl Words {
    fn new(evidence: impl Into<String>, remedy: impl Into<String>) -> Self {
        Words { evidence: evidence.into(), remedy: remedy.into() }
    }
}

pub(super) fn words(found: &Diagnosis, limit: Limit) -> Words {
    match limit {
        Limit::Connecting => connecting::words(found),
        Limit::Idle => idle::words(found),
        Limit::SenderApplication => sender_application::words(found),
        Limit::SendBuffer => send_buffer::words(found),
        Limit::SenderHost => sender_host::words(found),
        Limit::ReceiveWindow => receive_window::words(found),
        Limit::ReceiverApplication => receiver_application::words(found),
        Limit::WindowGrowth => window_growth::words(found),
        Limit::Bandwidth => bandwidth::words(found),
        Limit::PacketLoss => packet_loss::words(found),
        Limit::Policer => policer::words(found),
        Limit::Timeout => timeout::words(found),
        Limit::SmallWrites => small_writes::words(found),
        Limit::RoundTrips => round_trips::words(found),
        Limit::Unseen => unseen::words(found),
    }
}

pub(super) fn count(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn seconds(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

pub(super) fn ms(us: u32) -> String {
    let ms = f64::from(us) / 1e3;
    if ms < 1.0 {
        format!("{ms:.2} ms")
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// Bytes a second, as people call it.
fn rate(bytes: f64) -> String {
    let bits = bytes * 8.0;
    match bits {
        _ if bits < 1e6 => format!("{:.0} kbit/s", bits / 1e3),
        _ if bits < 1e9 => format!("{:.1} Mbit/s", bits / 1e6),
        _ => format!("{:.1} Gbit/s", bits / 1e9),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn share(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// Buffer memory for a window of twice `bytes`: Linux counts an skb at about twice its payload (`tcp_adv_win_scale`).
fn memory(bytes: u32) -> u64 {
    (4 * u64::from(bytes)).next_power_of_two()
}

/// What Reno reaches: MSS ÷ RTT × √(3/2 ÷ loss) (Mathis et al., 1997).
fn throughput(mss: u32, rtt_us: u32, loss: f64) -> Option<String> {
    (loss > 0.0 && rtt_us > 0).then(|| rate(f64::from(mss) * 1e6 / f64::from(rtt_us) * (1.5 / loss).sqrt()))
}
