//! The account of a run.

use crate::file::block::{Cursor, put_varint};

/// Most accounts in a frame: CPUs times gaps of an interval.
const ACCOUNTS_MAX: usize = 1 << 20;

/// The CPU of events that the recorder made itself (subsystem `tcpprobe`), which no machine has: Linux is built for 8192 at most.
pub const OWN_CPU: u32 = u16::MAX as u32;

/// What became of the events of one CPU in one interval. `stored + filtered + lost + dropped` is what the kernel
/// generated. Where all four are 0, nobody knows how many there were: the capture was disturbed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// The CPU.
    pub cpu: u32,
    /// The interval, nanoseconds in the trace's clock. Where events were lost, as narrow as is known.
    pub from: u64,
    /// Its end.
    pub to: u64,
    /// Events in blocks.
    pub stored: u64,
    /// Events that the residual filter left out.
    pub filtered: u64,
    /// Events overwritten in the kernel's ring before they were read, or lost in a commit overrun.
    pub lost: u64,
    /// Events that the kernel refused for want of room, and events read that could not be stored.
    pub dropped: u64,
}

impl Account {
    /// That nobody knows what happened on `cpu` in this interval.
    #[must_use]
    pub fn unknown(cpu: u32, from: u64, to: u64) -> Self {
        Account { cpu, from, to: to.max(from), ..Account::default() }
    }

    /// Whether nobody knows how many events there were.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.events() == 0
    }

    /// All events that it accounts for.
    #[must_use]
    pub fn events(&self) -> u64 {
        [self.stored, self.filtered, self.lost, self.dropped].into_iter().fold(0, u64::saturating_add)
    }
}

/// Sums of accounts; where a damaged ledger claims more than can be counted, the largest number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// See [`Account::stored`].
    pub stored: u64,
    /// See [`Account::filtered`].
    pub filtered: u64,
    /// See [`Account::lost`].
    pub lost: u64,
    /// See [`Account::dropped`].
    pub dropped: u64,
    /// Intervals of which nobody knows how many events there were: [`Account::is_unknown`].
    pub unknown: u64,
}

impl Totals {
    /// Adds an account.
    pub fn add(&mut self, account: &Account) {
        let Account { stored, filtered, lost, dropped, .. } = *account;
        *self += Totals { stored, filtered, lost, dropped, unknown: u64::from(account.is_unknown()) };
    }

    /// Events that are in no block though they should be.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.lost.saturating_add(self.dropped)
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.stored = self.stored.saturating_add(other.stored);
        self.filtered = self.filtered.saturating_add(other.filtered);
        self.lost = self.lost.saturating_add(other.lost);
        self.dropped = self.dropped.saturating_add(other.dropped);
        self.unknown = self.unknown.saturating_add(other.unknown);
    }
}

/// Appends the payload of a ledger frame. All staged pages numbered below `pages_end` are in these accounts and those
/// before them; 0 where nothing is staged.
pub fn encode_accounts(accounts: &[Account], pages_end: u64, out: &mut Vec<u8>) {
    put_varint(out, accounts.len() as u64);
    for a in accounts {
        for value in [u64::from(a.cpu), a.from, a.to.wrapping_sub(a.from), a.stored, a.filtered, a.lost, a.dropped] {
            put_varint(out, value);
        }
    }
    put_varint(out, pages_end);
}

/// Reads the payload of a ledger frame: the accounts; `None` where it is damaged.
#[must_use]
pub fn decode_accounts(payload: &[u8]) -> Option<Vec<Account>> {
    decode_ledger(payload).map(|(accounts, _)| accounts)
}

/// Reads the payload of a ledger frame: the accounts, and the end of the staged pages that are in them or before;
/// `None` where it is damaged.
#[must_use]
pub fn decode_ledger(payload: &[u8]) -> Option<(Vec<Account>, u64)> {
    let mut cursor = Cursor(payload);
    let count = cursor.count(ACCOUNTS_MAX)?;
    let mut accounts = Vec::new();
    for _ in 0..count {
        let cpu = u32::try_from(cursor.varint()?).ok()?;
        let from = cursor.varint()?;
        let to = from.wrapping_add(cursor.varint()?);
        let mut next = || cursor.varint();
        accounts.push(Account { cpu, from, to, stored: next()?, filtered: next()?, lost: next()?, dropped: next()? });
    }
    Some((accounts, cursor.varint()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_come_back() {
        let accounts = vec![
            Account { cpu: 3, from: 100, to: 300, stored: 5, filtered: 1, lost: 9, dropped: 0 },
            Account { cpu: 0, from: u64::MAX, to: 3, ..Account::default() },
        ];
        let mut out = Vec::new();
        encode_accounts(&accounts, 300, &mut out);
        assert_eq!(decode_accounts(&out), Some(accounts.clone()));
        assert_eq!(decode_ledger(&out), Some((accounts.clone(), 300)));
        assert_eq!(decode_accounts(&out[..out.len() - 1]), None);
        let mut totals = Totals::default();
        accounts.iter().for_each(|a| totals.add(a));
        assert_eq!((totals.stored, totals.missing(), totals.unknown), (5, 9, 1));
    }

    #[test]
    fn what_is_more_than_can_be_counted_is_the_most() {
        let account = Account { stored: u64::MAX, lost: u64::MAX - 1, dropped: 7, ..Account::default() };
        let mut totals = Totals::default();
        (0..2).for_each(|_| totals.add(&account));
        assert_eq!((totals.stored, totals.lost, totals.dropped, totals.missing()), (u64::MAX, u64::MAX, 14, u64::MAX));
    }
}
