//! Batches as columns that numpy takes: numbers as bytes, texts as places in a list of texts. They grow batch by batch, while the
//! next one is read.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Schema};
use pyo3::types::{PyByteArray, PyList, PyListMethods};
use pyo3::{Bound, IntoPyObjectExt, Py, PyAny, PyResult, Python};
use tcpprobe_arrow::Texts;

use crate::error::Failure;

/// What pandas takes for a time that is none.
const NOT_A_TIME: i64 = i64::MIN;
/// The place of a text that is null.
const NO_WORD: i32 = -1;

/// A column: its name, what it holds; the values of all rows, `None` where each is null; which of them are null, a byte
/// each, or whether all or none is, or `None` where none can be; and of texts the list that the values are places in.
type Given<'py> =
    (String, &'static str, Option<Bound<'py, PyByteArray>>, Option<Py<PyAny>>, Option<Bound<'py, PyList>>);

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int32,
    Int64,
    Float64,
    Time,
    Bool,
    Text,
}

impl Kind {
    fn of(data_type: &DataType) -> Result<Self, Failure> {
        Ok(match data_type {
            DataType::Int32 => Kind::Int32,
            DataType::Int64 => Kind::Int64,
            DataType::Float64 => Kind::Float64,
            DataType::Timestamp(..) => Kind::Time,
            DataType::Boolean => Kind::Bool,
            DataType::Dictionary(..) => Kind::Text,
            other => return Err(Failure::Defect(format!("a column of {other}"))),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Int32 => "int32",
            Kind::Int64 => "int64",
            Kind::Float64 => "float64",
            Kind::Time => "time",
            Kind::Bool => "bool",
            Kind::Text => "text",
        }
    }

    fn width(self) -> usize {
        match self {
            Kind::Bool => 1,
            Kind::Int32 | Kind::Text => 4,
            Kind::Int64 | Kind::Float64 | Kind::Time => 8,
        }
    }
}

/// Which of the rows are null.
#[derive(Debug)]
enum Nulls {
    /// None can be.
    Never,
    /// So far all, or none.
    All(bool),
    /// A byte each.
    Some(Vec<u8>),
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
    /// Empty as long as all rows are null.
    values: Vec<u8>,
    nulls: Nulls,
    words: Texts,
}

/// The columns of a table.
#[derive(Debug)]
pub struct Columns {
    rows: usize,
    list: Vec<Column>,
}

impl Columns {
    /// Without a row.
    pub fn new(schema: &Schema) -> Result<Self, Failure> {
        let column = |field: &arrow_schema::FieldRef| {
            let kind = Kind::of(field.data_type())?;
            let has_nulls = field.is_nullable() && !matches!(kind, Kind::Time | Kind::Text);
            let nulls = if has_nulls { Nulls::All(true) } else { Nulls::Never };
            Ok(Column { name: field.name().clone(), kind, values: Vec::new(), nulls, words: Texts::default() })
        };
        Ok(Columns { rows: 0, list: schema.fields().iter().map(column).collect::<Result<_, Failure>>()? })
    }

    /// Adds rows.
    pub fn push(&mut self, batch: &RecordBatch) {
        self.list.iter_mut().zip(batch.columns()).for_each(|(column, array)| column.push(self.rows, array));
        self.rows += batch.num_rows();
    }

    /// How many rows there are, and the columns, for Python.
    pub fn give(self, py: Python<'_>) -> PyResult<(usize, Bound<'_, PyList>)> {
        let list = PyList::empty(py);
        // Each is let go of when Python has it.
        for Column { name, kind, values, nulls, words } in self.list {
            let values = (!values.is_empty() || self.rows == 0).then(|| PyByteArray::new(py, &values));
            let nulls = match nulls {
                Nulls::Never => None,
                Nulls::All(are) => Some((are && self.rows > 0).into_py_any(py)?),
                Nulls::Some(which) => Some(PyByteArray::new(py, &which).into_py_any(py)?),
            };
            let words = (kind == Kind::Text).then(|| PyList::new(py, words.iter()));
            let words = words.transpose()?;
            let given: Given<'_> = (name, kind.name(), values, nulls, words);
            list.append(given)?;
        }
        Ok((self.rows, list))
    }
}

impl Column {
    /// Adds the values of an array, behind those of so many rows.
    fn push(&mut self, rows: usize, array: &ArrayRef) {
        let (count, null_count, width) = (array.len(), array.null_count(), self.kind.width());
        self.push_nulls(rows, array);
        if count == null_count && self.values.is_empty() {
            return;
        }
        if self.values.len() < rows * width {
            // All before are null.
            self.fill(rows);
        }
        let from = self.values.len();
        match self.kind {
            Kind::Int32 => self.values.extend_from_slice(array.as_primitive::<Int32Type>().values().inner()),
            Kind::Int64 => self.values.extend_from_slice(array.as_primitive::<Int64Type>().values().inner()),
            Kind::Float64 => self.values.extend_from_slice(array.as_primitive::<Float64Type>().values().inner()),
            Kind::Bool => self.values.extend(array.as_boolean().values().iter().map(u8::from)),
            Kind::Time => {
                let times = array.as_primitive::<TimestampNanosecondType>();
                self.values.extend_from_slice(times.values().inner());
                if let Some(nulls) = times.nulls().filter(|_| null_count > 0) {
                    let slots = self.values[from..].chunks_exact_mut(width);
                    for (slot, _) in slots.zip(nulls.iter()).filter(|(_, is_valid)| !is_valid) {
                        slot.copy_from_slice(&NOT_A_TIME.to_ne_bytes());
                    }
                }
            }
            Kind::Text => {
                let texts = array.as_dictionary::<Int32Type>();
                let list: &StringArray = texts.values().as_string();
                let moved: Vec<i32> = (0..list.len()).map(|at| self.words.place(list.value(at))).collect();
                self.values.resize(from + count * width, 0);
                let slots = self.values[from..].chunks_exact_mut(width);
                for (slot, key) in slots.zip(texts.keys().iter()) {
                    let place = key.and_then(|key| moved.get(key as usize)).copied().unwrap_or(NO_WORD);
                    slot.copy_from_slice(&place.to_ne_bytes());
                }
            }
        }
    }

    /// Values for so many rows that are all null.
    fn fill(&mut self, rows: usize) {
        match self.kind {
            Kind::Time => self.values = NOT_A_TIME.to_ne_bytes().repeat(rows),
            Kind::Text => self.values = NO_WORD.to_ne_bytes().repeat(rows),
            kind => self.values.resize(rows * kind.width(), 0),
        }
    }

    fn push_nulls(&mut self, rows: usize, array: &ArrayRef) {
        let (count, null_count) = (array.len(), array.null_count());
        let are_all = count == null_count;
        match &mut self.nulls {
            Nulls::Never => return,
            Nulls::All(are) if rows == 0 && (are_all || null_count == 0) => {
                *are = are_all;
                return;
            }
            Nulls::All(are) if if *are { are_all } else { null_count == 0 } => return,
            Nulls::All(are) => self.nulls = Nulls::Some(vec![u8::from(*are); rows]),
            Nulls::Some(_) => {}
        }
        let Nulls::Some(which) = &mut self.nulls else { return };
        match array.nulls().filter(|_| null_count > 0) {
            Some(nulls) => which.extend(nulls.iter().map(|is_valid| u8::from(!is_valid))),
            None => which.resize(rows + count, 0),
        }
    }
}
