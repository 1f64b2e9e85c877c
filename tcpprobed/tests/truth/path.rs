//! The network between two TUN devices: delay, loss, a bottleneck with a queue, a policer, black-outs and more.
//!
//! Settings of a direction are `key=value`, separated by commas: `delay`, `jitter` (ms, one way), `loss` (%), `burst` (mean length),
//! `rate` (Mbit/s), `queue` (packets), `ce` (packets in the queue from which on ECN is marked), `police` (Mbit/s), `pburst` (kB),
//! `reorder` (% that come late), `rgap` (ms late), `dup` (%), `synloss` (first SYNs or SYN-ACKs dropped), `tail` (bytes of a message: its last `tailn` segments are
//! dropped `tailtimes` times), `black=FROM-TO` (ms: drops all), `hold=FROM-TO` (delivers all at TO), `hole=BYTES@MS` (longer packets
//! vanish from then on), `frag=BYTES@MS` (they are answered by ICMP). `@MS:key=value` changes one later. Times count from the first payload.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::now;

const MS: f64 = 1e6;

/// The settings of a direction.
#[derive(Debug, Clone, Default)]
struct Settings {
    values: HashMap<String, f64>,
    black: Vec<(f64, f64)>,
    hold: Vec<(f64, f64)>,
    hole: Option<(f64, f64)>,
    frag: Option<(f64, f64)>,
    /// Changes to come: (ms, key, value).
    changes: Vec<(f64, String, f64)>,
}

const KEYS: [&str; 16] = [
    "delay",
    "jitter",
    "loss",
    "burst",
    "rate",
    "queue",
    "ce",
    "police",
    "pburst",
    "reorder",
    "rgap",
    "dup",
    "synloss",
    "tail",
    "tailn",
    "tailtimes",
];

impl Settings {
    fn parse(text: &str) -> Result<Self> {
        let mut settings = Settings::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (at, part) = match part.strip_prefix('@').and_then(|rest| rest.split_once(':')) {
                Some((ms, rest)) => (Some(ms.parse::<f64>()?), rest),
                None => (None, part),
            };
            let (key, value) = part.split_once('=').with_context(|| part.to_owned())?;
            let range = |by: char| -> Result<(f64, f64)> {
                let (a, b) = value.split_once(by).with_context(|| part.to_owned())?;
                Ok((a.parse()?, b.parse()?))
            };
            match (key, at) {
                ("black", None) => settings.black.push(range('-')?),
                ("hold", None) => settings.hold.push(range('-')?),
                ("hole", None) => settings.hole = Some(range('@')?),
                ("frag", None) => settings.frag = Some(range('@')?),
                (key, _) if !KEYS.contains(&key) => bail!("path: no setting {key}"),
                (key, Some(ms)) => settings.changes.push((ms, key.into(), value.parse()?)),
                (key, None) => _ = settings.values.insert(key.into(), value.parse()?),
            }
        }
        Ok(settings)
    }

    fn of(&self, key: &str) -> f64 {
        self.values.get(key).copied().unwrap_or(0.0)
    }
}

/// A packet on its way; `Reverse` makes the heap give the earliest.
type Packet = Reverse<(u64, u64, Vec<u8>)>;

/// What is known of a packet.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    is_syn: bool,
    sequence: u32,
    payload: usize,
}

impl Header {
    fn parse(packet: &[u8]) -> Option<Self> {
        let (tcp, end) = match packet.first()? >> 4 {
            4 if packet.get(9) == Some(&6) => {
                (usize::from(packet[0] & 15) * 4, usize::from(u16::from_be_bytes([packet[2], packet[3]])))
            }
            6 if packet.get(6) == Some(&6) => (40, 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]))),
            _ => return None,
        };
        let header = packet.get(tcp..tcp + 20)?;
        let length = usize::from(header[12] >> 4) * 4;
        Some(Header {
            is_syn: header[13] & 2 != 0,
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            payload: end.checked_sub(tcp + length)?,
        })
    }
}

/// Something that happened to a packet, or a queue.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    /// Why, the payload's place in the stream, and its length.
    Drop(&'static str, u32, usize),
    /// What the queue would take to empty, nanoseconds.
    Queue(u64),
    /// Congestion was marked on a packet.
    Mark,
    /// At the end: half of the packets came no later than this after they were due, nanoseconds.
    Late(u64),
}

/// One direction.
#[derive(Default)]
struct Direction {
    settings: Settings,
    random: u64,
    is_bad: bool,
    line_free: u64,
    tokens: f64,
    tokens_at: u64,
    heap: BinaryHeap<Packet>,
    count: u64,
    syns: f64,
    first: Option<u32>,
    /// How often each tail was dropped.
    tails: HashMap<(u32, u32), f64>,
    log: Vec<(u64, Happening)>,
    queue_noted: u64,
    /// By how much each packet came later than it was due.
    late: Vec<u64>,
}

impl Direction {
    fn new(settings: &str, seed: u64) -> Result<Self> {
        Ok(Direction { settings: Settings::parse(settings)?, random: seed | 1, ..Direction::default() })
    }

    /// 0 to 1.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Gilbert's: mean rate `loss`, mean length `burst`.
    fn is_lost(&mut self) -> bool {
        let (loss, burst) = (self.settings.of("loss") / 100.0, self.settings.of("burst").max(1.0));
        if loss <= 0.0 {
            return false;
        }
        if burst <= 1.0 {
            return self.chance() < loss;
        }
        let chance = self.chance();
        self.is_bad = if self.is_bad { chance >= 1.0 / burst } else { chance < loss / (1.0 - loss) / burst };
        self.is_bad
    }

    /// Whether and why it vanishes; `ms` counts from the first payload.
    fn vanishes(&mut self, packet: &[u8], header: Option<Header>, ms: f64, t: u64) -> Option<&'static str> {
        let settings = &self.settings;
        if let Some(header) = header.filter(|header| header.is_syn) {
            self.first.get_or_insert(header.sequence.wrapping_add(1));
            self.syns += 1.0;
            return (self.syns <= settings.of("synloss")).then_some("syn");
        }
        if settings.black.iter().any(|(from, to)| (*from..*to).contains(&ms)) {
            return Some("black");
        }
        if settings.hole.is_some_and(|(bytes, from)| ms >= from && packet.len() as f64 > bytes) {
            return Some("hole");
        }
        if let (Some(header), tail) = (header.filter(|header| header.payload > 0), settings.of("tail") as u32)
            && tail > 0
        {
            let mss = if packet[0] >> 4 == 4 { 1448 } else { 1428 };
            let (times, count) = (settings.of("tailtimes").max(1.0), settings.of("tailn").max(1.0) as u32);
            let at = header.sequence.wrapping_sub(self.first.unwrap_or(0));
            let (message, inside) = (at / tail, at % tail);
            if inside / mss + count > (tail - 1) / mss {
                let dropped = self.tails.entry((message, inside / mss)).or_insert(0.0);
                *dropped += 1.0;
                if *dropped <= times {
                    return Some("tail");
                }
            }
        }
        let police = self.settings.of("police") * 1e6 / 8.0;
        if police > 0.0 {
            let burst = self.settings.of("pburst") * 1000.0;
            let filled = if self.tokens_at == 0 { burst } else { (t - self.tokens_at) as f64 / 1e9 * police };
            (self.tokens, self.tokens_at) = ((self.tokens + filled).min(burst), t);
            if self.tokens < packet.len() as f64 {
                return Some("police");
            }
            self.tokens -= packet.len() as f64;
        }
        self.is_lost().then_some("loss")
    }

    fn take(&mut self, mut packet: Vec<u8>, ms: f64, back: &mut Vec<Vec<u8>>) {
        let (t, header) = (now(), Header::parse(&packet));
        while let Some(at) = self.settings.changes.iter().position(|(from, ..)| *from <= ms) {
            let (_, key, value) = self.settings.changes.remove(at);
            self.settings.values.insert(key, value);
        }
        if let Some((bytes, from)) = self.settings.frag
            && ms >= from
            && packet.len() as f64 > bytes
        {
            back.extend(too_big(&packet, bytes as u16));
            return;
        }
        let place = header.map_or((0, 0), |h| (h.sequence.wrapping_sub(self.first.unwrap_or(0)), h.payload));
        if let Some(why) = self.vanishes(&packet, header, ms, t) {
            self.log.push((t, Happening::Drop(why, place.0, place.1)));
            return;
        }
        let copies =
            if self.settings.of("dup") > 0.0 && self.chance() * 100.0 < self.settings.of("dup") { 2 } else { 1 };
        for _ in 0..copies {
            let (mut due, rate) = (t, self.settings.of("rate") * 1e6);
            if rate > 0.0 {
                let (length, queue) = (packet.len() as f64 * 8e9 / rate, self.settings.of("queue"));
                let start = self.line_free.max(t);
                if queue > 0.0 && (start - t) as f64 > length.max(1500.0 * 8e9 / rate * 0.5) * queue {
                    self.log.push((t, Happening::Drop("queue", place.0, place.1)));
                    continue;
                }
                let mark = self.settings.of("ce");
                if mark > 0.0 && (start - t) as f64 > length * mark {
                    mark_congestion(&mut packet);
                    self.log.push((t, Happening::Mark));
                }
                due = start + length as u64;
                self.line_free = due;
            }
            let jitter = (self.chance() * 2.0 - 1.0) * self.settings.of("jitter");
            due += ((self.settings.of("delay") + jitter).max(0.0) * MS) as u64;
            if self.settings.of("reorder") > 0.0 && self.chance() * 100.0 < self.settings.of("reorder") {
                due += (self.settings.of("rgap") * MS) as u64;
            }
            if let Some((_, to)) = self.settings.hold.iter().find(|(from, to)| (*from..*to).contains(&ms)) {
                due = due.max(t + ((to - ms) * MS) as u64);
            }
            self.count += 1;
            self.heap.push(Reverse((due, self.count, packet.clone())));
        }
    }

    /// Delivers what is due.
    fn give(&mut self, t: u64, mut device: &File) {
        while self.heap.peek().is_some_and(|packet| packet.0.0 <= t) {
            let Some(Reverse((due, _, packet))) = self.heap.pop() else { break };
            let _ = device.write(&packet);
            self.late.push(now().saturating_sub(due));
        }
    }

    /// What happened; ends it.
    fn ended(mut self) -> Vec<(u64, Happening)> {
        self.late.sort_unstable();
        let late = self.late.get(self.late.len() / 2).copied().unwrap_or(0);
        self.log.push((now(), Happening::Late(late)));
        self.log
    }

    fn note_queue(&mut self, t: u64) {
        if self.settings.of("rate") > 0.0 && t >= self.queue_noted + 5_000_000 {
            self.queue_noted = t;
            self.log.push((t, Happening::Queue(self.line_free.saturating_sub(t))));
        }
    }
}

/// The checksum of an IPv4 header or an ICMP message.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Marks "congestion experienced", where the sender can do ECN (RFC 3168).
fn mark_congestion(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 && packet[1] & 3 != 0 {
        packet[1] |= 3;
        packet[10..12].fill(0);
        let sum = checksum(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    } else if packet[0] >> 4 == 6 && packet[1] >> 4 & 3 != 0 {
        packet[1] |= 0x30;
    }
}

/// ICMP "fragmentation needed" for an IPv4 packet (RFC 1191).
fn too_big(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    (packet[0] >> 4 == 4).then_some(())?;
    let mut icmp = vec![3, 4, 0, 0, 0, 0];
    icmp.extend(mtu.to_be_bytes());
    icmp.extend(&packet[..28]);
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut answer = vec![0x45, 0];
    answer.extend((20 + icmp.len() as u16).to_be_bytes());
    answer.extend([0, 0, 0, 0, 64, 1, 0, 0]);
    answer.extend(&packet[16..20]);
    answer.extend(&packet[12..16]);
    let sum = checksum(&answer);
    answer[10..12].copy_from_slice(&sum.to_be_bytes());
    answer.extend(icmp);
    Some(answer)
}

/// What happened in each direction.
pub type Log = [Vec<(u64, Happening)>; 2];

/// Forwards between the devices of sides a and b until `stop`; settings are of a to b, and b to a.
pub fn forward(devices: [File; 2], settings: [&str; 2], seed: u64, stop: &AtomicBool) -> Result<Log> {
    let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    let mut directions = [
        Direction::new(settings[0], seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))?,
        Direction::new(settings[1], seed.wrapping_mul(0xd1b5_4a32_d192_ed03))?,
    ];
    let mut began: Option<u64> = None;
    let mut buffer = vec![0_u8; 65_600];
    while !stop.load(Ordering::Relaxed) {
        let earliest = directions.iter().filter_map(|d| d.heap.peek().map(|packet| packet.0.0)).min();
        let wait = earliest.map_or(5_000_000, |due| due.saturating_sub(now()).min(5_000_000));
        let mut ready = [
            PollFd::from_borrowed_fd(devices[0].as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(devices[1].as_fd(), PollFlags::IN),
        ];
        let _ = poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: wait as i64 }));
        for side in 0..2 {
            for _ in 0..64 {
                let Ok(length) = (&devices[side]).read(&mut buffer) else { break };
                let packet = buffer[..length].to_vec();
                if began.is_none() && Header::parse(&packet).is_some_and(|header| header.payload > 0) {
                    began = Some(now());
                }
                let ms = began.map_or(-1.0, |began| (now() - began) as f64 / MS);
                let mut back = Vec::new();
                directions[side].take(packet, ms, &mut back);
                back.iter().for_each(|answer| _ = (&devices[side]).write(answer));
            }
        }
        let t = now();
        for side in 0..2 {
            directions[side].give(t, &devices[1 - side]);
            directions[side].note_queue(t);
        }
    }
    Ok(directions.map(Direction::ended))
}
