//! The names of what is in a store.

/// Of a job's own file, in its folder.
pub const JOB_FILE: &str = "job.toml";

/// Of a run's own file, in its folder.
pub const RUN_FILE: &str = "run.toml";

/// The name of a run's folder.
#[must_use]
pub fn run_name(run: u32) -> String {
    format!("{run:06}")
}

/// The number of the run whose folder has this name.
#[must_use]
pub fn run_number(name: &str) -> Option<u32> {
    let number = name.parse().ok()?;
    (name == run_name(number)).then_some(number)
}

/// The name of a segment in its run's folder.
#[must_use]
pub fn segment_name(number: u32) -> String {
    format!("{number:08}.tcpp")
}

/// The number of the segment that has this name.
#[must_use]
pub fn segment_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".tcpp")?.parse().ok()?;
    (name == segment_name(number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        for number in [0, 1, 99_999_999, 123_456_789] {
            assert_eq!(segment_number(&segment_name(number)), Some(number));
        }
        for name in ["1.tcpp", "00000001.tcp", "0000000x.tcpp", "+0000001.tcpp", "00000001.tcpp.new", "000000001.tcpp"]
        {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
