//! Traffic without a pattern.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{Random, Site};

/// Bursts and pauses until told to stop, towards three addresses.
pub fn bursts(site: &Site, mut random: Random, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let site = site.towards(Ipv4Addr::new(127, 0, 0, random.within(1..=3) as u8));
        match random.within(0..=5) {
            0..3 => site.ping_pong(random.within(1..=400) as u32),
            3 => site.short(random.within(1..=20) as u32),
            4 => site.bulk(random.within(1..=4) as u32, 64 << random.within(10..=14)),
            _ => thread::sleep(Duration::from_millis(random.within(0..=1500))),
        }
        thread::sleep(Duration::from_millis(random.within(0..=100)));
    }
}
