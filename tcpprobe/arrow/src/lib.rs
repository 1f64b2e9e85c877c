//! Traces as tables: Arrow record batches of events, connections, intervals and losses, and Parquet files of them.
//!
//! [`Tables`] takes the items of a trace and gives batches; it keeps what is open, and its memory does not grow with the trace.
//! `Parquet` writes the batches of one table. What the columns are, in which units, `PARQUET.md` tells, and [`Table::columns`].
//!
//! ```
//! use tcpprobe_arrow::{Table, Tables};
//!
//! let mut tables = Tables::new([Table::Events, Table::Connections]);
//! let (mut events, mut connections) = (0, 0);
//! let mut count = |table, batch: arrow_array::RecordBatch| {
//!     *(if table == Table::Events { &mut events } else { &mut connections }) += batch.num_rows();
//!     Ok(())
//! };
//! let mut trace = tcpprobe::open("../../fixtures/traces/version-2.tcpp")?;
//! for item in &mut trace {
//!     tables.item(&item?, &mut count)?;
//! }
//! tables.finish(trace.ledger(), trace.losses(), &mut count)?;
//! assert_eq!((events, connections), (2112, 4));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

#[cfg(feature = "parquet")]
mod chunk;
mod columns;
mod connections;
#[cfg(feature = "parquet")]
mod delta;
#[cfg(feature = "parquet")]
mod dictionary;
mod error;
mod events;
#[cfg(feature = "parquet")]
mod hybrid;
mod metadata;
mod numbers;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod table;
mod tables;
mod threads;
mod words;

pub use error::Error;
pub use metadata::{Metadata, SCHEMA_VERSION};
#[cfg(feature = "parquet")]
pub use parquet::{Compression, Parquet};
pub use table::{Column, Table, Type};
pub use tables::Tables;
pub use words::Texts;
