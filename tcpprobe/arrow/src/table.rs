//! The tables, and the types of their columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::columns::{CONNECTIONS, EVENTS, INTERVALS, LOSSES};

/// A table that a trace becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// Each event.
    Events,
    /// Each connection, with its sums.
    Connections,
    /// What held each connection back, and when.
    Intervals,
    /// Where events are missing.
    Losses,
}

/// The type of a column. All numbers are signed, for not every reader has others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Nanoseconds since 1970, UTC, written without a zone.
    Time,
    /// 32 bits.
    Int32,
    /// 64 bits.
    Int64,
    /// 64 bits.
    Double,
    /// True or false.
    Boolean,
    /// UTF-8; in Arrow by a dictionary.
    Text,
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub data_type: Type,
    /// Whether a row may have no value.
    pub nullable: bool,
    /// Of a number; empty where it has none.
    pub unit: &'static str,
    /// What it says, and when it is null.
    pub meaning: &'static str,
}

impl Table {
    /// All of them, in the order in which they are told.
    pub const ALL: [Table; 4] = [Table::Events, Table::Connections, Table::Intervals, Table::Losses];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Events => "events",
            Table::Connections => "connections",
            Table::Intervals => "intervals",
            Table::Losses => "losses",
        }
    }

    /// What a row of it is.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Table::Events => "an event, in the order of time",
            Table::Connections => "a connection, in the order in which they end",
            Table::Intervals => {
                "a stretch of a connection's life with one limit; those of a connection follow each other without a gap"
            }
            Table::Losses => "a place where events are missing",
        }
    }

    /// Its columns.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Table::Events => EVENTS,
            Table::Connections => CONNECTIONS,
            Table::Intervals => INTERVALS,
            Table::Losses => LOSSES,
        }
    }

    /// Its schema: each field says its unit and meaning in its metadata. `counts_ticks` where the trace's clock does not count
    /// nanoseconds.
    #[must_use]
    pub fn schema(self, counts_ticks: bool) -> SchemaRef {
        let name = |name: &'static str| if counts_ticks && name == "clock_ns" { "clock_ticks" } else { name };
        let fields = self.columns().iter().map(|column| {
            let mut metadata = HashMap::from([("meaning".to_owned(), column.meaning.to_owned())]);
            if !column.unit.is_empty() {
                metadata.insert("unit".to_owned(), column.unit.to_owned());
            }
            Field::new(name(column.name), column.data_type.to_arrow(), column.nullable).with_metadata(metadata)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

impl Type {
    /// Its name in `PARQUET.md`: as SQL has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::Time => "TIMESTAMP(ns)",
            Type::Int32 => "INT32",
            Type::Int64 => "INT64",
            Type::Double => "DOUBLE",
            Type::Boolean => "BOOLEAN",
            Type::Text => "STRING",
        }
    }

    pub(crate) fn to_arrow(self) -> DataType {
        match self {
            Type::Time => DataType::Timestamp(TimeUnit::Nanosecond, None),
            Type::Int32 => DataType::Int32,
            Type::Int64 => DataType::Int64,
            Type::Double => DataType::Float64,
            Type::Boolean => DataType::Boolean,
            Type::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        }
    }
}
