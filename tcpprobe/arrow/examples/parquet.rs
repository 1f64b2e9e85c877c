//! Writes the tables of a trace as Parquet files, and tells how long that took: `parquet TRACE FOLDER [TABLE…]`.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use tcpprobe::source::Item;
use tcpprobe_arrow::{Compression, Parquet, Table, Tables};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [trace, folder, names @ ..] = &arguments[..] else { return Err("parquet TRACE FOLDER [TABLE…]".into()) };
    let is_wanted = |table: &Table| names.is_empty() || names.iter().any(|name| name == table.name());
    let wanted: Vec<Table> = Table::ALL.into_iter().filter(is_wanted).collect();
    std::fs::create_dir_all(folder)?;
    let begun = Instant::now();
    let mut trace = tcpprobe::open(trace)?;
    let mut tables = Tables::new(wanted.iter().copied());
    let mut files: Vec<(Table, Parquet<File>)> = Vec::new();
    for item in &mut trace {
        let (item, mut batches) = (item?, Vec::new());
        tables.item(&item, &mut |table, batch| {
            batches.push((table, batch));
            Ok(())
        })?;
        if files.is_empty() && matches!(item, Item::Begin(_)) {
            for &table in &wanted {
                let file = File::create(Path::new(folder).join(format!("{}.parquet", table.name())))?;
                files.push((table, Parquet::new(file, tables.schema(table), Compression::Snappy)?));
            }
        }
        put(&mut files, batches)?;
    }
    let mut batches = Vec::new();
    let metadata = tables.finish(trace.ledger(), trace.losses(), &mut |table, batch| {
        batches.push((table, batch));
        Ok(())
    })?;
    put(&mut files, batches)?;
    for (_, file) in files {
        file.finish(&metadata)?;
    }
    println!("{} events in {:.2} s", trace.selected(), begun.elapsed().as_secs_f64());
    Ok(())
}

fn put(
    files: &mut [(Table, Parquet<File>)],
    batches: Vec<(Table, arrow_array::RecordBatch)>,
) -> Result<(), Box<dyn Error>> {
    for (table, batch) in batches {
        if let Some((_, file)) = files.iter_mut().find(|(known, _)| *known == table) {
            file.write(&batch)?;
        }
    }
    Ok(())
}
