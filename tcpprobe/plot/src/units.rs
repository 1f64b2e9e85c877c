//! Numbers as people write them, in pictures and elsewhere.

/// `1234567` → `1,234,567`
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 events`, `1 event`
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number on an axis whose ticks are `step` apart: as many decimals as the step needs.
#[must_use]
pub fn tick(value: f64, step: f64) -> String {
    if step >= 1e6 {
        return format!("{} M", tick(value / 1e6, step / 1e6));
    }
    let decimals = (-step.log10() - 1e-9).ceil().clamp(0.0, 12.0) as usize;
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 && text.contains(|c| matches!(c, '1'..='9')) { "\u{2212}" } else { "" };
    format!("{sign}{}{fraction}", whole.parse().map_or_else(|_| whole.to_owned(), grouped))
}

/// Bytes in powers of 1000, with three digits: `1.45 GB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let (mut value, mut unit) = (number as f64, 0);
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    // 999.5 would be written as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value, unit == 0), UNITS[unit])
}

/// Bits a second in powers of 1000, with three digits: `9.41 Mbit/s`.
#[must_use]
pub fn bit_rate(number: f64) -> String {
    let (mut value, mut unit) = (number, 0);
    const UNITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value, unit == 0), UNITS[unit])
}

/// Microseconds as milliseconds, with three digits: `0.045`, `12.3`, `1,240`.
#[must_use]
pub fn millis(micros: u32) -> String {
    three_digits(f64::from(micros) / 1000.0, false)
}

fn three_digits(value: f64, whole: bool) -> String {
    match value {
        _ if whole => format!("{value:.0}"),
        0.0 => "0".to_owned(),
        v if v < 0.9995 => format!("{v:.3}"),
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => grouped(v.round() as u64),
    }
}

/// A part of a whole: `3 %`, `<1 %`.
#[must_use]
pub fn percent(part: f64) -> String {
    match 100.0 * part {
        p if p > 0.0 && p < 1.0 => "<1 %".to_owned(),
        p if p > 99.0 && p < 100.0 => ">99 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// Nanoseconds with three digits: `12.3 s`, `450 µs`.
#[must_use]
pub fn duration(nanos: u64) -> String {
    let seconds = nanos as f64 / 1e9;
    let (value, unit) = match nanos {
        0 => return "0 s".to_owned(),
        n if n < 1_000 => (n as f64, "ns"),
        n if n < 1_000_000 => (seconds * 1e6, "µs"),
        n if n < 1_000_000_000 => (seconds * 1e3, "ms"),
        _ if seconds < 600.0 => (seconds, "s"),
        _ if seconds < 3.0 * 3600.0 => (seconds / 60.0, "min"),
        _ if seconds < 96.0 * 3600.0 => (seconds / 3600.0, "h"),
        _ => (seconds / 86400.0, "days"),
    };
    format!("{} {unit}", three_digits(value, nanos < 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "event", "events"), counted(2000, "event", "events")], ["1 event", "2,000 events"]);
        assert_eq!(
            [0, 999, 1000, 999_999, 1_454_000_000, u64::MAX].map(bytes),
            ["0 B", "999 B", "1.00 kB", "1.00 MB", "1.45 GB", "18.4 EB"]
        );
        assert_eq!(
            [0, 45, 999, 1000, 12_345, 99_999, 1_240_000].map(millis),
            ["0", "0.045", "0.999", "1.00", "12.3", "100", "1,240"]
        );
        assert_eq!(
            [0.0, 999.0, 9_412_345.0, 1e10].map(bit_rate),
            ["0 bit/s", "999 bit/s", "9.41 Mbit/s", "10.0 Gbit/s"]
        );
        assert_eq!([0.0, 0.001, 0.031, 0.999, 1.0].map(percent), ["0 %", "<1 %", "3 %", ">99 %", "100 %"]);
        assert_eq!(
            [0, 5, 5_000, 12_300_000_000, 30 * 86_400_000_000_000].map(duration),
            ["0 s", "5 ns", "5.00 µs", "12.3 s", "30.0 days"]
        );
    }

    #[test]
    fn ticks() {
        assert_eq!([0.0, 0.5, 1500.0].map(|v| tick(v, 0.5)), ["0.0", "0.5", "1,500.0"]);
        assert_eq!([0.0, 50_000.0].map(|v| tick(v, 10_000.0)), ["0", "50,000"]);
        assert_eq!([-2.0, -0.000_001].map(|v| tick(v, 1.0)), ["−2", "0"]);
        assert_eq!(tick(2e6, 1e6), "2 M");
        assert_eq!(tick(1_830.433_505, 0.000_001), "1,830.433505");
    }
}
