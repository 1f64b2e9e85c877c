//! What is drawn stays apart from how: `model` knows no pixel, and only one of its files knows the library's flows.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// What belongs to the drawing: its own files, what it draws with, and the type that pixels have here.
const DRAWING: [&str; 6] = ["draw", "plotters", "png", "svg", "ab_glyph", "f32"];
/// The one file that knows flows.
const FROM_FLOWS: &str = "from_flows.rs";

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The names in the code of a file, without its comments.
fn names(path: &Path) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(path)?;
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let words = code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'));
    Ok(words.map(str::to_owned).collect())
}

#[test]
fn the_model_knows_nothing_of_drawing() -> io::Result<()> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let model = sources(&src.join("model"))?;
    assert!(model.iter().any(|path| path.ends_with(FROM_FLOWS)), "{model:?}");
    for path in model.into_iter().chain([src.join("units.rs")]) {
        let found: Vec<String> = names(&path)?.into_iter().filter(|name| DRAWING.contains(&name.as_str())).collect();
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
    Ok(())
}

#[test]
fn one_file_knows_the_flows() -> io::Result<()> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&src)? {
        let may = path.ends_with(FROM_FLOWS) || path.ends_with("tests.rs");
        assert!(may || !names(&path)?.contains(&"tcpprobe".to_owned()), "{} knows the library", path.display());
    }
    Ok(())
}
