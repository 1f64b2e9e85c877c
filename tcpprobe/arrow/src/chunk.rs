//! A column of a row group, as it stands in the file: a dictionary, and pages.
//!
//! The pages are made here, for the `parquet` crate takes texts and numbers one by one: that was most of what a file cost. All else of the file
//! (headers, footer, statistics' form) is that crate's.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer};
use arrow_schema::DataType;
use bytes::Bytes;
use foldhash::fast::RandomState;
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
use crate::parquet::Compression;
use crate::words::Texts;
use crate::{delta, hybrid};

/// Rows from which on a page ends.
const PAGE_ROWS: usize = 1 << 15;
/// Bytes of texts from which on a dictionary takes no more: what is new is in the pages.
const DICTIONARY_BYTES: usize = 1 << 20;
/// A dictionary of numbers takes no more than these.
const IDS_MAX: usize = 1 << 14;
/// So many numbers tell whether they repeat.
const TRIAL: usize = 1 << 10;
/// Texts that are longer are no least or greatest ones: readers keep those in memory.
const RANGE_BYTES: usize = 64;

/// What waits to become a page, without the rows that are null.
enum Values {
    Numbers { narrow: bool, waiting: Vec<i64>, range: Option<(i64, i64)> },
    Ids { waiting: Vec<i64>, ids: Ids, range: Option<(i64, i64)> },
    Doubles { waiting: Vec<f64>, range: Option<(f64, f64)> },
    Booleans(BooleanBufferBuilder),
    Texts(Words),
}

/// Numbers far from each other, of which there are few.
#[derive(Default)]
struct Ids {
    places: HashMap<i64, u32, RandomState>,
    list: Vec<i64>,
    /// There are many: they are in the pages.
    is_closed: bool,
}

impl Ids {
    fn place(&mut self, id: i64) -> u32 {
        let next = self.list.len() as u32;
        let place = *self.places.entry(id).or_insert(next);
        if place == next {
            self.list.push(id);
        }
        place
    }

    /// Whether most of them are new each time.
    fn are_many(&self, ids: &[i64]) -> bool {
        let trial = &ids[..ids.len().min(TRIAL)];
        let mut seen: HashMap<i64, (), RandomState> = HashMap::default();
        let new = trial.iter().filter(|id| !self.places.contains_key(id) && seen.insert(**id, ()).is_none());
        self.list.len() >= IDS_MAX || trial.len() == TRIAL && new.count() > TRIAL / 2
    }
}

/// Texts of a column.
#[derive(Default)]
struct Words {
    dictionary: Texts,
    bytes: usize,
    is_closed: bool,
    /// Of the page, where the dictionary is closed.
    page: Texts,
    /// Places in the one or the other.
    waiting: Vec<u32>,
    /// The least and the greatest; none where one is too long.
    range: Option<(Box<str>, Box<str>)>,
    has_long: bool,
}

impl Words {
    fn push(&mut self, places: &[Option<u32>], keys: impl Iterator<Item = usize>) {
        self.waiting.extend(keys.filter_map(|key| places.get(key).copied().flatten()));
    }

    /// Where the texts of a batch are, as far as it uses them.
    fn places(&mut self, texts: &StringArray, used: &[bool]) -> Vec<Option<u32>> {
        let place = |at: usize| {
            used[at].then(|| {
                let text = texts.value(at);
                let known = if self.is_closed { &mut self.page } else { &mut self.dictionary };
                let before = known.iter().len();
                let place = known.place(text).cast_unsigned();
                if known.iter().len() > before {
                    self.bytes += text.len() + 4;
                    widen(&mut self.range, &mut self.has_long, text);
                }
                place
            })
        };
        (0..texts.len()).map(place).collect()
    }
}

fn widen(range: &mut Option<(Box<str>, Box<str>)>, has_long: &mut bool, text: &str) {
    *has_long |= text.len() > RANGE_BYTES;
    match range {
        _ if *has_long => *range = None,
        None => *range = Some((text.into(), text.into())),
        Some((least, _)) if text < &**least => *least = text.into(),
        Some((_, greatest)) if text > &**greatest => *greatest = text.into(),
        Some(_) => {}
    }
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
            DataType::Int64 if are_ids => Values::Ids { waiting: Vec::new(), ids: Ids::default(), range: None },
            DataType::Int64 | DataType::Timestamp(..) => {
                Values::Numbers { narrow: false, waiting: Vec::new(), range: None }
            }
            DataType::Int32 => Values::Numbers { narrow: true, waiting: Vec::new(), range: None },
            DataType::Float64 => Values::Doubles { waiting: Vec::new(), range: None },
            DataType::Boolean => Values::Booleans(BooleanBufferBuilder::new(0)),
            DataType::Dictionary(..) => Values::Texts(Words::default()),
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
                let (keys, list): (&[i32], &StringArray) = (texts.keys().values(), texts.values().as_string());
                let mut used = vec![false; list.len()];
                let mut use_key = |key: i32| {
                    if let Some(used) = usize::try_from(key).ok().and_then(|key| used.get_mut(key)) {
                        *used = true;
                    }
                };
                match nulls {
                    None => keys.iter().for_each(|&key| use_key(key)),
                    Some(nulls) => nulls.valid_indices().for_each(|at| use_key(keys[at])),
                }
                let places = words.places(list, &used);
                match nulls {
                    None => words.push(&places, keys.iter().map(|&key| key as usize)),
                    Some(nulls) => words.push(&places, nulls.valid_indices().map(|at| keys[at] as usize)),
                }
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
                ids.is_closed |= ids.are_many(waiting);
                let encoding = if ids.is_closed {
                    waiting.iter().for_each(|id| page.extend_from_slice(&id.to_le_bytes()));
                    Encoding::PLAIN
                } else {
                    let places: Vec<u32> = waiting.iter().map(|&id| ids.place(id)).collect();
                    put_places(&places, ids.list.len(), &mut page);
                    Encoding::RLE_DICTIONARY
                };
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
            Values::Texts(words) => {
                let encoding = if words.is_closed {
                    let list: Vec<&str> = words.page.iter().collect();
                    for &place in &words.waiting {
                        let text = list[place as usize].as_bytes();
                        page.extend_from_slice(&(text.len() as u32).to_le_bytes());
                        page.extend_from_slice(text);
                    }
                    words.page = Texts::default();
                    Encoding::PLAIN
                } else {
                    put_places(&words.waiting, words.dictionary.iter().len(), &mut page);
                    Encoding::RLE_DICTIONARY
                };
                words.waiting.clear();
                words.is_closed |= words.bytes > DICTIONARY_BYTES;
                encoding
            }
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
        let (mut dictionary, mut count) = (Vec::new(), 0);
        match &self.values {
            Values::Ids { ids, .. } => {
                ids.list.iter().for_each(|id| dictionary.extend_from_slice(&id.to_le_bytes()));
                count = ids.list.len();
            }
            Values::Texts(words) => {
                for text in words.dictionary.iter() {
                    dictionary.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    dictionary.extend_from_slice(text.as_bytes());
                }
                count = words.dictionary.iter().len();
            }
            _ => {}
        }
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
                let bytes = |text: &str| ByteArray::from(text);
                let least = words.range.as_ref().map(|(least, _)| bytes(least));
                let greatest = words.range.as_ref().map(|(_, greatest)| bytes(greatest));
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

/// Places in a dictionary of so many values, after the width of each.
fn put_places(places: &[u32], count: usize, page: &mut Vec<u8>) {
    let width = (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1);
    page.push(width as u8);
    hybrid::encode(places, width, page);
}
