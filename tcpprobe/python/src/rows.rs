//! The rows of a table, read when they are asked for: as Arrow's C structures, in batches, or as columns for numpy.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use arrow_array::cast::AsArray;
use arrow_array::ffi::to_ffi;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader, StringArray, StructArray, new_null_array};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::types::{PyAnyMethods, PyCapsule, PyList, PyModule};
use pyo3::{Bound, PyErr, PyResult, Python, pyclass, pyfunction, pymethods};
use tcpprobe::diagnose::Diagnoser;
use tcpprobe::source::Item;
use tcpprobe_arrow::{Table, Tables};

use crate::columns::Columns;
use crate::error::Failure;
use crate::feed::{Feed, Giver, pipe};
use crate::missing::Missing;
use crate::selection::Selection;
use crate::work;

const SCHEMA: &std::ffi::CStr = c"arrow_schema";
const ARRAY: &std::ffi::CStr = c"arrow_array";
const STREAM: &std::ffi::CStr = c"arrow_array_stream";

/// What a reading gives, in this order: the schema once, batches, the end.
enum Told {
    Schema(SchemaRef),
    Batch(RecordBatch),
    End(Missing),
}

/// A table of a file; each call reads the file anew.
#[pyclass(frozen, module = "tcpprobe._native")]
pub struct Rows {
    selection: Selection,
    table: Table,
}

#[pymethods]
impl Rows {
    #[new]
    #[pyo3(signature = (path, table, filter=None, connection=None))]
    fn new(path: PathBuf, table: &str, filter: Option<&str>, connection: Option<&str>) -> PyResult<Self> {
        Ok(Rows { table: named(table)?, selection: Selection::new(path, filter, connection)? })
    }

    /// An Arrow C stream, in a capsule.
    fn stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let stream = Stream::new(py, self.start(Texts::Plain)?, self.selection.name())?;
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(stream)), STREAM)
    }

    /// An Arrow C schema, in a capsule.
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = schema(py, &self.start(Texts::Plain)?)?;
        capsule_of_schema(py, &schema)
    }

    /// Batches, one after the other.
    fn batches(&self, py: Python<'_>) -> PyResult<Batches> {
        let feed = self.start(Texts::Dictionaries)?;
        Ok(Batches { schema: schema(py, &feed)?, feed, name: self.selection.name() })
    }

    /// How many rows there are, and all of them, as columns for numpy.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<(usize, Bound<'py, PyList>)> {
        let feed = self.start(Texts::Dictionaries)?;
        let schema = schema(py, &feed)?;
        let mut columns = Columns::new(&schema)?;
        loop {
            match feed.next(py)? {
                Told::Batch(batch) => py.detach(|| columns.push(&batch)),
                Told::Schema(_) => {}
                Told::End(missing) => {
                    missing.warn(py, &self.selection.name())?;
                    return columns.give(py);
                }
            }
        }
    }
}

impl Rows {
    fn start(&self, texts: Texts) -> Result<Feed<Told>, Failure> {
        let (giver, feed) = pipe();
        let (selection, table) = (self.selection.clone(), self.table);
        work::start(giver, move |giver| read(&selection, table, texts, giver))?;
        Ok(feed)
    }
}

fn named(name: &str) -> Result<Table, Failure> {
    let known = Table::ALL.into_iter().find(|table| table.name() == name);
    known.ok_or_else(|| Failure::Argument(format!("no table {name}; there are events, connections, intervals, losses")))
}

/// Of a column: its name, type, whether values may be null, unit, meaning.
type Column = (&'static str, &'static str, bool, &'static str, &'static str);

/// The columns of a table: name, type, whether values may be null, unit, meaning.
#[pyfunction(name = "columns")]
pub fn columns_of(table: &str) -> PyResult<Vec<Column>> {
    let columns = named(table)?.columns().iter();
    Ok(columns
        .map(|column| (column.name, column.data_type.name(), column.nullable, column.unit, column.meaning))
        .collect())
}

/// How texts are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// As texts: of dictionaries that change from batch to batch, not every reader makes one column.
    Plain,
    /// By a dictionary for each batch.
    Dictionaries,
}

/// The fields that a table is made of; `None` for all.
fn fields(table: Table) -> Option<Vec<&'static str>> {
    match table {
        Table::Events => None,
        Table::Connections | Table::Intervals => Some(Diagnoser::fields()),
        Table::Losses => Some(Vec::new()),
    }
}

/// Reads a table, on a thread of its own.
fn read(selection: &Selection, table: Table, texts: Texts, giver: &Giver<Told>) -> Result<(), Failure> {
    let mut trace = selection.open(fields(table), giver.stop())?;
    let (mut tables, mut missing) = (Tables::new([table]), Missing::default());
    let (mut batches, mut is_begun) = (Vec::new(), false);
    for item in trace.by_ref() {
        giver.stop().check()?;
        let item = item?;
        if let Item::Problem(problem) = &item {
            missing.problem(problem);
        }
        tables.item(&item, &mut |_, batch| {
            batches.push(batch);
            Ok(())
        })?;
        if !is_begun && matches!(item, Item::Begin(_)) {
            giver.give(Told::Schema(texts.schema(&tables.schema(table))))?;
            is_begun = true;
        }
        for batch in batches.drain(..) {
            giver.give(Told::Batch(texts.batch(batch)?))?;
        }
    }
    if !is_begun {
        giver.give(Told::Schema(texts.schema(&tables.schema(table))))?;
    }
    let losses = *trace.losses();
    tables.finish(trace.ledger(), &losses, &mut |_, batch| {
        batches.push(batch);
        Ok(())
    })?;
    for batch in batches {
        giver.give(Told::Batch(texts.batch(batch)?))?;
    }
    giver.give(Told::End(missing.summed(&losses)))
}

impl Texts {
    fn schema(self, schema: &SchemaRef) -> SchemaRef {
        if self == Texts::Dictionaries {
            return schema.clone();
        }
        let fields = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Dictionary(_, values) => Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone())),
            _ => field.clone(),
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn batch(self, batch: RecordBatch) -> Result<RecordBatch, Failure> {
        if self == Texts::Dictionaries {
            return Ok(batch);
        }
        let schema = self.schema(&batch.schema());
        let arrays = batch.columns().iter().map(plain).collect();
        Ok(RecordBatch::try_new(schema, arrays).map_err(tcpprobe_arrow::Error::from)?)
    }
}

/// A column without its dictionary.
fn plain(array: &ArrayRef) -> ArrayRef {
    let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else { return array.clone() };
    if dictionary.null_count() == dictionary.len() {
        return new_null_array(&DataType::Utf8, dictionary.len());
    }
    let texts: &StringArray = dictionary.values().as_string();
    let text = |key: Option<i32>| key.map(|key| texts.value(key as usize));
    Arc::new(dictionary.keys().iter().map(text).collect::<StringArray>())
}

/// The schema, which comes first.
fn schema(py: Python<'_>, feed: &Feed<Told>) -> PyResult<SchemaRef> {
    match feed.next(py)? {
        Told::Schema(schema) => Ok(schema),
        Told::Batch(_) | Told::End(_) => Err(Failure::Defect("the schema did not come first".to_owned()).into()),
    }
}

fn capsule_of_schema<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowSchema::try_from(schema).map_err(of_arrow)?, SCHEMA)
}

fn of_arrow(error: ArrowError) -> PyErr {
    Failure::Tables(error.into()).into()
}

/// Some rows of a table.
#[pyclass(frozen, module = "tcpprobe._native")]
pub struct Batch(RecordBatch);

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    /// An Arrow C schema and an Arrow C array, in capsules.
    fn array<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        let batch = Texts::Plain.batch(self.0.clone())?;
        let schema = capsule_of_schema(py, &batch.schema())?;
        let (array, _) = to_ffi(&StructArray::from(batch).into_data()).map_err(of_arrow)?;
        Ok((schema, PyCapsule::new_with_value(py, array, ARRAY)?))
    }

    /// How many rows there are, and all of them, as columns for numpy.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<(usize, Bound<'py, PyList>)> {
        let mut columns = Columns::new(&self.0.schema())?;
        columns.push(&self.0);
        columns.give(py)
    }
}

/// Batches, one after the other.
#[pyclass(frozen, module = "tcpprobe._native")]
pub struct Batches {
    feed: Feed<Told>,
    schema: SchemaRef,
    name: String,
}

#[pymethods]
impl Batches {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Batch>> {
        match self.feed.next(py) {
            Ok(Told::Batch(batch)) => Ok(Some(Batch(batch))),
            Ok(Told::End(missing)) => {
                missing.warn(py, &self.name)?;
                Ok(None)
            }
            Ok(Told::Schema(_)) => Err(Failure::Defect("two schemas".to_owned()).into()),
            Err(error) => Err(error),
        }
    }

    fn __repr__(&self) -> String {
        format!("<batches of {} columns of {}>", self.schema.fields().len(), self.name)
    }
}

/// Batches for whoever takes an Arrow C stream: on the thread that asked for it, or on another that may know no Python.
struct Stream {
    feed: Feed<Told>,
    schema: SchemaRef,
    name: String,
    home: ThreadId,
    has_ended: bool,
}

impl Stream {
    fn new(py: Python<'_>, feed: Feed<Told>, name: String) -> PyResult<Self> {
        Ok(Stream { schema: schema(py, &feed)?, feed, name, home: thread::current().id(), has_ended: false })
    }

    /// The next one. At home signals are looked at, for that is where Python does.
    fn told(&self) -> Result<Told, String> {
        if let Some(told) = self.feed.ready() {
            return told.map_err(|failure| failure.to_string());
        }
        let at_home = || Python::try_attach(|py| self.feed.next(py).map_err(|error| remember(py, error)));
        let told = if thread::current().id() == self.home { at_home() } else { None };
        told.unwrap_or_else(|| self.feed.next_outside().map_err(|failure| failure.to_string()))
    }

    /// Warns of what is missing, where Python is.
    fn warn(&self, missing: &Missing) -> Result<(), String> {
        if thread::current().id() != self.home {
            return Ok(());
        }
        let warned = Python::try_attach(|py| missing.warn(py, &self.name).map_err(|error| error.to_string()));
        warned.unwrap_or(Ok(()))
    }
}

/// The words of an error, for whoever knows no Python's. An interrupt is told to Python once more: it raises it when it is back.
fn remember(py: Python<'_>, error: PyErr) -> String {
    if error.is_instance_of::<PyKeyboardInterrupt>(py) {
        let told = PyModule::import(py, "_thread").and_then(|module| module.call_method0("interrupt_main"));
        return told.map_or_else(|error| error.to_string(), |_| "interrupted".to_owned());
    }
    error.value(py).to_string()
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let words = match self.told() {
            Ok(Told::Batch(batch)) => return Some(Ok(batch)),
            Ok(Told::End(missing)) => self.warn(&missing).err(),
            Ok(Told::Schema(_)) => Some("two schemas".to_owned()),
            Err(words) => Some(words),
        };
        self.has_ended = true;
        words.map(|words| Err(ArrowError::ExternalError(words.into())))
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
