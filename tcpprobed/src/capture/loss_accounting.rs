//! Loss accounting: what became of every event of a CPU, exact to the last one.
//!
//! Three sources have to agree. What was read is counted record by record. What was overwritten before it was read
//! is told by the page behind the gap, which also tells when. And the kernel keeps totals (`stats`), which alone
//! know of events that were refused, and of records that were read but could not be understood. Overwritten events
//! that only the totals know are booked when it is certain that no page will tell of them: after a drain that
//! followed the reading of the totals. A page that says only that there is a gap still says when: that is their time.

use tcpprobe::file::{Account, Totals};
use tcpprobe::kernel::page::Lost;

use crate::tracefs::CpuStats;

/// The account of one CPU.
#[derive(Debug, Default)]
pub struct LossAccounting {
    cpu: u32,
    /// Start of the open interval, in the trace's clock.
    from: u64,
    /// Time of the last event read.
    last_event: u64,
    stored: u64,
    filtered: u64,
    /// What was lost or dropped in the open interval, each with its own, narrower times.
    gaps: Vec<Account>,
    /// Events lost before the next record, as pages told.
    gap: Option<u64>,
    /// Whether one of these pages did not say how many: a full sub-buffer has no room for the number.
    is_untold: bool,
    /// From the last event before such a gap to the first one behind it, over all of them that were not booked yet.
    untold: Option<(u64, u64)>,
    /// All that was booked since the kernel instance was made: the counterpart of its totals.
    booked: Totals,
    /// The totals read last, if no drain followed yet.
    unsettled: Option<CpuStats>,
    /// Overwritten events in the last totals that a drain followed.
    settled_overrun: u64,
    commit_overrun: u64,
}

impl LossAccounting {
    /// Opens the account of a CPU from `since` on. `booked` is what was booked since the instance was made.
    #[must_use]
    pub fn new(cpu: u32, booked: Totals, since: u64) -> Self {
        LossAccounting { cpu, from: since, last_event: since, booked, ..LossAccounting::default() }
    }

    /// A page begins.
    #[inline]
    pub fn page(&mut self, lost: Lost) {
        match lost {
            Lost::None => {}
            Lost::Events(count) => *self.gap.get_or_insert(0) += count,
            Lost::Unknown => {
                self.gap.get_or_insert(0);
                self.is_untold = true;
            }
        }
    }

    /// A record was read, and stored or filtered out.
    #[inline]
    pub fn record(&mut self, time: u64, stored: bool) {
        if let Some(lost) = self.gap.take() {
            self.lost(lost, time);
        }
        self.last_event = time;
        self.stored += u64::from(stored);
        self.filtered += u64::from(!stored);
    }

    /// One of those that were taken for filtered out in this interval is stored after all.
    pub fn kept(&mut self) {
        self.filtered -= 1;
        self.stored += 1;
    }

    #[cold]
    fn lost(&mut self, lost: u64, now: u64) {
        // A drain is dated from its beginning, and may have met later events.
        let to = now.max(self.last_event);
        if std::mem::take(&mut self.is_untold) {
            let from = self.untold.map_or(self.last_event, |(from, _)| from);
            self.untold = Some((from, to));
        }
        self.book_lost(lost, (self.last_event, to));
    }

    fn book_lost(&mut self, lost: u64, (from, to): (u64, u64)) {
        if lost > 0 {
            self.booked.lost += lost;
            self.gaps.push(Account { cpu: self.cpu, from, to, lost, ..Account::default() });
        }
    }

    /// The kernel's totals at `now`, read when every page taken from the kernel was walked. Says whether they go on from
    /// what was booked: where they know of fewer events than were read, somebody reset them.
    pub fn totals(&mut self, stats: CpuStats, now: u64) -> bool {
        let booked = self.booked.stored + self.booked.filtered + self.stored + self.filtered + self.booked.dropped;
        let told = stats.read_events + stats.dropped_events;
        let dropped = told.saturating_sub(booked);
        if dropped > 0 {
            self.booked.dropped += dropped;
            self.gaps.push(Account { cpu: self.cpu, from: self.from, to: now, dropped, ..Account::default() });
        }
        self.commit_overrun = stats.commit_overrun;
        self.unsettled = Some(stats);
        told >= booked && stats.overrun >= self.settled_overrun
    }

    /// The buffer was found empty at `now`: whatever the totals counted as overwritten has been told by pages, or
    /// never will be.
    pub fn drained(&mut self, now: u64) {
        if let Some(stats) = self.unsettled.take() {
            self.settled_overrun = stats.overrun;
        }
        if let Some(lost) = self.gap.take() {
            self.lost(lost, now);
        }
        let unknown = (self.settled_overrun + self.commit_overrun).saturating_sub(self.booked.lost);
        if unknown > 0 {
            let after_all = (self.last_event, now.max(self.last_event));
            let times = self.untold.take().unwrap_or(after_all);
            self.book_lost(unknown, times);
        }
    }

    /// Closes the interval at `now` and gives its accounts, none where nothing happened.
    pub fn close(&mut self, now: u64, accounts: &mut Vec<Account>) {
        if self.stored + self.filtered > 0 {
            let (stored, filtered) = (std::mem::take(&mut self.stored), std::mem::take(&mut self.filtered));
            self.booked.stored += stored;
            self.booked.filtered += filtered;
            let account = Account { cpu: self.cpu, from: self.from, to: now, stored, filtered, ..Account::default() };
            accounts.push(account);
        }
        accounts.append(&mut self.gaps);
        self.from = now;
    }

    /// The stored events of an interval could not be stored after all.
    pub fn not_stored(&mut self, account: &mut Account) {
        self.booked.stored -= account.stored;
        self.booked.dropped += account.stored;
        account.dropped += std::mem::take(&mut account.stored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(read_events: u64, overrun: u64, commit_overrun: u64, dropped_events: u64) -> CpuStats {
        CpuStats { read_events, overrun, commit_overrun, dropped_events, ..CpuStats::default() }
    }

    fn close(accounting: &mut LossAccounting, now: u64) -> Totals {
        let (mut accounts, mut totals) = (Vec::new(), Totals::default());
        accounting.close(now, &mut accounts);
        accounts.iter().for_each(|account| totals.add(account));
        totals
    }

    #[test]
    fn pages_and_totals_tell_of_the_same_loss_once() {
        let mut accounting = LossAccounting::new(0, Totals::default(), 100);
        accounting.record(110, true);
        accounting.totals(stats(1, 7, 0, 0), 120);
        accounting.page(Lost::Events(7));
        accounting.record(130, false);
        accounting.drained(140);
        assert_eq!(close(&mut accounting, 150), Totals { stored: 1, filtered: 1, lost: 7, ..Totals::default() });
        assert_eq!(close(&mut accounting, 160), Totals::default());
    }

    #[test]
    fn a_gap_has_the_times_of_its_neighbours() {
        let mut accounting = LossAccounting::new(2, Totals::default(), 100);
        accounting.record(110, true);
        accounting.page(Lost::Events(5));
        accounting.record(190, true);
        let mut accounts = Vec::new();
        accounting.close(200, &mut accounts);
        assert_eq!(accounts[1], Account { cpu: 2, from: 110, to: 190, lost: 5, ..Account::default() });
    }

    #[test]
    fn what_only_the_totals_know_is_booked_after_a_drain() {
        let mut accounting = LossAccounting::new(0, Totals::default(), 0);
        accounting.page(Lost::Unknown);
        accounting.record(10, true);
        accounting.totals(stats(1, 4, 2, 3), 20);
        // Dropped events leave no mark: booked at once. Overwritten ones may yet be told by a page.
        assert_eq!(close(&mut accounting, 25), Totals { stored: 1, filtered: 0, dropped: 3, ..Totals::default() });
        accounting.drained(30);
        assert_eq!(close(&mut accounting, 35).lost, 6);
        accounting.totals(stats(1, 4, 2, 3), 40);
        accounting.drained(50);
        assert_eq!(close(&mut accounting, 60), Totals::default(), "nothing twice");
    }

    #[test]
    fn a_gap_of_untold_size_has_its_time() {
        let mut accounting = LossAccounting::new(1, Totals::default(), 0);
        accounting.record(10, true);
        accounting.page(Lost::Unknown);
        accounting.record(50, true);
        accounting.record(60, true);
        accounting.totals(stats(3, 7, 0, 0), 90);
        accounting.drained(100);
        let mut accounts = Vec::new();
        accounting.close(110, &mut accounts);
        assert_eq!(accounts[1], Account { cpu: 1, from: 10, to: 50, lost: 7, ..Account::default() });
    }

    #[test]
    fn a_gap_never_ends_before_it_begins() {
        let mut accounting = LossAccounting::new(0, Totals::default(), 0);
        accounting.totals(stats(0, 4, 0, 0), 5);
        accounting.record(30, true);
        accounting.drained(20);
        let mut accounts = Vec::new();
        accounting.close(40, &mut accounts);
        assert!(accounts.iter().all(|account| account.from <= account.to), "{accounts:?}");
        assert_eq!(accounts.iter().map(|account| account.lost).sum::<u64>(), 4);
    }

    #[test]
    fn records_that_could_not_be_understood_are_dropped() {
        let mut accounting = LossAccounting::new(0, Totals::default(), 0);
        accounting.record(10, true);
        accounting.totals(stats(5, 0, 0, 0), 20);
        assert_eq!(close(&mut accounting, 30), Totals { stored: 1, dropped: 4, ..Totals::default() });
    }

    #[test]
    fn a_block_that_could_not_be_written_is_dropped_once() {
        let mut accounting = LossAccounting::new(0, Totals::default(), 0);
        accounting.record(10, true);
        let mut accounts = Vec::new();
        accounting.close(20, &mut accounts);
        accounting.not_stored(&mut accounts[0]);
        assert_eq!((accounts[0].stored, accounts[0].dropped), (0, 1));
        accounting.totals(stats(1, 0, 0, 0), 30);
        assert_eq!(close(&mut accounting, 40), Totals::default());
    }

    #[test]
    fn a_resumed_instance_continues_where_it_was() {
        let before = Totals { stored: 10, filtered: 5, lost: 3, dropped: 1, unknown: 0 };
        let mut accounting = LossAccounting::new(0, before, 0);
        accounting.record(10, true);
        accounting.totals(stats(16, 3, 0, 1), 20);
        accounting.drained(30);
        assert_eq!(close(&mut accounting, 40), Totals { stored: 1, ..Totals::default() });
    }
}
