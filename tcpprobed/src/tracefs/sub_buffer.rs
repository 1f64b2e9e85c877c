//! Sub-buffers: what a buffer is made of, and so what it really holds.

/// The kernel's header of each (`BUF_PAGE_HDR_SIZE`); the rest is data.
const HEAD_BYTES: u64 = 16;
/// A buffer has at least this many.
const COUNT_MIN: u64 = 2;

/// Bytes of a memory page: the size of a sub-buffer, unless it was changed.
#[must_use]
pub fn page_size() -> usize {
    rustix::param::page_size()
}

/// KiB of a memory page, of which the smallest sub-buffer is made: 4, or 16 or 64 on some arm64 kernels.
#[must_use]
pub fn page_kb() -> u64 {
    page_size() as u64 >> 10
}

/// KB of data that a CPU's buffer holds when `kb` are asked for: whole sub-buffers, of `subbuf_kb` each. Asking for what
/// this gives gives the same again.
#[must_use]
pub fn held_kb(kb: u64, subbuf_kb: u64) -> u64 {
    of_count(kb.saturating_mul(1024).div_ceil(data_bytes(subbuf_kb)).max(COUNT_MIN), subbuf_kb)
}

/// The most KB that can be asked for where a CPU's buffer may hold `most_kb`; 0 where not even the smallest fits.
#[must_use]
pub fn fitting_kb(most_kb: u64, subbuf_kb: u64) -> u64 {
    match most_kb.saturating_mul(1024) / data_bytes(subbuf_kb) {
        count if count < COUNT_MIN => 0,
        count => of_count(count, subbuf_kb),
    }
}

fn of_count(count: u64, subbuf_kb: u64) -> u64 {
    count.saturating_mul(data_bytes(subbuf_kb)) / 1024
}

fn data_bytes(subbuf_kb: u64) -> u64 {
    (subbuf_kb.max(1) << 10) - HEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What kernels with pages of these sizes made of it.
    #[test]
    fn a_small_buffer_holds_more_where_pages_are_large() {
        assert_eq!([4, 16, 64].map(|page_kb| held_kb(32, page_kb)), [35, 47, 127]);
        assert_eq!([4, 16, 64].map(|page_kb| held_kb(1, page_kb)), [7, 31, 127]);
        assert_eq!(held_kb(1000, 64), 1023);
    }

    #[test]
    fn what_is_held_can_be_asked_for() {
        for subbuf_kb in [4, 16, 64, 512] {
            for kb in (1..5000).chain([1 << 20, (1 << 40) + 1]) {
                let held = held_kb(kb, subbuf_kb);
                assert!(held >= kb, "{kb} in sub-buffers of {subbuf_kb}");
                assert_eq!(held_kb(held, subbuf_kb), held, "{kb} in sub-buffers of {subbuf_kb}");
                let fits = fitting_kb(kb, subbuf_kb);
                assert!(fits <= kb && (fits == 0 || held_kb(fits, subbuf_kb) == fits), "{kb}: {fits}");
            }
        }
        assert!(held_kb(u64::MAX, 64) >= 1 << 53, "too much stays too much");
    }
}
