//! Counts, with a comma at every thousand.

pub use tcpprobe_plot::units::grouped as human;

#[cfg(test)]
mod tests {
    #[test]
    fn commas() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::human(count), text);
        }
    }
}
