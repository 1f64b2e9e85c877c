//! What the pages hold, told by a first reading.

use std::collections::BTreeMap;

use super::super::described;
use super::RingDump;
use super::reading::{failure, tell};
use crate::Error;
use crate::kernel::page::Lost;
use crate::kernel::ring::{BadPage, Item, Loss};

/// So many IDs are named; the others are of the same make.
const IDS_TOLD_MAX: usize = 8;

/// Counts of everything.
#[derive(Debug, Default)]
pub struct Contents {
    /// Events by ID.
    described: BTreeMap<u16, u64>,
    /// Events that nothing describes, by ID.
    undescribed: BTreeMap<u16, u64>,
    /// What is no event: functions, stacks.
    beside: u64,
    /// Marks of loss, by CPU.
    marks: BTreeMap<u32, Marks>,
    bad: u64,
    first_bad: Option<BadPage>,
}

/// What the marks on a CPU's pages say.
#[derive(Debug, Default, Clone, Copy)]
struct Marks {
    /// Events lost, by the marks with a number.
    lost: u64,
    /// Marks without a number.
    numberless: u64,
}

impl Contents {
    /// Reads everything once.
    pub fn survey(dump: &RingDump) -> Result<Self, Error> {
        let mut contents = Contents::default();
        let mut buffer = dump.buffer()?;
        while let Some(item) = buffer.next_item().map_err(|error| failure(dump, error))? {
            match item {
                Item::Record { bytes, .. } if dump.events.described.is_beside(bytes) => contents.beside += 1,
                Item::Record { bytes, .. } => {
                    let is_described = dump.events.described.describe(bytes).is_some();
                    let counts = if is_described { &mut contents.described } else { &mut contents.undescribed };
                    *counts.entry(described::id(bytes).unwrap_or(0)).or_default() += 1;
                }
                Item::Lost(loss) => {
                    let marks = contents.marks.entry(loss.cpu).or_default();
                    match loss.lost {
                        Lost::Events(lost) => marks.lost = marks.lost.saturating_add(lost),
                        _ => marks.numberless += 1,
                    }
                }
                Item::Bad(bad) => {
                    contents.bad += 1;
                    contents.first_bad.get_or_insert(bad);
                }
            }
        }
        Ok(contents)
    }

    /// Fails where there is something, but no event that can be told.
    pub fn require_events(&self, dump: &RingDump) -> Result<(), Error> {
        if !self.described.is_empty() {
            return Ok(());
        }
        let undescribed: u64 = self.undescribed.values().sum();
        if let Some(bad) = self.first_bad.filter(|_| self.bad >= undescribed) {
            let what = format!("{} holds no ring-buffer pages: {}", dump.name, tell(dump, &bad));
            return Err(Error::RingDump { what, hint: dump.hints[0] });
        }
        if undescribed > 0 {
            let events = grouped(undescribed);
            let what =
                format!("{} describes none of the {events} events in {} ({})", dump.events.name, dump.name, self.ids());
            return Err(Error::RingDump { what, hint: dump.hints[1] });
        }
        Ok(())
    }

    /// Events that can be told.
    pub fn described(&self) -> u64 {
        self.described.values().sum()
    }

    /// Words about those that cannot, if there are any.
    pub fn undescribed(&self, dump: &RingDump) -> Option<String> {
        let events: u64 = self.undescribed.values().sum();
        let of = format!("{} events are left out, for {} does not describe them", grouped(events), dump.events.name);
        (events > 0).then(|| format!("{of} ({})", self.ids()))
    }

    /// Words about what is no event, if there is any.
    pub fn beside(&self) -> Option<String> {
        let words =
            || format!("{} entries of tracers and stacks are no events, and are passed over", grouped(self.beside));
        (self.beside > 0).then(words)
    }

    /// `ID 5`, `IDs 5, 312`.
    fn ids(&self) -> String {
        let mut ids: Vec<String> = self.undescribed.keys().take(IDS_TOLD_MAX).map(u16::to_string).collect();
        if self.undescribed.len() > IDS_TOLD_MAX {
            ids.push("…".to_owned());
        }
        format!("ID{} {}", if self.undescribed.len() > 1 { "s" } else { "" }, ids.join(", "))
    }

    /// Whether events of this ID occur, and can be told.
    pub fn has(&self, id: u16) -> bool {
        self.described.contains_key(&id)
    }

    /// Events overwritten, of all CPUs. A mark without a number is one event where `stats` does not tell.
    pub fn lost(&self, dump: &RingDump) -> u64 {
        let of = |(cpu, marks): (&u32, &Marks)| {
            let stats = dump.folder.stats.get(cpu).filter(|_| marks.numberless > 0);
            marks.lost.saturating_add(marks.numberless).max(stats.map_or(0, |stats| stats.overrun))
        };
        self.marks.iter().map(of).fold(0, u64::saturating_add)
    }

    /// Events overwritten of which no mark tells.
    pub fn unmarked(&self, dump: &RingDump, cpu: u32) -> u64 {
        let marks = self.marks.get(&cpu).copied().unwrap_or_default();
        let overrun = dump.folder.stats.get(&cpu).map_or(0, |stats| stats.overrun);
        if dump.has_whole_stats && marks.numberless == 0 { overrun.saturating_sub(marks.lost) } else { 0 }
    }

    /// How many events a mark stands for: `stats` tells it where it is the only one without a number.
    pub fn count(&self, dump: &RingDump, loss: &Loss) -> Option<u64> {
        if let Lost::Events(lost) = loss.lost {
            return Some(lost);
        }
        let marks = self.marks.get(&loss.cpu).filter(|marks| marks.numberless == 1)?;
        let overrun = dump.folder.stats.get(&loss.cpu)?.overrun;
        overrun.checked_sub(marks.lost).filter(|rest| *rest > 0)
    }
}

/// A number with a comma at each thousand.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() - 1) % 3 + 1;
    let (head, rest) = digits.split_at(first);
    let rest = rest.as_bytes().chunks(3).map(|three| format!(",{}", String::from_utf8_lossy(three)));
    std::iter::once(head.to_owned()).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands() {
        let check = |number, text: &str| assert_eq!(super::grouped(number), text);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(u64::MAX, "18,446,744,073,709,551,615");
    }
}
