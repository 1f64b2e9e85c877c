//! A column of a row group, as it stands in the file: a dictionary, and pages.
//!
//! The pages are made here, for the `parquet` crate takes texts and numbers one by one: that was most of what a file cost. All else of the file
//! (headers, footer, statistics' form) is that crate's.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::Error;
use crate::dictionary::{IdDictionary, TextDictionary};
use crate::parquet::Compression;
use crate::{delta, hybrid};

/// Rows from which on a page ends.
const PAGE_ROWS: usize = 1 << 15;
/// What waits to become a page, without the rows that are null.
enum Values {
    Numbers { narrow: bool, waiting: Vec<i64>, range: Option<(i64, i64)> },
    Ids { waiting: Vec<i64>, ids: IdDictionary, range: Option<(i64, i64)> },
    Doubles { waiting: Vec<f64>, range: Option<(f64, f64)> },
    Booleans(BooleanBufferBuilder),
    Texts(TextDictionary),
}

/// A column that grows.
pub struct Chunk {
    about: ColumnDescPtr,
    compression: Compression,
    values: Values,
    /// Which rows of the page have a value; of columns that all have one, nothing.
    valid: Option<BooleanBufferBuilder>,
    /// Rows and nulls of the page that waits, and of the pages that are done.
    rows: usize,
    nulls: usize,
    all_rows: usize,
    all_nulls: usize,
    pages: TrackedWrite<Vec<u8>>,
    uncompressed: usize,
    encodings: Vec<Encoding>,
}

impl Chunk {
    /// A column of this type; `are_ids` says that its numbers are far from each other.
    pub fn new(
        about: ColumnDescPtr,
        data_type: &DataType,
        are_ids: bool,
        compression: Compression,
    ) -> Result<Self, Error> {
        let values = match data_type {
            DataType::Int64 if are_ids => {
                Values::Ids { waiting: Vec::new(), ids: IdDictionary::default(), range: None }
            }
            DataType::Int64 | DataType::Timestamp(..) => {
                Values::Numbers { narrow: false, waiting: Vec::new(), range: None }
            }
            DataType::Int32 => Values::Numbers { narrow: true, waiting: Vec::new(), range: None },
            DataType::Float64 => Values::Doubles { waiting: Vec::new(), range: None },
            DataType::Boolean => Values::Booleans(BooleanBufferBuilder::new(0)),
            DataType::Dictionary(..) => Values::Texts(TextDictionary::default()),
            other => return Err(ParquetError::NYI(format!("a column of {other}")).into()),
        };
        let valid = (about.max_def_level() > 0).then(|| BooleanBufferBuilder::new(0));
        let pages = TrackedWrite::new(Vec::new());
        let (rows, nulls, all_rows, all_nulls, uncompressed) = (0, 0, 0, 0, 0);
        let encodings = vec![Encoding::RLE];
        Ok(Chunk {
            about,
            compression,
            values,
            valid,
            rows,
            nulls,
            all_rows,
            all_nulls,
            pages,
            uncompressed,
            encodings,
        })
    }

    /// Adds the rows of an array of its type.
    pub fn push(&mut self, array: &ArrayRef) -> Result<(), Error> {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        if let Some(valid) = &mut self.valid {
            match nulls {
                Some(nulls) => valid.append_buffer(nulls.inner()),
                None => valid.append_n(array.len(), true),
            }
        }
        self.rows += array.len();
        self.nulls += array.null_count();
        if array.null_count() < array.len() {
            self.push_values(array, nulls);
        }
        if self.rows >= PAGE_ROWS { self.end_page() } else { Ok(()) }
    }

    fn push_values(&mut self, array: &ArrayRef, nulls: Option<&NullBuffer>) {
        match &mut self.values {
            Values::Numbers { waiting, .. } | Values::Ids { waiting, .. } => match array.data_type() {
                DataType::Int32 => {
                    extend(waiting, array.as_primitive::<Int32Type>().values(), nulls, |value| i64::from(*value));
                }
                DataType::Int64 => extend(waiting, array.as_primitive::<Int64Type>().values(), nulls, |value| *value),
                _ => extend(waiting, array.as_primitive::<TimestampNanosecondType>().values(), nulls, |value| *value),
            },
            Values::Doubles { waiting, .. } => {
                extend(waiting, array.as_primitive::<Float64Type>().values(), nulls, |value| *value);
            }
            Values::Booleans(waiting) => {
                let values = array.as_boolean().values();
                match nulls {
                    None => waiting.append_buffer(values),
                    Some(nulls) => nulls.valid_indices().for_each(|at| waiting.append(values.value(at))),
                }
            }
            Values::Texts(words) => {
                let texts = array.as_dictionary::<Int32Type>();
                words.push(texts.values().as_string(), texts.keys().values(), nulls);
            }
        }
    }

    /// Makes a page of the rows that wait.
    fn end_page(&mut self) -> Result<(), Error> {
        let mut page = Vec::new();
        if let Some(valid) = &mut self.valid {
            let valid: BooleanBuffer = valid.finish();
            hybrid::levels(&valid, self.nulls, &mut page);
        }
        let encoding = match &mut self.values {
            // All rows are null.
            _ if self.rows == self.nulls => Encoding::PLAIN,
            Values::Numbers { narrow, waiting, range } => {
                widen_by(range, waiting, Ord::min, Ord::max);
                if *narrow {
                    delta::encode::<true>(waiting, &mut page)
                } else {
                    delta::encode::<false>(waiting, &mut page)
                }
                waiting.clear();
                Encoding::DELTA_BINARY_PACKED
            }
            Values::Ids { waiting, ids, range } => {
                widen_by(range, waiting, Ord::min, Ord::max);
                let encoding = ids.encode(waiting, &mut page);
                waiting.clear();
                encoding
            }
            Values::Doubles { waiting, range } => {
                let is_number = |value: &&f64| !value.is_nan();
                let numbers: Vec<f64> = waiting.iter().filter(is_number).copied().collect();
                widen_by(range, &numbers, f64::min, f64::max);
                waiting.drain(..).for_each(|value| page.extend_from_slice(&value.to_le_bytes()));
                Encoding::PLAIN
            }
            Values::Booleans(waiting) => {
                page.extend_from_slice(waiting.finish().sliced().as_slice());
                Encoding::PLAIN
            }
            Values::Texts(words) => words.encode(&mut page),
        };
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        let (length, buf) = (page.len(), self.compression.pack(page)?);
        let data = Page::DataPage {
            buf,
            num_values: self.rows as u32,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let put = SerializedPageWriter::new(&mut self.pages).write_page(CompressedPage::new(data, length))?;
        self.uncompressed += put.uncompressed_size;
        self.all_rows += std::mem::take(&mut self.rows);
        self.all_nulls += std::mem::take(&mut self.nulls);
        Ok(())
    }

    /// Ends it: its bytes, and what the file is to know of it.
    pub fn finish(mut self) -> Result<(Bytes, ColumnCloseResult), Error> {
        if self.rows > 0 {
            self.end_page()?;
        }
        let mut bytes = TrackedWrite::new(Vec::new());
        let (dictionary, count) = match &self.values {
            Values::Ids { ids, .. } => ids.page(),
            Values::Texts(words) => words.page(),
            _ => (Vec::new(), 0),
        };
        let has_dictionary = self.encodings.contains(&Encoding::RLE_DICTIONARY);
        if has_dictionary {
            let length = dictionary.len();
            let buf = self.compression.pack(dictionary)?;
            let page =
                Page::DictionaryPage { buf, num_values: count as u32, encoding: Encoding::PLAIN, is_sorted: false };
            let put = SerializedPageWriter::new(&mut bytes).write_page(CompressedPage::new(page, length))?;
            self.uncompressed += put.uncompressed_size;
            if !self.encodings.contains(&Encoding::PLAIN) {
                self.encodings.push(Encoding::PLAIN);
            }
        }
        let statistics = self.statistics();
        let mut bytes = bytes.into_inner()?;
        let dictionary_bytes = bytes.len() as i64;
        bytes.append(&mut self.pages.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(self.about)
            .set_compression(self.compression.codec())
            .set_encodings(self.encodings)
            .set_num_values(self.all_rows as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_data_page_offset(dictionary_bytes)
            .set_statistics(statistics)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.all_rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((bytes.into(), close))
    }

    /// The least and the greatest value, and how many are null.
    fn statistics(&self) -> Statistics {
        let nulls = Some(self.all_nulls as u64);
        let ends = |range: &Option<(i64, i64)>| (range.map(|(least, _)| least), range.map(|(_, greatest)| greatest));
        match &self.values {
            Values::Numbers { narrow: true, range, .. } => {
                let (least, greatest) = ends(range);
                Statistics::int32(
                    least.map(|value| value as i32),
                    greatest.map(|value| value as i32),
                    None,
                    nulls,
                    false,
                )
            }
            Values::Numbers { range, .. } | Values::Ids { range, .. } => {
                let (least, greatest) = ends(range);
                Statistics::int64(least, greatest, None, nulls, false)
            }
            Values::Doubles { range, .. } => {
                // −0 is below 0 in no comparison, and before it in their order (Parquet's Thrift, "TypeDefinedOrder").
                let least = range.map(|(least, _)| if least == 0.0 { -0.0 } else { least });
                let greatest = range.map(|(_, greatest)| if greatest == 0.0 { 0.0 } else { greatest });
                Statistics::double(least, greatest, None, nulls, false)
            }
            Values::Booleans(_) => Statistics::boolean(None, None, None, nulls, false),
            Values::Texts(words) => {
                let (least, greatest) = words.range().unzip();
                let (least, greatest) = (least.map(ByteArray::from), greatest.map(ByteArray::from));
                Statistics::byte_array(least, greatest, None, nulls, false)
            }
        }
    }
}

/// Adds the values that are not null.
fn extend<T, U>(waiting: &mut Vec<U>, values: &[T], nulls: Option<&NullBuffer>, of: impl Fn(&T) -> U) {
    match nulls {
        None => waiting.extend(values.iter().map(of)),
        Some(nulls) => {
            waiting.reserve(values.len() - nulls.null_count());
            for (from, to) in nulls.valid_slices() {
                waiting.extend(values[from..to].iter().map(&of));
            }
        }
    }
}

fn widen_by<T: Copy>(range: &mut Option<(T, T)>, values: &[T], min: impl Fn(T, T) -> T, max: impl Fn(T, T) -> T) {
    let Some(&first) = values.first() else { return };
    let (least, greatest) = range.unwrap_or((first, first));
    let both =
        values.iter().fold((least, greatest), |(least, greatest), &value| (min(least, value), max(greatest, value)));
    *range = Some(both);
}
