//! What an input may cost: memory by its bytes, and where it is fuzzed, time by its bytes.

use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cap::Cap;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Memory that an input of no bytes may take: buffers of a fixed size, and the formats of the events that are known.
const BYTES_AHEAD: usize = 64 << 20;
/// Memory that each byte may take more. A byte of a filter becomes a node of its program, a byte of a block a value of a column.
const BYTES_EACH: usize = 4096;
/// Time that an input of no bytes may take, and each byte more. A target reads an input some dozen times, and its lines one by one.
const TIME_AHEAD: Duration = Duration::from_secs(2);
const TIME_EACH: Duration = Duration::from_micros(500);

/// Does it, and panics where it takes more memory than the input is worth. One at a time, for all share the memory.
pub fn in_memory(input: &[u8], run: impl FnOnce(&[u8])) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, most) = (MEMORY.allocated(), MEMORY.max_allocated());
    run(input);
    let most_now = MEMORY.max_allocated();
    let taken = if most_now > most { most_now.saturating_sub(before) } else { 0 };
    let allowed = BYTES_AHEAD + BYTES_EACH * input.len();
    assert!(taken <= allowed, "{} bytes of input took {taken} bytes of memory, and may take {allowed}", input.len());
}

/// The same in time too, for fuzzing alone. Work that grows faster than inputs is found by it.
#[allow(dead_code, reason = "tests assert no times")]
pub fn in_memory_and_time(input: &[u8], run: impl FnOnce(&[u8])) {
    let (started, worked) = (Instant::now(), cpu_time());
    in_memory(input, run);
    // Where others take the CPU, the clock says nothing of the input.
    let taken = match (worked, cpu_time()) {
        (Some(before), Some(now)) => now.saturating_sub(before),
        _ => started.elapsed(),
    };
    let allowed = TIME_AHEAD + TIME_EACH * input.len() as u32;
    assert!(taken <= allowed, "{} bytes of input took {taken:?}, and may take {allowed:?}", input.len());
}

/// CPU time of this thread, to a tick; `None` where the kernel does not tell it (`Documentation/scheduler/sched-stats.rst`).
#[allow(dead_code, reason = "tests assert no times")]
fn cpu_time() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
