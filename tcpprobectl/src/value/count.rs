//! Counts, with a comma at every thousand, or in three digits.

pub use tcpprobe_plot::units::grouped as human;

/// Three digits and a unit of thousands.
#[must_use]
pub fn short(value: f64) -> String {
    let units = ["", "k", "M", "G", "T"];
    let mut at = 0;
    let mut value = value;
    while value >= 999.5 && at + 1 < units.len() {
        (value, at) = (value / 1000.0, at + 1);
    }
    let digits = if at == 0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$}{}", units[at])
}

#[cfg(test)]
mod tests {
    #[test]
    fn commas() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::human(count), text);
        }
    }

    #[test]
    fn short_numbers() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1000.0, "1.0k"), (123_456.0, "123k"), (9_800_000.0, "9.8M"), (2.5e12, "2.5T")]
        {
            assert_eq!(super::short(value), text);
        }
    }
}
