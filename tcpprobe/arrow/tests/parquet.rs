//! PARQUET.md says what the tables are; files have what it says.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use tcpprobe_arrow::{Compression, Parquet, Table, Tables};

fn page() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("PARQUET.md")).unwrap()
}

/// A file of a table, and how many rows it has.
fn file(table: Table, compression: Compression) -> SerializedFileReader<bytes::Bytes> {
    let mut trace = tcpprobe::open("../../fixtures/traces/version-2.tcpp").unwrap();
    let (mut tables, mut batches) = (Tables::new([table]), Vec::new());
    for item in &mut trace {
        tables
            .item(&item.unwrap(), &mut |_, batch| {
                batches.push(batch);
                Ok(())
            })
            .unwrap();
    }
    let schema = tables.schema(table);
    let metadata = tables
        .finish(trace.ledger(), trace.losses(), &mut |_, batch| {
            batches.push(batch);
            Ok(())
        })
        .unwrap();
    let mut parquet = Parquet::new(Vec::new(), schema, compression).unwrap();
    batches.iter().for_each(|batch| parquet.write(batch).unwrap());
    SerializedFileReader::new(parquet.finish(&metadata).unwrap().into()).unwrap()
}

#[test]
fn the_page_has_every_column() {
    let page = page();
    for table in Table::ALL {
        let mut section = format!("## {}\n\nA row is {}.\n\n", table.name(), table.meaning());
        section.push_str("| column | type | null | unit | meaning |\n|---|---|---|---|---|\n");
        for column in table.columns() {
            let null = if column.nullable { "may be" } else { "never" };
            let (name, kind) = (column.name, column.data_type.name());
            writeln!(section, "| `{name}` | {kind} | {null} | {} | {} |", column.unit, column.meaning).unwrap();
        }
        assert!(page.contains(&section), "PARQUET.md lacks:\n{section}");
    }
}

#[test]
fn the_page_has_every_key_of_the_footer() {
    let page = page();
    let reader = file(Table::Events, Compression::Snappy);
    let pairs = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let told: HashMap<&str, &str> =
        pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_deref().unwrap_or_default())).collect();
    for key in told.keys().filter_map(|key| key.strip_prefix("tcpprobe.")) {
        let last = key.strip_prefix("ledger").unwrap_or(key);
        assert!(page.contains(&format!("`{key}`")) || page.contains(&format!("`{last}`")), "{key}");
    }
    assert_eq!(
        (told["tcpprobe.schema_version"], told["tcpprobe.ledger.stored"], told["tcpprobe.lost"]),
        ("2", "2112", "0")
    );
    assert!(told["tcpprobe.kernel"].starts_with("6.18"), "{told:?}");
}

#[test]
fn every_table_is_a_file_of_its_columns() {
    for (table, rows) in [(Table::Events, 2112), (Table::Connections, 4), (Table::Intervals, 26), (Table::Losses, 0)] {
        for compression in [Compression::Snappy, Compression::Gzip, Compression::None] {
            let reader = file(table, compression);
            let about = reader.metadata().file_metadata();
            let columns = about.schema_descr().columns().iter().map(|column| column.name().to_owned());
            assert!(columns.eq(table.columns().iter().map(|column| column.name.to_owned())));
            assert_eq!(about.num_rows(), rows, "{}", table.name());
            assert_eq!(reader.get_row_iter(None).unwrap().map(Result::unwrap).count() as i64, rows);
        }
    }
}
