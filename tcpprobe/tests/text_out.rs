//! Text out: the pages of every capture, printed, are the text that the kernel printed of the same events.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::collections::HashMap;
use std::sync::LazyLock;

use common::{Capture, captures, formats};
use proptest::prelude::*;
use tcpprobe::export::TextWriter;
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::print::Printer;
use tcpprobe::kernel::text::Layout;

/// The whole `trace` file of a capture, from its pages.
fn write(capture: &Capture) -> String {
    let decoded = capture.decode();
    let records = decoded.merged();
    let mut writer = TextWriter::new(Vec::new(), Layout::of_release(&capture.kernel));
    assert_eq!(Layout::of_formats(decoded.formats.values()), Layout::of_release(&capture.kernel));
    writer.header(records.len() as u64, records.len() as u64 + decoded.lost(), 2).unwrap();
    records.iter().try_for_each(|record| writer.event(record)).unwrap();
    assert_eq!(writer.notes().collect::<Vec<_>>(), Vec::<&str>::new());
    String::from_utf8(writer.into_inner()).unwrap()
}

/// Words that `%p` printed: the kernel a hash, we the pointer.
fn is_pointer(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Compares two lines; where both have a pointer, it must be the same pair everywhere.
fn compare(ours: &str, theirs: &str, hashes: &mut HashMap<String, String>, pointers: &mut HashMap<String, String>) {
    if ours == theirs {
        return;
    }
    let words = |line: &str| line.split_inclusive(['=', ' ']).map(str::to_owned).collect::<Vec<_>>();
    let (our_words, their_words) = (words(ours), words(theirs));
    assert_eq!(our_words.len(), their_words.len(), "\nours   {ours}\nkernel {theirs}");
    for (our, their) in our_words.iter().zip(&their_words) {
        let (pointer, hash) = (our.trim_end(), their.trim_end());
        if is_pointer(pointer) && is_pointer(hash) {
            let known = hashes.entry(pointer.to_owned()).or_insert_with(|| hash.to_owned());
            assert_eq!(known, hash, "one pointer, two hashes\n{ours}\n{theirs}");
            let known = pointers.entry(hash.to_owned()).or_insert_with(|| pointer.to_owned());
            assert_eq!(known, pointer, "one hash, two pointers\n{ours}\n{theirs}");
        } else {
            assert_eq!(our, their, "\nours   {ours}\nkernel {theirs}");
        }
    }
}

#[test]
fn every_capture_prints_as_its_kernel_printed_it() {
    let mut compared = HashMap::<String, usize>::new();
    let (mut marks, mut pointers) = (0, 0);
    for capture in captures() {
        let Some(theirs) = capture.text() else { continue };
        println!("{} {}", capture.kernel, capture.case);
        let ours = write(&capture);
        let (mut to_hash, mut to_pointer) = (HashMap::new(), HashMap::new());
        for (our, their) in ours.lines().zip(theirs.lines()) {
            compare(our, their, &mut to_hash, &mut to_pointer);
            *compared.entry(capture.kernel.clone()).or_default() += 1;
            marks += usize::from(their.contains("buffer started"));
        }
        assert_eq!(ours.lines().count(), theirs.lines().count());
        assert!(ours.ends_with('\n') == theirs.ends_with('\n'));
        pointers += to_hash.len();
    }
    assert_eq!(compared.len(), 6, "kernels");
    assert!(compared.values().all(|lines| *lines > 4000), "{compared:?}");
    assert!(marks >= 5 && pointers > 1000, "{marks} marks, {pointers} pointers");
}

#[test]
fn every_event_of_every_kernel_compiles() {
    for kernel in std::fs::read_dir(common::fixtures().join("formats")).unwrap() {
        let kernel = kernel.unwrap().file_name().into_string().unwrap();
        for format in formats(&kernel).values() {
            let printer = Printer::new(format);
            let note = printer.note();
            if format.print_fmt.contains("%ps") {
                assert!(note.is_some_and(|note| note.contains("a function's name")), "{kernel}: {note:?}");
            } else {
                assert_eq!(note, None, "{kernel}");
            }
        }
    }
}

/// Every format of every kernel.
fn all_formats() -> Vec<Format> {
    let kernels = std::fs::read_dir(common::fixtures().join("formats")).unwrap();
    let mut all: Vec<_> =
        kernels.flat_map(|kernel| formats(kernel.unwrap().file_name().to_str().unwrap()).into_values()).collect();
    all.sort_by(|a, b| a.text.cmp(&b.text));
    all
}

/// Pieces of C that a damaged format may get.
fn damage() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,3}",
        Just("REC->saddr".to_owned()),
        Just("__get_str(".to_owned()),
        Just("[REC->sport]".to_owned()),
        Just("%*.*d".to_owned()),
        Just("%pISpfsc".to_owned()),
        Just("%-4000s".to_owned()),
        Just(" << 64 / 0 ".to_owned()),
        Just("(void *)".to_owned()),
        Just("é".to_owned()),
        Just("__data_loc char[] ".to_owned()),
        Just("offset:65535;".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_format_and_no_record_makes_it_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, damage()), 0..8),
        record in prop::collection::vec(prop_oneof![any::<u8>(), Just(0u8), Just(2u8)], 0..300),
    ) {
        static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(all_formats);
        let format = which.get(&FORMATS);
        let mut text = format.text.clone();
        for (at, length, with) in edits {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &with);
            }
        }
        let Ok(format) = Format::parse("tcp", &text) else { return Ok(()) };
        let printer = Printer::new(&format);
        let mut out = Vec::new();
        printer.print(&record, &mut out);
        prop_assert!(out.len() <= 32 << 10);
    }
}
