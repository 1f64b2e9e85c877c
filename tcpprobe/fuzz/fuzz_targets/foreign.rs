#![no_main]

use tcpprobe_fuzz::{budget, foreign};

libfuzzer_sys::fuzz_target!(|input: &[u8]| budget::in_memory_and_time(input, foreign::run));
