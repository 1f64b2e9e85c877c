//! Columns of any values come back as they were, by the reader of the `parquet` crate.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use proptest::collection::vec;
use proptest::option::of as some;
use proptest::prelude::*;
use tcpprobe_arrow::{Compression, Metadata, Parquet};

/// A row of a column of each kind.
#[derive(Debug, Clone)]
struct Row {
    time: Option<i64>,
    narrow: Option<i32>,
    wide: Option<i64>,
    id: Option<i64>,
    double: Option<f64>,
    bool: Option<bool>,
    text: Option<String>,
    /// Of columns that have a value in each row.
    always: i64,
    word: String,
}

fn schema() -> SchemaRef {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let fields = [
        ("time", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        ("narrow", DataType::Int32, true),
        ("wide", DataType::Int64, true),
        ("skaddr", DataType::Int64, true),
        ("double", DataType::Float64, true),
        ("bool", DataType::Boolean, true),
        ("text", text.clone(), true),
        ("always", DataType::Int64, false),
        ("word", text, false),
    ];
    Arc::new(Schema::new(fields.map(|(name, kind, null)| Field::new(name, kind, null)).to_vec()))
}

fn texts<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(rows.collect::<DictionaryArray<arrow_array::types::Int32Type>>())
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.time).collect::<TimestampNanosecondArray>()),
        Arc::new(rows.iter().map(|row| row.narrow).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|row| row.wide).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.id).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.double).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.bool).collect::<BooleanArray>()),
        texts(rows.iter().map(|row| row.text.as_deref())),
        Arc::new(rows.iter().map(|row| Some(row.always)).collect::<Int64Array>()),
        texts(rows.iter().map(|row| Some(row.word.as_str()))),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn written(batches: impl IntoIterator<Item = RecordBatch>, compression: Compression) -> bytes::Bytes {
    let mut parquet = Parquet::new(Vec::new(), schema(), compression).unwrap();
    batches.into_iter().for_each(|batch| parquet.write(&batch).unwrap());
    parquet.finish(&Metadata::default()).unwrap().into()
}

fn column<T: Array + Clone + 'static>(batches: &[RecordBatch], at: usize) -> Vec<T> {
    batches.iter().map(|batch| batch.column(at).as_any().downcast_ref::<T>().unwrap().clone()).collect()
}

/// Reads them back and compares each column, value by value.
fn check(rows: &[Row], file: &bytes::Bytes) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap().with_batch_size(1000).build().unwrap();
    let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    macro_rules! same {
        ($array:ty, $at:expr, $of:expr) => {
            let values: Vec<_> = column::<$array>(&read, $at)
                .iter()
                .flat_map(|array| array.iter().map(|value| value.map(|value| value.to_owned())).collect::<Vec<_>>())
                .collect();
            let expected: Vec<_> = rows.iter().map($of).collect();
            assert!(values == expected, "column {}: {values:?} of {expected:?}", $at);
        };
    }
    same!(TimestampNanosecondArray, 0, |row: &Row| row.time);
    same!(Int32Array, 1, |row: &Row| row.narrow);
    same!(Int64Array, 2, |row: &Row| row.wide);
    same!(Int64Array, 3, |row: &Row| row.id);
    same!(Float64Array, 4, |row: &Row| row.double);
    same!(BooleanArray, 5, |row: &Row| row.bool);
    same!(StringArray, 6, |row: &Row| row.text.clone());
    same!(Int64Array, 7, |row: &Row| Some(row.always));
    same!(StringArray, 8, |row: &Row| Some(row.word.clone()));
    ranges(rows, file);
}

/// What the footer says is least, greatest and null in a row group holds of all its rows.
fn ranges(rows: &[Row], file: &bytes::Bytes) {
    let reader = SerializedFileReader::new(file.clone()).unwrap();
    let mut from = 0;
    for group in reader.metadata().row_groups() {
        let rows = &rows[from..from + group.num_rows() as usize];
        from += rows.len();
        let statistics = |at: usize| group.column(at).statistics().unwrap();
        let Statistics::Int64(wide) = statistics(2) else { panic!("{:?}", statistics(2)) };
        assert_eq!(wide.min_opt(), rows.iter().filter_map(|row| row.wide.as_ref()).min());
        assert_eq!(wide.max_opt(), rows.iter().filter_map(|row| row.wide.as_ref()).max());
        assert_eq!(wide.null_count_opt(), Some(rows.iter().filter(|row| row.wide.is_none()).count() as u64));
        let Statistics::ByteArray(text) = statistics(6) else { panic!("{:?}", statistics(6)) };
        let texts = || rows.iter().filter_map(|row| row.text.as_deref());
        if texts().all(|text| text.len() <= 64) {
            assert_eq!(text.min_opt().map(|text| text.as_utf8().unwrap()), texts().min());
            assert_eq!(text.max_opt().map(|text| text.as_utf8().unwrap()), texts().max());
        } else {
            assert_eq!((text.min_opt(), text.max_opt()), (None, None));
        }
    }
    assert_eq!(from, rows.len());
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 0..100_i64, 2 => -5_000_000..5_000_000_i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn row() -> impl Strategy<Value = Row> {
    let texts = prop_oneof![8 => "[a-d]{0,3}", 1 => ".{0,10}", 1 => "x{60,70}"];
    let numbers = (some(number()), some(any::<i32>()), some(number()), some(number()), some(-10.0..10.0_f64));
    (numbers, some(any::<bool>()), some(texts), number(), "[ab]").prop_map(
        |((time, narrow, wide, id, double), bool, text, always, word)| Row {
            time,
            narrow,
            wide,
            id,
            double,
            bool,
            text,
            always,
            word,
        },
    )
}

/// Rows of which many follow each other unchanged, or differ by the same.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let part = (row(), 1..200_usize, any::<bool>()).prop_map(|(row, count, counts)| {
        let next = |at: usize| {
            let step = if counts { at as i64 } else { 0 };
            Row {
                wide: row.wide.map(|wide| wide.wrapping_add(step)),
                always: row.always.wrapping_add(step),
                ..row.clone()
            }
        };
        (0..count).map(next).collect::<Vec<Row>>()
    });
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_come_back(rows in rows(), cuts in vec(1..500_usize, 1..5), pick in 0..3_usize) {
        let compression = [Compression::Snappy, Compression::Gzip, Compression::None][pick];
        let (mut batches, mut rest, mut cuts) = (Vec::new(), &rows[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            batches.push(batch(now));
            rest = later;
        }
        check(&rows, &written(batches, compression));
    }
}

fn plain(at: usize) -> Row {
    let number = at as i64;
    Row {
        time: Some(number * 1000),
        narrow: (!at.is_multiple_of(3)).then_some(at as i32),
        wide: Some(number),
        id: Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64)),
        double: Some(number as f64),
        bool: Some(at.is_multiple_of(7)),
        text: Some(format!("{at:032}")),
        always: -number,
        word: format!("word {}", at % 3),
    }
}

/// Texts and ids of which each is another leave the dictionary, and pages and row groups end within.
#[test]
fn many_that_differ() {
    let rows: Vec<Row> = (0..400_000).map(plain).collect();
    let file = written(rows.chunks(50_000).map(batch), Compression::Snappy);
    check(&rows, &file);
    let reader = SerializedFileReader::new(file).unwrap();
    assert!(reader.metadata().num_row_groups() > 1);
    let dictionary = |at: usize| {
        let column = reader.metadata().row_group(0).column(at);
        column.data_page_offset() - column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset())
    };
    assert!(dictionary(6) < 4 << 20, "{}", dictionary(6));
    assert_eq!(dictionary(3), 0, "ids that never repeat have none");
    assert!(dictionary(8) > 0);
}

/// A part of an array, whose bits begin within a byte, is what it says.
#[test]
fn parts_of_batches() {
    let rows: Vec<Row> = (0..5000).map(plain).collect();
    let whole = batch(&rows);
    let file = written([whole.slice(3, 1000), whole.slice(1003, 3990)], Compression::None);
    check(&rows[3..4993], &file);
}

#[test]
fn no_rows() {
    let file = written([], Compression::Snappy);
    check(&[], &file);
}
