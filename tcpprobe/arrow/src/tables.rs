//! The items of a trace as batches of tables.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::file::{Clock, Totals};
use tcpprobe::kernel::text::clock_ticks;
use tcpprobe::source::{About, Batch, Gap, Item, Losses};

use crate::Error;
use crate::connections;
use crate::events::EventTable;
use crate::metadata::{self, Metadata};
use crate::rows::{Cell, Rows};
use crate::table::Table;

/// Rows of a batch at most.
pub(crate) const BATCH_ROWS: usize = 1 << 16;

/// The number of a connection as the tables have it.
pub(crate) fn connection(id: u64) -> Result<i32, Error> {
    i32::try_from(id).map_err(|_| Error::TooManyConnections)
}

/// Times of day, as far as a trace knows them.
#[derive(Debug, Default)]
pub struct Times(Option<Arc<Clock>>);

impl Times {
    /// Nanoseconds since 1970 of a time in the trace's clock.
    pub fn wall(&self, time: u64) -> Option<i64> {
        self.0.as_ref()?.wall(time)
    }
}

/// Makes tables of a trace: takes its items, and gives batches as they come.
///
/// The connections are the same in each: `conn` joins them, in the batches of one `Tables` or of several that get the same items.
#[derive(Debug)]
pub struct Tables {
    wanted: Vec<Table>,
    events: EventTable,
    diagnoser: Diagnoser,
    connections: Rows,
    intervals: Rows,
    losses: Rows,
    times: Times,
    about: Option<About>,
    /// Events of which the losses tell.
    told: u64,
}

impl Tables {
    /// Of these tables.
    #[must_use]
    pub fn new(wanted: impl IntoIterator<Item = Table>) -> Self {
        Tables {
            wanted: wanted.into_iter().collect(),
            events: EventTable::default(),
            diagnoser: Diagnoser::default(),
            connections: Rows::new(Table::Connections),
            intervals: Rows::new(Table::Intervals),
            losses: Rows::new(Table::Losses),
            times: Times::default(),
            about: None,
            told: 0,
        }
    }

    fn wants(&self, table: Table) -> bool {
        self.wanted.contains(&table)
    }

    fn wants_diagnoses(&self) -> bool {
        self.wants(Table::Connections) || self.wants(Table::Intervals)
    }

    /// Whether the trace's clock counts something else than nanoseconds; known once its first item is taken.
    fn counts_ticks(&self) -> bool {
        self.about.as_ref().is_some_and(|about| clock_ticks(&about.clock))
    }

    /// The schema of a table's batches; known once the first item is taken.
    #[must_use]
    pub fn schema(&self, table: Table) -> SchemaRef {
        table.schema(table == Table::Events && self.counts_ticks())
    }

    /// Takes the next item of the trace; `give` gets the batches that are ready.
    ///
    /// # Errors
    /// Those of `give`; where the trace counts no times and a table needs them; where there are too many connections.
    pub fn item(
        &mut self,
        item: &Item,
        give: &mut impl FnMut(Table, RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match item {
            Item::Begin(about) => {
                let durations = self.wanted.iter().find(|table| **table != Table::Events);
                if let Some(table) = durations.filter(|_| clock_ticks(&about.clock)) {
                    return Err(Error::NoTimes(table.name()));
                }
                self.about.get_or_insert_with(|| about.clone());
            }
            Item::Events(Batch::Columns(batch)) => self.times = Times(Some(batch.clock().clone())),
            Item::Lost(gap) => self.lost(gap),
            _ => {}
        }
        if self.wants(Table::Events) {
            self.events.item(item, self.counts_ticks(), &mut |batch| give(Table::Events, batch))?;
        }
        if self.wants_diagnoses() {
            self.diagnoser.item(item);
            let found = self.diagnoser.take();
            self.diagnosed(&found, give)?;
        }
        if self.losses.len() >= BATCH_ROWS {
            self.give_losses(give)?;
        }
        Ok(())
    }

    fn lost(&mut self, gap: &Gap) {
        self.told = self.told.saturating_add(gap.lost.unwrap_or(0));
        if self.wants(Table::Losses) {
            self.losses.push([
                Cell::Int(gap.cpu.into()),
                Cell::maybe(self.times.wall(gap.from)),
                Cell::maybe(self.times.wall(gap.to)),
                Cell::int(gap.from),
                Cell::int(gap.to),
                gap.lost.map_or(Cell::Null, Cell::int),
            ]);
        }
    }

    fn diagnosed(
        &mut self,
        found: &[Diagnosis],
        give: &mut impl FnMut(Table, RecordBatch) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for diagnosis in found {
            if self.wants(Table::Connections) {
                connections::push(&mut self.connections, &self.times, diagnosis)?;
            }
            if self.wants(Table::Intervals) {
                connections::push_intervals(&mut self.intervals, &self.times, diagnosis)?;
            }
            for (table, rows) in [(Table::Connections, &mut self.connections), (Table::Intervals, &mut self.intervals)]
            {
                if rows.len() >= BATCH_ROWS {
                    give(table, rows.take()?)?;
                }
            }
        }
        Ok(())
    }

    fn give_losses(&mut self, give: &mut impl FnMut(Table, RecordBatch) -> Result<(), Error>) -> Result<(), Error> {
        give(Table::Losses, self.losses.take()?)
    }

    /// Ends, with what the trace's ledger and its losses say in the end; gives what belongs into the files' footers.
    ///
    /// # Errors
    /// As [`Tables::item`].
    pub fn finish(
        mut self,
        ledger: Option<Totals>,
        losses: &Losses,
        give: &mut impl FnMut(Table, RecordBatch) -> Result<(), Error>,
    ) -> Result<Metadata, Error> {
        let found = std::mem::take(&mut self.diagnoser).finish();
        self.diagnosed(&found, give)?;
        for (table, rows) in [(Table::Connections, &mut self.connections), (Table::Intervals, &mut self.intervals)] {
            if rows.len() > 0 {
                give(table, rows.take()?)?;
            }
        }
        // Missing, and nobody knows where.
        let rest = losses.lost.saturating_sub(self.told);
        if rest > 0 && self.wants(Table::Losses) {
            self.losses.push([Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::Null, Cell::int(rest)]);
        }
        if self.losses.len() > 0 {
            self.give_losses(give)?;
        }
        Ok(metadata::of(self.about.as_ref(), ledger, losses))
    }
}
