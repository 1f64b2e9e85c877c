//! Whatever the filter and the event: the kernel's part and then the residual are exactly the whole.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "filter_support/formats.rs"]
mod formats;
#[path = "filter_support/kernel.rs"]
mod kernel;
#[path = "filter_support/random.rs"]
mod random;
#[path = "filter_support/records.rs"]
mod records;

use std::sync::LazyLock;

use proptest::prelude::*;
use random::Expr;
use records::Seeds;
use tcpprobe::event::{AF_INET, AF_INET6, EventReader, Record, Socket};
use tcpprobe::export::TextWriter;
use tcpprobe::filter::{Context, Filter};
use tcpprobe::kernel::format::Format;
use tcpprobe::kernel::text::Layout;
use tcpprobe::source::{Trace, TraceEvent, Wanted};

/// Every event of every kernel.
static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| formats::KERNELS.into_iter().flat_map(formats::all).collect());

/// Numbers that text tells.
const TEXT_FIELDS: [&str; 10] =
    ["family", "state", "srtt", "snd_cwnd", "data_len", "mark", "sock_cookie", "err", "skaddr", "skbaddr"];

/// Whether the family fits the addresses, as it does in every kernel.
fn is_of_ip(socket: Socket) -> bool {
    matches!(socket.family, AF_INET | AF_INET6)
        && (socket.family == AF_INET6 || socket.local.is_ipv4() && socket.peer.is_ipv4())
}

/// The record, printed and read back; `None` where its text is not of one line of its own.
fn through_text(format: &Format, record: &[u8], seeds: &Seeds) -> Option<TraceEvent> {
    let mut writer = TextWriter::new(Vec::new(), Layout::default());
    writer.event(&Record::new(1000, seeds.cpu, Some(seeds.comm), format, record)).unwrap();
    let text = writer.into_inner();
    Trace::text("text", &*text, Wanted::default()).unwrap().events().next()?.ok()
}

fn config() -> ProptestConfig {
    // PROPTEST_CASES asks for more.
    ProptestConfig { failure_persistence: None, max_global_rejects: 1 << 20, ..ProptestConfig::default() }
}

fn check(expr: &Expr, seeds: &[Seeds], format: &Format) -> Result<(), TestCaseError> {
    let text = expr.text();
    let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
    let compiled = filter.compile(format);
    let whole = filter.predicate(format);
    let residual = compiled.residual.as_ref().map(ToString::to_string).unwrap_or_default();
    let reread =
        Filter::parse(&residual).map_err(|error| TestCaseError::fail(format!("residual {residual}: {error}")))?;
    let reread = reread.predicate(format);
    for seeds in seeds {
        let record = seeds.record(format);
        let context = Context { cpu: seeds.cpu, comm: Some(seeds.comm), pid: None, ..Context::default() };
        let meant = expr.meaning(format, &record, &context) != Some(false);
        prop_assert_eq!(whole.matches(&record, &context), meant, "whole: {}", text);

        let task = kernel::Task { cpu: seeds.cpu, comm: seeds.comm };
        let recorded = match &compiled.kernel {
            None => true,
            Some(kernel) => kernel::passes(kernel, format, &record, task)
                .map_err(|error| TestCaseError::fail(format!("{kernel}: {error}")))?,
        };
        let kept = compiled.residual.as_ref().is_none_or(|residual| residual.matches(&record, &context));
        prop_assert_eq!(recorded && kept, meant, "{}\nkernel {:?}\nresidual {}", text, compiled.kernel, residual);
        prop_assert!(recorded || !meant, "the kernel alone left it out");
        prop_assert_eq!(reread.matches(&record, &context), kept, "residual, read again: {}", residual);

        // Never a panic, and what cannot be read leaves nothing out.
        for length in [0, 1, 9, record.len() / 2, record.len() - 1] {
            let _ = whole.matches(&record[..length], &context);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn kernel_then_residual_is_the_whole(
        expr in random::expr(&random::NUMBER_FIELDS),
        seeds in prop::collection::vec(records::seeds(), 1..16),
        format in any::<prop::sample::Index>(),
    ) {
        check(&expr, &seeds, format.get(&FORMATS))?;
    }

    #[test]
    fn text_and_records_agree(
        expr in random::expr(&TEXT_FIELDS),
        seeds in prop::collection::vec(records::seeds(), 1..16),
        kernel in 0..formats::KERNELS.len(),
    ) {
        let filter = Filter::parse(&expr.text()).unwrap();
        for format in formats_of(formats::KERNELS[kernel], &["tcp_probe", "tcp_retransmit_skb"]) {
            let whole = filter.predicate(&format);
            // What is in a record and not in its text is unknown there; what is in none is in both.
            let is_told = |name: &str| format.field(name).is_none() || format.print_fmt.contains(&format!("{name}="));
            if TEXT_FIELDS.iter().any(|name| expr.text().contains(name) && !is_told(name)) {
                continue;
            }
            for seeds in &seeds {
                let mut record = seeds.record(&format);
                if let Some(state) = format.field("state") {
                    // A state that there is.
                    let number = record[state.offset as usize] % 12 + 1;
                    record[state.offset as usize..][..4].copy_from_slice(&[number, 0, 0, 0]);
                }
                if !EventReader::new(&format).read(&record).is_some_and(|event| is_of_ip(event.socket())) {
                    continue;
                }
                let Some(event) = through_text(&format, &record, seeds) else { continue };
                let pid = i32::from_le_bytes(record[4..8].try_into().unwrap());
                let context = Context { cpu: seeds.cpu, comm: Some(seeds.comm), pid: Some(pid), ..Context::default() };
                let of_text = filter.predicate(&event.format).matches(&event.bytes, &context);
                prop_assert_eq!(of_text, whole.matches(&record, &context), "{}\n{:?}", expr.text(), event);
            }
        }
    }

    #[test]
    fn no_text_is_too_strange(text in "[ -~é\n]{0,60}") {
        strange(&text)?;
    }

    #[test]
    fn no_filter_is_too_strange(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..24)) {
        strange(&words.join(""))?;
        strange(&words.join(" "))?;
    }

    #[test]
    fn half_a_filter(expr in random::expr(&random::NUMBER_FIELDS), cut in any::<prop::sample::Index>()) {
        let text = expr.text();
        strange(&text[..cut.index(text.len() + 1)])?;
    }
}

#[test]
fn what_all_ports_and_addresses_meet_needs_no_event_that_tells_them() {
    use random::Written;
    let all = || vec![(Written(0, "0".to_owned()), Written(65535, "65535".to_owned()))];
    let seeds = records::of_each_family();
    for field in ["sport", "dport", "port", "family"] {
        let term = Expr::Numbers { field, op: "in", ranges: all() };
        for format in FORMATS.iter() {
            check(&term, &seeds, format).unwrap();
            check(&Expr::Not(Box::new(term.clone())), &seeds, format).unwrap();
        }
    }
}

fn formats_of(kernel: &str, names: &[&str]) -> Vec<Format> {
    formats::all(kernel).into_iter().filter(|format| names.contains(&format.name.as_str())).collect()
}

const WORDS: [&str; 36] = [
    "sport",
    "saddr",
    "addr",
    "state",
    "comm",
    "srtt",
    "nothing",
    "==",
    "!=",
    "<",
    ">=",
    "&",
    "~",
    "!",
    "&&",
    "||",
    "(",
    ")",
    "{",
    "}",
    ",",
    "in",
    "80",
    "0x",
    "1-2",
    "20ms",
    "10.0.0.1",
    "::1/64",
    "\"x\"",
    "'",
    "ESTABLISHED",
    "=",
    "and",
    "-",
    "/",
    "é",
];

/// Reads `text`, and checks that an error lies in it.
fn strange(text: &str) -> Result<(), TestCaseError> {
    let formats = &FORMATS[..20];
    let result = Filter::parse(text).and_then(|filter| {
        for format in formats {
            let _ = filter.compile(format);
        }
        filter.check_capture(formats)
    });
    if let Err(error) = result {
        let length = text.chars().count();
        prop_assert!(error.column >= 1 && error.column <= length, "{:?}: {}", text, error);
        prop_assert!(error.length >= 1 && error.column - 1 + error.length <= length, "{:?}: {}", text, error);
        prop_assert!(error.render(text).contains('^'));
        prop_assert!(!error.to_string().contains('\n') || text.contains('\n'));
    }
    Ok(())
}
