//! Tables that are made row by row.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampNanosecondArray,
};

use crate::Error;
use crate::table::{Table, Type};
use crate::words::Words;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// None.
    Null,
    /// A number, or a time.
    Int(i64),
    /// A number.
    Double(f64),
    /// Whether.
    Bool(bool),
    /// Text.
    Text(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// A number that is the largest of its type, where it does not fit.
    pub fn int(number: u64) -> Self {
        Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    /// A number, where there is one.
    pub fn maybe(number: Option<impl Into<i64>>) -> Self {
        number.map_or(Cell::Null, |number| Cell::Int(number.into()))
    }

    /// An id of 64 bits; 0 is none.
    pub fn id(id: u64) -> Self {
        if id == 0 { Cell::Null } else { Cell::Int(id.cast_signed()) }
    }

    /// Text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Cell::Text(text.into())
    }
}

/// Rows that wait to become a batch.
#[derive(Debug)]
pub struct Rows {
    table: Table,
    columns: Vec<Values>,
    count: usize,
}

#[derive(Debug)]
enum Values {
    Ints(Vec<Option<i64>>),
    Doubles(Vec<Option<f64>>),
    Bools(Vec<Option<bool>>),
    Words(Words),
}

impl Rows {
    /// No row of a table.
    pub fn new(table: Table) -> Self {
        let columns = table.columns().iter().map(|column| match column.data_type {
            Type::Time | Type::Int32 | Type::Int64 => Values::Ints(Vec::new()),
            Type::Double => Values::Doubles(Vec::new()),
            Type::Boolean => Values::Bools(Vec::new()),
            Type::Text => Values::Words(Words::default()),
        });
        Rows { table, columns: columns.collect(), count: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Adds a row: a cell for each column, of its type.
    pub fn push<'a>(&mut self, cells: impl IntoIterator<Item = Cell<'a>>) {
        let mut cells = cells.into_iter();
        for values in &mut self.columns {
            let cell = cells.next();
            match values {
                Values::Ints(list) => list.push(if let Some(Cell::Int(number)) = cell { Some(number) } else { None }),
                Values::Doubles(list) => {
                    list.push(if let Some(Cell::Double(number)) = cell { Some(number) } else { None });
                }
                Values::Bools(list) => list.push(if let Some(Cell::Bool(is)) = cell { Some(is) } else { None }),
                Values::Words(words) => {
                    words.push_text(if let Some(Cell::Text(text)) = &cell { Some(text) } else { None });
                }
            }
        }
        self.count += 1;
    }

    /// Makes a batch of them, and begins anew.
    pub fn take(&mut self) -> Result<RecordBatch, Error> {
        let Rows { table, columns, .. } = std::mem::replace(self, Rows::new(self.table));
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for (column, values) in table.columns().iter().zip(columns) {
            arrays.push(match (values, column.data_type) {
                (Values::Ints(list), Type::Time) => Arc::new(TimestampNanosecondArray::from(list)),
                (Values::Ints(list), Type::Int32) => {
                    let narrow = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
                    Arc::new(list.into_iter().map(|number| number.map(narrow)).collect::<Int32Array>())
                }
                (Values::Ints(list), _) => Arc::new(Int64Array::from(list)),
                (Values::Doubles(list), _) => Arc::new(Float64Array::from(list)),
                (Values::Bools(list), _) => Arc::new(BooleanArray::from(list)),
                (Values::Words(words), _) => words.finish()?,
            });
        }
        Ok(RecordBatch::try_new(table.schema(false), arrays)?)
    }
}
