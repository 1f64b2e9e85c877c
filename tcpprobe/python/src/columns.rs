//! Batches as columns that numpy takes: numbers as bytes, texts as places in a list of texts.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, RecordBatch, StringArray};
use arrow_schema::{DataType, Schema};
use foldhash::fast::RandomState;
use pyo3::types::{PyByteArray, PyList, PyListMethods};
use pyo3::{Bound, PyResult, Python};

use crate::error::Failure;

/// What pandas takes for a time that is none.
const NOT_A_TIME: i64 = i64::MIN;
/// The place of a text that is null.
const NO_WORD: i32 = -1;

/// A column: its name, what it holds, the values of all rows, which of them are null (a byte each; `None` where none can be),
/// and of texts the list that the values are places in.
type Column<'py> =
    (String, &'static str, Bound<'py, PyByteArray>, Option<Bound<'py, PyByteArray>>, Option<Bound<'py, PyList>>);

/// The columns of all batches together.
pub fn columns<'py>(py: Python<'py>, schema: &Schema, batches: Vec<RecordBatch>) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    let mut arrays: Vec<Vec<ArrayRef>> = schema.fields().iter().map(|_| Vec::with_capacity(batches.len())).collect();
    for batch in batches {
        arrays.iter_mut().zip(batch.columns()).for_each(|(all, array)| all.push(array.clone()));
    }
    // Each column is let go of when Python has it.
    for (field, arrays) in schema.fields().iter().zip(arrays) {
        let is_nullable = field.is_nullable();
        let mut words = None;
        let (kind, values) = match field.data_type() {
            DataType::Int32 => ("int32", numbers::<Int32Type>(py, &arrays)?),
            DataType::Int64 => ("int64", numbers::<Int64Type>(py, &arrays)?),
            DataType::Float64 => ("float64", numbers::<Float64Type>(py, &arrays)?),
            DataType::Timestamp(..) => ("time", times(py, &arrays)?),
            DataType::Boolean => ("bool", booleans(py, &arrays)?),
            DataType::Dictionary(..) => {
                let (values, list) = texts(py, &arrays)?;
                words = Some(list);
                ("text", values)
            }
            other => return Err(Failure::Defect(format!("a column of {other}")).into()),
        };
        let has_mask = is_nullable && !matches!(kind, "time" | "text");
        let nulls = if has_mask { Some(nulls(py, &arrays)?) } else { None };
        let column: Column<'_> = (field.name().clone(), kind, values, nulls, words);
        list.append(column)?;
    }
    Ok(list)
}

fn rows(arrays: &[ArrayRef]) -> usize {
    arrays.iter().map(|array| array.len()).sum()
}

/// Bytes of so many for each row, made array by array.
fn bytes<'py>(
    py: Python<'py>,
    arrays: &[ArrayRef],
    width: usize,
    fill: impl Fn(&ArrayRef, &mut [u8]),
) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, rows(arrays) * width, |mut out| {
        for array in arrays {
            let (own, rest) = out.split_at_mut(array.len() * width);
            fill(array, own);
            out = rest;
        }
        Ok(())
    })
}

fn numbers<'py, T: ArrowPrimitiveType>(py: Python<'py>, arrays: &[ArrayRef]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes(py, arrays, size_of::<T::Native>(), |array, out| {
        out.copy_from_slice(array.as_primitive::<T>().values().inner().as_slice());
    })
}

fn times<'py>(py: Python<'py>, arrays: &[ArrayRef]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes(py, arrays, size_of::<i64>(), |array, out| {
        let times = array.as_primitive::<TimestampNanosecondType>();
        out.copy_from_slice(times.values().inner().as_slice());
        if let Some(nulls) = times.nulls().filter(|nulls| nulls.null_count() > 0) {
            let slots = out.chunks_exact_mut(size_of::<i64>());
            for (slot, _) in slots.zip(nulls.iter()).filter(|(_, is_valid)| !is_valid) {
                slot.copy_from_slice(&NOT_A_TIME.to_ne_bytes());
            }
        }
    })
}

fn booleans<'py>(py: Python<'py>, arrays: &[ArrayRef]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes(py, arrays, 1, |array, out| {
        out.iter_mut().zip(array.as_boolean().values()).for_each(|(slot, is)| *slot = u8::from(is));
    })
}

fn nulls<'py>(py: Python<'py>, arrays: &[ArrayRef]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes(py, arrays, 1, |array, out| {
        let Some(nulls) = array.nulls() else { return };
        match nulls.null_count() {
            // They are 0 already.
            0 => {}
            all if all == out.len() => out.fill(1),
            _ => out.iter_mut().zip(nulls.iter()).for_each(|(slot, is_valid)| *slot = u8::from(!is_valid)),
        }
    })
}

/// The texts of all dictionaries, each once, and the places of the rows in that list.
fn texts<'py>(py: Python<'py>, arrays: &[ArrayRef]) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyList>)> {
    let mut list: Vec<&str> = Vec::new();
    let mut places: HashMap<&str, i32, RandomState> = HashMap::default();
    // Of each array, where its texts are in the list.
    let mut moved: Vec<Vec<i32>> = Vec::with_capacity(arrays.len());
    for array in arrays {
        let texts: &StringArray = array.as_dictionary::<Int32Type>().values().as_string();
        let place = |text| {
            *places.entry(text).or_insert_with(|| {
                list.push(text);
                list.len() as i32 - 1
            })
        };
        moved.push((0..texts.len()).map(|at| texts.value(at)).map(place).collect());
    }
    let mut turn = moved.iter();
    let width = size_of::<i32>();
    let codes = PyByteArray::new_with(py, rows(arrays) * width, |mut out| {
        for array in arrays {
            let moved = turn.next().map_or(&[][..], Vec::as_slice);
            let (own, rest) = out.split_at_mut(array.len() * width);
            let keys = array.as_dictionary::<Int32Type>().keys();
            for (slot, key) in own.chunks_exact_mut(width).zip(keys.iter()) {
                let place = key.and_then(|key| moved.get(key as usize)).copied().unwrap_or(NO_WORD);
                slot.copy_from_slice(&place.to_ne_bytes());
            }
            out = rest;
        }
        Ok(())
    })?;
    Ok((codes, PyList::new(py, list)?))
}
