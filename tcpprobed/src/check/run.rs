//! A run: its `run.toml`, its segments, and whether they agree.

use std::collections::BTreeMap;

use tcpprobe::file::Totals;

use super::catalog::RealSegment;
use super::inspect::{BlockFound, Flaw, Inspected, inspect};
use super::salvage::{REPAIRED, salvage};
use super::{StoreCheck, kind_name};
use crate::disk::{EntryKind, Folder, is_temporary};
use crate::store::{
    RUN_FILE, RunMeta, Store, StoreError, at, from_toml, run_name, save_toml, scan, segment_name, segment_number,
    to_toml,
};

/// What is known of a run while its segments are read, in order.
struct Run {
    folder: Folder,
    key: String,
    meta: RunMeta,
    /// The block that comes next, once one was seen.
    next_block: Option<u64>,
    /// Whether the segment before may lack blocks, for something is or was wrong with it.
    is_excused: bool,
    last_segment: Option<u32>,
    /// Whether no segment is missing.
    is_complete: bool,
    /// Events in the blocks that `run.toml` tells of, by CPU.
    events: BTreeMap<u32, u64>,
}

impl StoreCheck {
    pub(super) fn run(&mut self, job_folder: &Folder, job: &str, number: u32) -> Result<(), StoreError> {
        let folder = at(job_folder.path_of(&run_name(number)), job_folder.folder(&run_name(number)))?;
        if folder.holds_nothing() {
            // Of an interrupted start; the daemon removes it.
            return Ok(());
        }
        self.summary.runs += 1;
        let meta = match RunMeta::load(&folder) {
            Ok(meta) => meta,
            Err(error) => {
                let what = format!("{RUN_FILE} cannot be read, so the run cannot be served: {error}");
                return self.found_misplaced(job_folder, &run_name(number), what);
            }
        };
        let (key, events) = (Store::run_key(job, number), BTreeMap::new());
        let mut run = Run {
            folder,
            key,
            meta,
            next_block: None,
            is_excused: false,
            last_segment: None,
            is_complete: true,
            events,
        };
        for (name, kind) in at(run.folder.path(), run.folder.entries())? {
            match (segment_number(&name), kind) {
                (Some(segment), EntryKind::File) => self.segment(&mut run, segment)?,
                _ if name == RUN_FILE || is_temporary(&name, kind) => {}
                _ => {
                    let what = format!("is {}, and nothing of a run's", kind_name(kind));
                    self.found_misplaced(&run.folder, &name, what)?;
                }
            }
        }
        self.ledger(&run)
    }

    fn segment(&mut self, run: &mut Run, number: u32) -> Result<(), StoreError> {
        self.summary.segments += 1;
        let name = segment_name(number);
        let path = run.folder.path_of(&name);
        let mut found = match run.folder.file(&name).and_then(inspect) {
            Ok(found) => found,
            // A bad sector, say: nothing can be copied either.
            Err(error) => {
                self.found(&path, None, format!("cannot be read: {error}"), None);
                (run.is_complete, run.is_excused) = (false, true);
                return Ok(());
            }
        };
        if found.is_newer {
            self.found(&path, None, "was written by a newer tcpprobed, which must check it", None);
            (run.is_complete, run.is_excused) = (false, true);
            return Ok(());
        }
        let next = run.follow(number, &mut found);
        self.summary.blocks += found.blocks.len() as u64;
        self.summary.events += found.blocks.iter().flat_map(|block| block.events.values()).sum::<u64>();
        let repair = self.repair_segment(run, number, &found, next)?;
        let is_damaged = !found.flaws.is_empty();
        for Flaw { offset, what } in found.flaws {
            self.found(&path, Some(offset), what, repair.clone());
        }
        if let Ok(file) = run.folder.file(&name) {
            let length = at(&path, file.metadata())?.len();
            let info = at(&path, scan(file))?.info;
            self.segments.push(RealSegment {
                run: run.key.clone(),
                folder: run.folder.clone(),
                number,
                length,
                info,
                is_damaged,
            });
        }
        Ok(())
    }

    /// Puts a damaged segment aside, and in its place what is whole of it, from block `next` on.
    fn repair_segment(
        &self,
        run: &Run,
        number: u32,
        found: &Inspected,
        next: u64,
    ) -> Result<Option<String>, StoreError> {
        let Some(quarantine) = self.quarantine.as_ref().filter(|_| !found.flaws.is_empty()) else { return Ok(None) };
        let name = segment_name(number);
        let is_ours = found.header.as_ref().is_some_and(|header| header.get("trace") == run.meta.trace);
        if !found.is_readable() || !is_ours {
            let place = quarantine.take(&run.folder, &name)?;
            return Ok(Some(format!("moved to {}", self.shown(&place))));
        }
        let path = run.folder.path_of(&name);
        let place = quarantine.take_copy(&run.folder, &name)?;
        let temporary = format!("{number:08}.new");
        let written = run.folder.file(&name).and_then(|input| {
            let output = run.folder.create_anew(&temporary)?;
            salvage(input, &output, next)?;
            run.folder.rename(&temporary, &run.folder, &name)?;
            run.folder.sync()
        });
        at(&path, written)?;
        Ok(Some(format!("what is whole of it was kept; the file as it was is {}", self.shown(&place))))
    }

    /// Compares `run.toml` with the segments of which it tells.
    fn ledger(&mut self, run: &Run) -> Result<(), StoreError> {
        let is_complete = run.is_complete && run.last_segment.unwrap_or(0) + 1 >= run.meta.segment;
        let mut ledger = from_toml(&run.meta.ledger);
        let told: u64 = ledger.values().map(|totals| totals.stored).sum();
        let held: u64 = run.events.values().sum();
        if told == held || (!is_complete && told > held) {
            return Ok(());
        }
        let path = run.folder.path_of(RUN_FILE);
        let what = format!("tells of {told} events stored, the segments hold {held}");
        let mut repair = None;
        if let Some(quarantine) = &self.quarantine {
            // What the kernel generated stays what it was: events that are not stored were dropped.
            for (&cpu, totals) in &mut ledger {
                let held = run.events.get(&cpu).copied().unwrap_or(0);
                totals.dropped = (totals.dropped + totals.stored).saturating_sub(held);
                totals.stored = held;
            }
            for (&cpu, &held) in run.events.iter().filter(|(cpu, _)| !from_toml(&run.meta.ledger).contains_key(cpu)) {
                ledger.insert(cpu, Totals { stored: held, ..Totals::default() });
            }
            let place = quarantine.take_copy(&run.folder, RUN_FILE)?;
            let meta = RunMeta { ledger: to_toml(&ledger), ..run.meta.clone() };
            at(&path, save_toml(&run.folder, RUN_FILE, &meta))?;
            repair = Some(format!("set right; the file as it was is {}", self.shown(&place)));
        }
        self.found(&path, None, what, repair);
        Ok(())
    }
}

impl Run {
    /// Takes a segment in, in its order, and notes where it does not follow the one before. Gives the number that its
    /// first block has at least.
    fn follow(&mut self, number: u32, found: &mut Inspected) -> u64 {
        let is_next = self.last_segment.map_or(number == 1, |last| number == last + 1);
        self.is_complete &= is_next;
        self.last_segment = Some(number);
        let next = self.next_block.unwrap_or(0);
        let header = found.header.clone().unwrap_or_default();
        if header.get("trace") != self.meta.trace {
            let what = match header.get("trace") {
                "" => "does not say which run it is of".to_owned(),
                trace => format!("is of another run, {trace}"),
            };
            found.flaws.insert(0, Flaw { offset: 0, what });
            self.is_excused = true;
            return next;
        }
        // Retention removes whole segments; and what is missing where bytes are damaged is told by the damage.
        let is_excused = !header.get(REPAIRED).is_empty() || !found.flaws.is_empty();
        let mut may_be_missing = is_excused || self.is_excused || !is_next;
        self.is_excused = is_excused;
        for BlockFound { number: block, offset, events } in &found.blocks {
            let expected = self.next_block.unwrap_or(*block);
            if *block < expected {
                found.flaws.push(Flaw { offset: *offset, what: format!("block {block} comes once more, or too late") });
                continue;
            }
            if *block > expected && !may_be_missing {
                let what = format!("blocks {expected} to {} are missing before it", block - 1);
                found.flaws.push(Flaw { offset: *offset, what });
            }
            self.next_block = Some(block + 1);
            may_be_missing = is_excused;
            if number < self.meta.segment {
                events.iter().for_each(|(cpu, count)| *self.events.entry(*cpu).or_default() += count);
            }
        }
        next
    }
}
