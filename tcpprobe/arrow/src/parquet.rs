//! A Parquet file of a table.

use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use flate2::write::GzEncoder;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::GzipLevel;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use crate::Error;
use crate::chunk::Chunk;
use crate::metadata::Metadata;
use crate::threads::share_out;

/// Rows from which on a row group ends: what is kept in memory until it is written, and what a reader reads at least.
const GROUP_ROWS: usize = 1 << 18;
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

impl Compression {
    pub(crate) fn codec(self) -> parquet::basic::Compression {
        match self {
            Compression::Snappy => parquet::basic::Compression::SNAPPY,
            Compression::Gzip => parquet::basic::Compression::GZIP(GzipLevel::default()),
            Compression::None => parquet::basic::Compression::UNCOMPRESSED,
        }
    }

    /// The bytes of a page.
    pub(crate) fn pack(self, page: Vec<u8>) -> Result<Bytes, Error> {
        let packed = match self {
            Compression::Snappy => snap::raw::Encoder::new()
                .compress_vec(&page)
                .map_err(|error| ParquetError::General(error.to_string()))?,
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&page)?;
                encoder.finish()?
            }
            Compression::None => page,
        };
        Ok(packed.into())
    }
}

/// Writes batches of one table as a Parquet file.
///
/// Texts are in dictionaries; other columns count from one row to the next (`DELTA_BINARY_PACKED`). What is in memory is a row group.
/// The columns of a batch are encoded by as many threads as there are CPUs, some at most; none outlives the call.
pub struct Parquet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    schema: SchemaRef,
    compression: Compression,
    /// The columns of the row group, once it has a row.
    columns: Vec<Chunk>,
    /// Rows in it.
    rows: usize,
}

impl<W: Write + Send> Parquet<W> {
    /// A file of batches of this schema.
    ///
    /// # Errors
    /// When its beginning cannot be written.
    pub fn new(out: W, schema: SchemaRef, compression: Compression) -> Result<Self, Error> {
        let created_by = concat!("tcpprobe ", env!("CARGO_PKG_VERSION")).to_owned();
        let properties = WriterProperties::builder().set_created_by(created_by).build();
        // Readers that know Arrow get texts as texts, not as its dictionaries.
        let plain = plain(&schema);
        let columns = ArrowSchemaConverter::new().convert(&plain)?;
        let mut writer = SerializedFileWriter::new(out, columns.root_schema_ptr(), Arc::new(properties))?;
        let told = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&plain));
        writer.append_key_value_metadata(told);
        Ok(Parquet { writer, schema, compression, columns: Vec::new(), rows: 0 })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if self.columns.is_empty() {
            self.begin_group()?;
        }
        self.rows += batch.num_rows();
        let work = self.columns.iter_mut().zip(batch.columns());
        share_out(batch.num_rows(), work, |(chunk, array): (&mut Chunk, &ArrayRef)| chunk.push(array))?;
        if self.rows >= GROUP_ROWS { self.end_group() } else { Ok(()) }
    }

    fn begin_group(&mut self) -> Result<(), Error> {
        let columns = self.writer.schema_descr().columns().iter().zip(self.schema.fields());
        let chunk = |(about, field): (&parquet::schema::types::ColumnDescPtr, &arrow_schema::FieldRef)| {
            let are_ids = IDS.contains(&field.name().as_str());
            Chunk::new(about.clone(), field.data_type(), are_ids, self.compression)
        };
        self.columns = columns.map(chunk).collect::<Result<_, Error>>()?;
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), Error> {
        let mut group = self.writer.next_row_group()?;
        for column in std::mem::take(&mut self.columns) {
            let (bytes, about) = column.finish()?;
            group.append_column(&bytes, about)?;
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
