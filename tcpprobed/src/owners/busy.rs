//! Sockets that are left out because their owner is known: one that is busy would push the events of all others out of the buffer.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::sockets::{Number, Sockets};

/// Most sockets that are left out at a time. Each costs every call of a program 2 to 3 ns in a window.
const SOCKETS_MAX: usize = 50;
/// One of which so many events were found in a reading is busy.
const EVENTS_MIN: u32 = 4;
/// After this time it is looked at again: another process may have it.
const AGE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct LeftOut {
    number: Number,
    address: u64,
    cookie: u64,
    since: Instant,
}

/// The sockets that are left out.
#[derive(Debug, Default)]
pub struct Busy(Vec<LeftOut>);

impl Busy {
    /// Takes in how many events each socket had in a window, by its address.
    pub fn note(&mut self, counts: &HashMap<u64, u32>, sockets: &Sockets, now: Instant) {
        self.0.retain(|one| sockets.is_open(one.number) && now.duration_since(one.since) < AGE_MAX);
        let mut found: Vec<(u32, u64)> = counts
            .iter()
            .filter(|&(_, count)| *count >= EVENTS_MIN)
            .map(|(&address, &count)| (count, address))
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        for (_, address) in found {
            let known = sockets.told_at(address).filter(|(number, _)| self.0.iter().all(|one| one.number != *number));
            if let Some((number, cookie)) = known
                && self.0.len() < SOCKETS_MAX
            {
                self.0.push(LeftOut { number, address, cookie, since: now });
            }
        }
    }

    /// Nobody is left out any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Terms that leave them out of an event with a cookie, joined to `filter`.
    #[must_use]
    pub fn without_cookies(&self, filter: Option<&str>) -> Option<String> {
        let cookies = self.0.iter().map(|one| one.cookie).filter(|&cookie| cookie != 0);
        join(filter, "sock_cookie", cookies)
    }

    /// The same of one with the socket's address.
    #[must_use]
    pub fn without_addresses(&self, filter: Option<&str>) -> Option<String> {
        join(filter, "sk", self.0.iter().map(|one| one.address))
    }
}

fn join(filter: Option<&str>, field: &str, values: impl Iterator<Item = u64>) -> Option<String> {
    let mut text = filter.map(|filter| format!("({filter})")).unwrap_or_default();
    for value in values {
        let and = if text.is_empty() { "" } else { " && " };
        let _ = write!(text, "{and}{field} != {value:#x}");
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms() {
        let of = |number, cookie| LeftOut { number, address: 0x100 + number, cookie, since: Instant::now() };
        let busy = Busy(vec![of(1, 7), of(2, 0)]);
        assert_eq!(busy.without_cookies(None).as_deref(), Some("sock_cookie != 0x7"));
        assert_eq!(busy.without_cookies(Some("a || b")).as_deref(), Some("(a || b) && sock_cookie != 0x7"));
        assert_eq!(busy.without_addresses(Some("ret > 0")).as_deref(), Some("(ret > 0) && sk != 0x101 && sk != 0x102"));
        assert_eq!(Busy::default().without_cookies(None), None);
    }
}
