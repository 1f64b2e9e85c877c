//! A Parquet file of a table.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use parquet::basic::{Encoding, GzipLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::Error;
use crate::metadata::Metadata;

/// Rows of a row group: what is kept in memory until it is written, and what a reader reads at least.
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

/// Writes batches of one table as a Parquet file.
///
/// Texts are in dictionaries; other columns count from one row to the next (`DELTA_BINARY_PACKED`). What is in memory is a row group.
pub struct Parquet<W: Write + Send> {
    writer: ArrowWriter<W>,
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
        Ok(Parquet { writer })
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        Ok(self.writer.write(batch)?)
    }

    /// Ends the file, with its footer; gives the output back.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, metadata: &Metadata) -> Result<W, Error> {
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
