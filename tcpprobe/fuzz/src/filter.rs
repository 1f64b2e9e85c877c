//! A filter for an event of a kernel: two bytes that say which event of which kernel, the text, a NUL, and bytes for a record.

use tcpprobe::filter::{Context, Filter, FilterError};
use tcpprobe::kernel::format::Format;

use super::evaluation::{Task, passes};
use super::{input, kernels};

/// Longest filter, and of what the kernel accepts.
const TEXT_BYTES_MAX: usize = 8192;
const KERNEL_BYTES_MAX: usize = 4095;
/// The task that was interrupted.
const COMM: &str = "nginx: worker";

pub fn run(input: &[u8]) {
    let [kernel, event, rest @ ..] = input else { return };
    let (text, bytes) = input::split(rest);
    let text = String::from_utf8_lossy(text);
    let format = kernels::event(*kernel, *event);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => return lies_inside(&error, &text),
    };
    let checks = [filter.check([format]), filter.check_capture(std::slice::from_ref(format))];
    checks.iter().filter_map(|check| check.as_ref().err()).for_each(|error| lies_inside(error, &text));
    let record = kernels::record(format, bytes);
    splits(&filter, format, &record);
    agrees_with_its_double_negation(&filter, format, &record);
}

/// An error marks a place in the text.
fn lies_inside(error: &FilterError, text: &str) {
    let length = text.chars().count();
    assert!(error.column >= 1 && error.length >= 1, "{error}");
    assert!(error.column - 1 + error.length <= length, "{error}, of {length} characters");
    assert!(error.render(text).contains('^'));
}

fn context(record: &[u8]) -> Context<'static> {
    Context { cpu: u32::from(record[2] & 3), comm: Some(COMM), pid: None, ..Context::default() }
}

/// The kernel's part and then the residual are exactly the whole.
fn splits(filter: &Filter, format: &Format, record: &[u8]) {
    let (whole, compiled, context) = (filter.predicate(format), filter.compile(format), context(record));
    let meant = whole.matches(record, &context);
    let task = Task { cpu: context.cpu, comm: COMM };
    let recorded = compiled.kernel.as_ref().is_none_or(|kernel| {
        assert!(kernel.len() <= KERNEL_BYTES_MAX);
        passes(kernel, format, record, task).unwrap_or_else(|error| panic!("{kernel}: {error}"))
    });
    let kept = compiled.residual.as_ref().is_none_or(|residual| residual.matches(record, &context));
    assert_eq!(recorded && kept, meant, "kernel {:?}, residual {:?}", compiled.kernel, compiled.residual);
    assert!(recorded || !meant, "the kernel alone left it out: {:?}", compiled.kernel);

    let residual = compiled.residual.map(|residual| residual.to_string()).unwrap_or_default();
    if let Ok(again) = Filter::parse(&residual) {
        assert_eq!(again.predicate(format).matches(record, &context), kept, "residual, read again: {residual}");
    } else {
        assert!(residual.len() > TEXT_BYTES_MAX / 8, "residual: {residual}");
    }
    for length in [0, 1, 9, record.len() / 2, record.len() - 1] {
        let _ = whole.matches(&record[..length], &context);
    }
}

fn agrees_with_its_double_negation(filter: &Filter, format: &Format, record: &[u8]) {
    // It has one parenthesis more, of which there may be too many.
    let Ok(double) = Filter::parse(&format!("!(!({}))", filter.text())) else { return };
    let context = context(record);
    assert_eq!(double.predicate(format).matches(record, &context), filter.predicate(format).matches(record, &context));
}
