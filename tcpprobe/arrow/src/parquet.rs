//! A Parquet file of a table.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriter, ArrowWriterOptions, compute_leaves,
};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::basic::{Encoding, GzipLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::Error;
use crate::metadata::Metadata;

/// Rows of a row group: what is kept in memory until it is written, and what a reader reads at least.
const GROUP_ROWS: usize = 1 << 18;
/// Batches of fewer rows are encoded by one thread.
const ROWS_ALONE: usize = 1 << 12;
/// Threads that encode, at most.
const THREADS_MAX: usize = 8;
/// Columns with few values that are far from each other.
const IDS: [&str; 4] = ["sock_cookie", "skbaddr", "skaddr", "req"];

/// How pages are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// By Snappy: quick.
    #[default]
    Snappy,
    /// By gzip: smaller, and slower to write.
    Gzip,
    /// Not at all.
    None,
}

/// Writes batches of one table as a Parquet file.
///
/// Texts are in dictionaries; other columns count from one row to the next (`DELTA_BINARY_PACKED`). What is in memory is a row group.
/// The columns of a batch are encoded by as many threads as there are CPUs, some at most; none outlives the call.
pub struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    groups: ArrowRowGroupWriterFactory,
    /// The columns of the row group, once it has a row.
    columns: Vec<ArrowColumnWriter>,
    /// Rows in it.
    rows: usize,
    threads: usize,
}

impl<W: Write + Send> Parquet<W> {
    /// A file of batches of this schema.
    ///
    /// # Errors
    /// When its beginning cannot be written.
    pub fn new(out: W, schema: SchemaRef, compression: Compression) -> Result<Self, Error> {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("tcpprobe ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_compression(match compression {
                Compression::Snappy => parquet::basic::Compression::SNAPPY,
                Compression::Gzip => parquet::basic::Compression::GZIP(GzipLevel::default()),
                Compression::None => parquet::basic::Compression::UNCOMPRESSED,
            });
        for field in schema.fields() {
            let is_number = matches!(field.data_type(), DataType::Int32 | DataType::Int64 | DataType::Timestamp(..));
            if is_number && !IDS.contains(&field.name().as_str()) {
                let path = ColumnPath::from(field.name().as_str());
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
        }
        // Readers that know Arrow get texts as texts, not as its dictionaries.
        let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(out, schema.clone(), options)?;
        let told = encode_arrow_schema(&plain(&schema));
        writer.append_key_value_metadata(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), told));
        let (writer, groups) = writer.into_serialized_writer()?;
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX));
        Ok(Parquet { writer, groups, columns: Vec::new(), rows: 0, threads })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let mut at = 0;
        while at < batch.num_rows() {
            let count = (batch.num_rows() - at).min(GROUP_ROWS - self.rows);
            self.add(&batch.slice(at, count))?;
            at += count;
            if self.rows == GROUP_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Adds rows that fit into the row group.
    fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.columns.is_empty() {
            self.columns = self.groups.create_column_writers(self.writer.flushed_row_groups().len())?;
        }
        self.rows += batch.num_rows();
        let schema = batch.schema();
        let mut work: Vec<_> = self.columns.iter_mut().zip(schema.fields()).zip(batch.columns()).collect();
        let encode = |part: &mut [((&mut ArrowColumnWriter, &FieldRef), &ArrayRef)]| -> Result<(), Error> {
            for ((writer, field), column) in part {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
            }
            Ok(())
        };
        if batch.num_rows() < ROWS_ALONE || self.threads == 1 {
            return encode(&mut work);
        }
        // By turns, for neighbours are alike: those that are null cost nothing.
        let mut parts: Vec<Vec<_>> = (0..self.threads).map(|_| Vec::new()).collect();
        work.into_iter().enumerate().for_each(|(at, column)| parts[at % self.threads].push(column));
        std::thread::scope(|scope| {
            let running: Vec<_> = parts.iter_mut().map(|part| scope.spawn(|| encode(part))).collect();
            running.into_iter().try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }

    fn end_group(&mut self) -> Result<(), Error> {
        let mut group = self.writer.next_row_group()?;
        for column in std::mem::take(&mut self.columns) {
            column.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Ends the file, with its footer; gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, metadata: &Metadata) -> Result<W, Error> {
        if self.rows > 0 {
            self.end_group()?;
        }
        for (key, value) in metadata {
            self.writer.append_key_value_metadata(KeyValue::new(key.clone(), value.clone()));
        }
        Ok(self.writer.into_inner()?)
    }
}

impl<W: Write + Send> std::fmt::Debug for Parquet<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parquet").field("bytes", &self.writer.bytes_written()).finish_non_exhaustive()
    }
}

/// The schema without dictionaries.
fn plain(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Dictionary(_, values) => Arc::new(field.as_ref().clone().with_data_type(values.as_ref().clone())),
        _ => field.clone(),
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
}
