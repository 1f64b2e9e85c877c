//! A trace as Parquet: one table as a file, or all of them as a folder.

use std::path::Path;

use anyhow::Result;
use tcpprobe::source::{Item, Trace};
use tcpprobe_arrow::{Compression, Error, Parquet, Table, Tables};

use crate::exit::{Exit, Failure};
use crate::output::{NewFolder, Output};
use crate::report::Report;

/// Which tables, and how.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only this one.
    pub table: Option<Table>,
    /// How its pages are compressed.
    pub compression: Compression,
}

impl Wanted {
    /// Whether nothing is said.
    pub fn is_default(self) -> bool {
        self.table.is_none() && self.compression == Compression::default()
    }

    /// The one table that becomes a file; `None` where all of them become a folder.
    fn file(self, path: Option<&Path>) -> Option<Table> {
        let is_file = path.is_none_or(|path| {
            path == Path::new("-") || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"))
        });
        self.table.or_else(|| is_file.then_some(Table::Events))
    }
}

/// Where tables go.
enum Target {
    /// Until the file is begun.
    File(Option<Output>),
    Folder(NewFolder),
}

/// Writes the tables of a trace; the same as other formats in all else.
pub fn write(trace: &mut Trace<'_>, mut report: Report, wanted: Wanted, path: Option<&Path>) -> Result<Exit> {
    let (names, mut target) = match (wanted.file(path), path) {
        (None, Some(path)) => (Table::ALL.to_vec(), Target::Folder(NewFolder::create(path)?)),
        (table, path) => (vec![table.unwrap_or(Table::Events)], Target::File(Some(Output::open(path)?))),
    };
    let mut tables = Tables::new(names.iter().copied());
    let mut files: Vec<(Table, Parquet<Output>)> = Vec::new();
    let mut batches = Vec::new();
    for item in trace.by_ref() {
        let item = item?;
        if let Item::Problem(problem) = &item {
            report.tell(problem);
        }
        tables
            .item(&item, &mut |table, batch| {
                batches.push((table, batch));
                Ok(())
            })
            .map_err(failure)?;
        if files.is_empty() && matches!(item, Item::Begin(_)) {
            for &table in &names {
                let output = match &mut target {
                    Target::Folder(folder) => folder.file(&format!("{}.parquet", table.name()))?,
                    Target::File(output) => match output.take() {
                        Some(output) => output,
                        None => break,
                    },
                };
                files.push((table, Parquet::new(output, tables.schema(table), wanted.compression)?));
            }
        }
        put(&mut files, &mut batches)?;
    }
    report.require_events(trace.selected(), trace.losses())?;
    let give = &mut |table, batch| {
        batches.push((table, batch));
        Ok(())
    };
    let metadata = tables.finish(trace.ledger(), trace.losses(), give).map_err(failure)?;
    put(&mut files, &mut batches)?;
    for (_, file) in files {
        file.finish(&metadata)?.finish()?;
    }
    if let Target::Folder(folder) = target {
        folder.finish()?;
    }
    Ok(report.sums(trace.losses()))
}

type Batches = Vec<(Table, arrow_array::RecordBatch)>;

fn put(files: &mut [(Table, Parquet<Output>)], batches: &mut Batches) -> Result<(), Error> {
    for (table, batch) in batches.drain(..) {
        if let Some((_, file)) = files.iter_mut().find(|(known, _)| *known == table) {
            file.write(&batch)?;
        }
    }
    Ok(())
}

fn failure(error: Error) -> anyhow::Error {
    match error {
        Error::NoTimes(_) => {
            Failure::new(Exit::Failed, error.to_string(), "take --table events, or record with another trace_clock")
                .into()
        }
        other => other.into(),
    }
}
