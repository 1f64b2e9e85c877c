//! The rows of events have all that JSON has, from columns as from text, and join the connections.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use common::{captures, fixtures};
use serde_json::{Map, Value, json};
use tcpprobe::event::Record;
use tcpprobe::export::{self, ExportFormat, Options};
use tcpprobe::file::block::Schema;
use tcpprobe::file::{Anchor, Header, Writer};
use tcpprobe::kernel::names::STATES;
use tcpprobe::source::{Trace, Wanted};
use tcpprobe_arrow::{Table, Tables};

type Row = Map<String, Value>;

/// The rows of batches, without their nulls.
fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches {
        for at in 0..batch.num_rows() {
            let mut row = Row::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                assert!(field.is_nullable() || column.null_count() == 0, "{}", field.name());
                if column.is_valid(at) {
                    row.insert(field.name().clone(), value(column, at));
                }
            }
            rows.push(row);
        }
    }
    rows
}

fn value(column: &dyn Array, at: usize) -> Value {
    match column.data_type() {
        DataType::Int32 => column.as_primitive::<Int32Type>().value(at).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(at).into(),
        DataType::Timestamp(..) => column.as_primitive::<TimestampNanosecondType>().value(at).into(),
        DataType::Float64 => column.as_primitive::<arrow_array::types::Float64Type>().value(at).into(),
        DataType::Boolean => column.as_boolean().value(at).into(),
        DataType::Dictionary(..) => {
            let words = column.as_dictionary::<Int32Type>();
            words.values().as_string::<i32>().value(words.key(at).unwrap()).into()
        }
        other => panic!("{other}"),
    }
}

/// The tables of a trace.
fn tables(mut trace: Trace<'_>) -> HashMap<Table, Vec<Row>> {
    let mut batches: HashMap<Table, Vec<RecordBatch>> = HashMap::new();
    let mut give = |table, batch| {
        batches.entry(table).or_default().push(batch);
        Ok(())
    };
    let mut tables = Tables::new(Table::ALL);
    for item in &mut trace {
        tables.item(&item.unwrap(), &mut give).unwrap();
    }
    tables.finish(trace.ledger(), trace.losses(), &mut give).unwrap();
    batches.iter().map(|(table, batches)| (*table, rows(batches))).collect()
}

/// What JSON says of the same events.
fn told(mut trace: Trace<'_>) -> Vec<Row> {
    let (mut exporter, mut lines) = (ExportFormat::Json.exporter(&Options::default()), Vec::new());
    export::export(&mut trace, &mut *exporter, &mut lines, |_| ()).unwrap();
    let rows = String::from_utf8(lines).unwrap();
    let rows = rows.lines().map(|line| serde_json::from_str::<Row>(line).unwrap());
    rows.filter(|row| !row["event"].is_null()).collect()
}

/// Takes from `row` what JSON says, and fails where that is something else.
fn take(row: &mut Row, told: &Row) {
    let mut others: Row =
        row.remove("fields").map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).unwrap_or_default();
    for (name, value) in told {
        let is_known =
            tcpprobe::event::EventKind::of(told["event"].as_str().unwrap()) != tcpprobe::event::EventKind::Other;
        let (name, value) = match (name.as_str(), value) {
            ("time", _) => continue,
            ("time_ns", value) => ("time", value.clone()),
            ("saddr_v6" | "daddr_v6", _) if !others.contains_key(name) => continue,
            ("length", value) if told["event"] == "tcp_probe" => ("data_len", value.clone()),
            ("state" | "oldstate" | "newstate", value) if is_known => {
                let number = value.as_u64().unwrap() as usize;
                let known = number.checked_sub(1).and_then(|at| STATES.get(at));
                (name.as_str(), known.map_or_else(|| json!(number.to_string()), |known| json!(known)))
            }
            ("ssthresh", value) if value == 0x7fff_ffff => ("ssthresh", Value::Null),
            // An address of no family.
            ("saddr" | "daddr", Value::String(text)) if text.chars().all(|c| c == '0') => (name.as_str(), Value::Null),
            (name, value) => (name, value.clone()),
        };
        let found = row.remove(name).or_else(|| others.remove(name)).unwrap_or_default();
        let is_same = found == value
            || value.as_u64().is_some_and(|number| found.as_i64() == Some(number.cast_signed()))
            || value
                .as_str()
                .and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok())
                .is_some_and(|id| found.as_i64() == Some(id.cast_signed()));
        assert!(is_same, "{name}: {found}, and JSON {value}, of {told:?}");
    }
    assert!(others.is_empty(), "{others:?}");
}

/// Rows have what JSON has, and else what follows from it; the tables join.
fn check(tables: HashMap<Table, Vec<Row>>, told: &[Row], name: &str) {
    let empty = Vec::new();
    let of = |table| tables.get(&table).unwrap_or(&empty);
    let events = of(Table::Events);
    assert_eq!(events.len(), told.len(), "{name}");
    let connections: HashMap<i64, &Row> =
        of(Table::Connections).iter().map(|row| (row["conn"].as_i64().unwrap(), row)).collect();
    assert_eq!(connections.len(), of(Table::Connections).len(), "a number is used once");
    let mut counts: HashMap<i64, (u64, i64)> = HashMap::new();
    for (row, told) in events.iter().zip(told) {
        let mut row = row.clone();
        if let Some(nxt) = row.get("snd_nxt") {
            let between = (nxt.as_i64().unwrap() as u32).wrapping_sub(row["snd_una"].as_i64().unwrap() as u32);
            assert_eq!(row.remove("in_flight_bytes"), Some(between.into()));
        }
        take(&mut row, told);
        if let Some(conn) = row.remove("conn").and_then(|conn| conn.as_i64()) {
            let known = connections[&conn];
            if told["event"] == "tcp_probe" {
                let ends = |row: &Row, names: [&str; 4]| names.map(|name| row[name].clone());
                let here = ends(told, ["saddr", "sport", "daddr", "dport"]);
                assert_eq!(here, ends(known, ["local_address", "local_port", "peer_address", "peer_port"]), "{name}");
            }
            let count = counts.entry(conn).or_default();
            let acked = row.remove("acked_bytes").unwrap().as_i64().unwrap();
            assert!(acked >= count.1 && row.remove("sent_bytes").is_some());
            *count = (count.0 + 1, acked);
        }
        assert!(row.is_empty(), "{name}: {row:?}");
    }
    for (conn, row) in &connections {
        let (events, acked) = counts[conn];
        assert_eq!(
            (row["events"].as_u64(), row["bytes_acked"].as_i64()),
            (Some(events), Some(acked)),
            "{name}: {row:?}"
        );
        let intervals = of(Table::Intervals).iter().filter(|interval| interval["conn"] == *conn);
        let sum: i64 = intervals.map(|interval| interval["duration_ns"].as_i64().unwrap()).sum();
        assert_eq!(sum, row["duration_ns"].as_i64().unwrap(), "{name}: intervals leave nothing out");
    }
}

fn written<'r>(schema: &std::sync::Arc<Schema>, records: impl IntoIterator<Item = Record<'r>>) -> Vec<u8> {
    let header = Header::new("t").with("job", "web").with("host", "here");
    let anchors = [Anchor { time: 0, wall: 1_700_000_000_000_000_000 }];
    let mut writer = Writer::new(Vec::new(), &header, schema, &anchors).unwrap();
    for record in records {
        assert!(writer.push(&record).unwrap());
    }
    writer.finish().unwrap().0
}

#[test]
fn columns_of_every_kernel() {
    let mut seen = 0;
    for capture in captures() {
        let decoded = capture.decode();
        let schema = Schema::new(decoded.formats.values().cloned()).unwrap();
        let bytes = written(&schema, decoded.merged());
        let open = || Trace::tcpp("a.tcpp", &bytes[..], Wanted::default());
        check(tables(open()), &told(open()), &capture.dir.display().to_string());
        seen += 1;
    }
    assert!(seen > 10, "{seen} captures");
}

#[test]
fn text_of_every_kernel() {
    let mut seen = 0;
    for capture in captures() {
        let Some(text) = capture.text() else { continue };
        let open = || Trace::text("a.txt", text.as_bytes(), Wanted::default()).unwrap();
        check(tables(open()), &told(open()), &capture.dir.display().to_string());
        seen += 1;
    }
    assert!(seen > 10, "{seen} captures");
}

/// With snapshots, owners and congestion control.
#[test]
fn recordings() {
    for case in std::fs::read_dir(fixtures().join("diagnose")).unwrap() {
        let path = case.unwrap().path().join("trace.tcpp");
        let open = || tcpprobe::open(&path).unwrap();
        check(tables(open()), &told(open()), &path.display().to_string());
    }
}

#[test]
fn losses_are_rows() {
    let path = fixtures().join("captures/6.18.44-fc-v669/overrun/trace.txt.gz");
    let tables = tables(tcpprobe::open(path).unwrap());
    let lost: u64 = tables[&Table::Losses].iter().map(|row| row["lost"].as_u64().unwrap()).sum();
    assert_eq!(lost, 2050);
}
