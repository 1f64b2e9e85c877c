//! The times of a trace: what its clock counts, and which of them are wanted.

use crate::Error;
use crate::file::Select;

/// What the times of saved records are in nanoseconds, and in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Of a clock that counts ticks: nanoseconds are ticks times the first, shifted by the second.
    pub scale: Option<(u32, u32)>,
    /// What is added then.
    pub offset_ns: i64,
    /// UTC (nanoseconds since 1970) minus the trace's clock, where that is known.
    pub utc_offset_ns: Option<i64>,
}

impl Times {
    /// The time of a record.
    pub fn of(&self, time: u64) -> u64 {
        let scaled = match self.scale {
            Some((factor, shift)) => {
                let wide = (u128::from(time) * u128::from(factor)) >> shift.min(127);
                u64::try_from(wide).unwrap_or(u64::MAX)
            }
            None => time,
        };
        scaled.saturating_add_signed(self.offset_ns)
    }
}

/// The times that are wanted, in the trace's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    from: u64,
    to: u64,
}

impl Between {
    /// Those that `select` names, of a trace whose clock is so far from UTC.
    pub fn of(select: &Select, utc_offset_ns: Option<i64>, name: &str) -> Result<Self, Error> {
        if select.since.is_none() && select.until.is_none() {
            return Ok(Between { from: 0, to: u64::MAX });
        }
        let offset = utc_offset_ns.ok_or_else(|| Error::NoWallClock { name: name.to_owned() })?;
        let time = |wall: i64| (i128::from(wall) - i128::from(offset)).clamp(0, i128::from(u64::MAX)) as u64;
        Ok(Between { from: select.since.map_or(0, time), to: select.until.map_or(u64::MAX, time) })
    }

    /// Whether all are.
    pub fn is_all(&self) -> bool {
        (self.from, self.to) == (0, u64::MAX)
    }

    /// Whether this one is.
    pub fn has(&self, time: u64) -> bool {
        (self.from..=self.to).contains(&time)
    }

    /// Whether some of these are.
    pub fn overlaps(&self, from: u64, to: u64) -> bool {
        to >= self.from && from <= self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_become_nanoseconds() {
        let times = Times { scale: Some((3 << 10, 11)), offset_ns: -10, utc_offset_ns: None };
        assert_eq!((times.of(100), times.of(0), times.of(u64::MAX)), (140, 0, u64::MAX - 10));
        assert_eq!(Times { offset_ns: 5, ..Times::default() }.of(7), 12);
        assert_eq!(Times { scale: Some((u32::MAX, u32::MAX)), ..Times::default() }.of(u64::MAX), 0);
    }

    #[test]
    fn a_range_needs_a_wall_clock() {
        let select = |since, until| Select { since, until, ..Select::default() };
        assert!(Between::of(&select(Some(1), None), None, "x").is_err());
        assert!(Between::of(&select(None, None), None, "x").is_ok_and(|all| all.is_all() && all.has(u64::MAX)));
        let some = Between::of(&select(Some(110), Some(120)), Some(100), "x").unwrap();
        assert_eq!([9, 10, 20, 21].map(|time| some.has(time)), [false, true, true, false]);
        assert!(some.overlaps(0, 10) && !some.overlaps(21, 30));
        let before = Between::of(&select(None, Some(5)), Some(100), "x").unwrap();
        assert!(before.has(0) && !before.has(1));
    }
}
