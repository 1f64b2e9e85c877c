//! What Python's package `tcpprobe` is made of: the library, and how its data gets to Python.
//!
//! The package's own modules are in `python/`: they have the names, words and types that people see; this has none of it.
//! All work is done by threads of its own (`work.rs`), which know no Python, while Python waits without its lock. Nothing here
//! is `unsafe`: capsules are made by PyO3 and arrow-array.

mod columns;
mod error;
mod feed;
mod missing;
mod picture;
mod report;
mod rows;
mod selection;
mod stop;
mod work;

/// The part of the package that is made in Rust. Use `tcpprobe` instead.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use crate::error::{LossWarning, TraceError};
    #[pymodule_export]
    use crate::picture::draw;
    #[pymodule_export]
    use crate::report::diagnose;
    #[pymodule_export]
    use crate::rows::{Batch, Batches, Rows, columns_of};
    #[pymodule_export]
    use crate::selection::check;
    #[pymodule_export]
    use crate::work::_fail;

    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
