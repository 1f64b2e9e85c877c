#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tcpprobe_fuzz::text::run(input));
