//! People who start, stop and remove jobs, whatever state the daemon is in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tcpprobe_proto::v1::StartJobRequest;

use crate::common::{Api, Random, job};

const NAMES: [&str; 4] = ["one", "two", "three", "four"];
/// From far too small to roomy.
const BUFFERS_KB: [u64; 3] = [64, 512, 8192];

/// Changes jobs until told to stop. Gives what was done, and how often it was done or refused.
pub fn change_jobs(api: &Api, port: u16, mut random: Random, stop: &AtomicBool) -> BTreeMap<&'static str, (u32, u32)> {
    let mut done: BTreeMap<&'static str, (u32, u32)> = BTreeMap::new();
    let filters = [
        format!("port == {port}"),
        format!("port == {port} && srtt > 100us"),
        format!("port == {port} && addr == 127.0.0.3"),
        format!("sport == {port}"),
    ];
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(random.within(0..=700)));
        let name = *random.one_of(&NAMES);
        let filter: &String = random.one_of(&filters);
        let spec = super::probes(*random.one_of(&BUFFERS_KB), job(name, filter));
        let (what, result) = match random.within(0..=9) {
            0..4 => ("started", api.try_start(spec).map(drop)),
            4 => {
                let request = StartJobRequest { spec: Some(spec), no_clear: true, ..Default::default() };
                ("gone on", api.try_ask(request).map(drop))
            }
            5..8 => ("stopped", api.try_stop(name).map(drop)),
            8 => ("removed", api.remove(name, random.flip()).map(drop)),
            _ => ("looked at", api.try_get(name).map(drop)),
        };
        let count = done.entry(what).or_default();
        match result {
            Ok(()) => count.0 += 1,
            Err(_) => count.1 += 1,
        }
    }
    done
}
