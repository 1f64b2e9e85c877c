//! A trace as Parquet: one table as a file, or all of them as a folder.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::Result;
use arrow_array::RecordBatch;
use tcpprobe::source::{Item, Trace};
use tcpprobe_arrow::{Compression, Error, Metadata, Parquet, Table, Tables};

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

impl Target {
    fn files(&mut self, names: &[Table], tables: &Tables, compression: Compression) -> Result<Files> {
        let mut files = Files::new();
        for &table in names {
            let output = match self {
                Target::Folder(folder) => folder.file(&format!("{}.parquet", table.name()))?,
                Target::File(output) => match output.take() {
                    Some(output) => output,
                    None => break,
                },
            };
            files.push((table, Parquet::new(output, tables.schema(table), compression)?));
        }
        Ok(files)
    }
}

/// Batches that wait to be written: while one is, the next is made.
const WAITING: usize = 1;

type Files = Vec<(Table, Parquet<Output>)>;

/// What the thread that writes is given.
enum Work {
    /// The files, before all batches.
    Files(Files),
    Batch(Table, RecordBatch),
}

/// Writes batches while the next are made.
struct Writer<'scope> {
    work: SyncSender<Work>,
    thread: ScopedJoinHandle<'scope, Result<Files, Error>>,
}

impl<'scope> Writer<'scope> {
    fn begin(scope: &'scope Scope<'scope, '_>) -> Self {
        let (work, given) = mpsc::sync_channel(WAITING);
        let thread = scope.spawn(move || {
            let mut files = Files::new();
            for work in given {
                match work {
                    Work::Files(all) => files = all,
                    Work::Batch(table, batch) => {
                        if let Some((_, file)) = files.iter_mut().find(|(known, _)| *known == table) {
                            file.write(&batch)?;
                        }
                    }
                }
            }
            Ok(files)
        });
        Writer { work, thread }
    }

    /// An error says that writing has failed; [`Writer::end`] says why.
    fn give(&self, work: Work) -> Result<(), Error> {
        self.work.send(work).map_err(|_| Error::Write(ErrorKind::BrokenPipe.into()))
    }

    /// The files, with all that was given.
    fn end(self) -> Result<Files, Error> {
        drop(self.work);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Writes the tables of a trace; the same as other formats in all else.
pub fn write(trace: &mut Trace<'_>, mut report: Report, wanted: Wanted, path: Option<&Path>) -> Result<Exit> {
    let (names, mut target) = match (wanted.file(path), path) {
        (None, Some(path)) => (Table::ALL.to_vec(), Target::Folder(NewFolder::create(path)?)),
        (table, path) => (vec![table.unwrap_or(Table::Events)], Target::File(Some(Output::open(path)?))),
    };
    let files = |tables: &Tables| target.files(&names, tables, wanted.compression);
    let (files, metadata) = std::thread::scope(|scope| {
        let writer = Writer::begin(scope);
        let made = make(trace, Tables::new(names.iter().copied()), files, &mut report, &writer);
        // Where writing has failed, that is why no more was made.
        let files = writer.end()?;
        anyhow::Ok((files, made?))
    })?;
    for (_, file) in files {
        file.finish(&metadata)?.finish()?;
    }
    if let Target::Folder(folder) = target {
        folder.finish()?;
    }
    Ok(report.sums(trace.losses()))
}

/// Makes the batches of a trace; what belongs into the footers of its files, which are made when their columns are known.
fn make(
    trace: &mut Trace<'_>,
    mut tables: Tables,
    files: impl FnOnce(&Tables) -> Result<Files>,
    report: &mut Report,
    writer: &Writer<'_>,
) -> Result<Metadata> {
    let give = &mut |table, batch| writer.give(Work::Batch(table, batch));
    let mut files = Some(files);
    for item in trace.by_ref() {
        let item = item?;
        if let Item::Problem(problem) = &item {
            report.tell(problem);
        }
        tables.item(&item, give).map_err(failure)?;
        if matches!(item, Item::Begin(_))
            && let Some(files) = files.take()
        {
            writer.give(Work::Files(files(&tables)?))?;
        }
    }
    report.require_events(trace.selected(), trace.losses())?;
    tables.finish(trace.ledger(), trace.losses(), give).map_err(failure)
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
