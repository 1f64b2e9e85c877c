//! How numbers and lists are shown to people.

/// Names that a list shows before it only counts.
const SHOWN_MAX: usize = 3;

/// `1 job`, `2 jobs`.
#[must_use]
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The first few names, and how many more there are.
#[must_use]
pub fn shortened(names: &[String]) -> String {
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN_MAX].join(", ")),
    }
}

/// `17 MB`, `5.4 GB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stay_short() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!((shortened(&names[..3]), shortened(&names)), ("a, b, c".into(), "a, b, c and 2 more".into()));
    }

    #[test]
    fn sizes() {
        assert_eq!([0, 1, 999_999_999].map(human_bytes), ["0 MB", "1 MB", "1000 MB"]);
    }
}
