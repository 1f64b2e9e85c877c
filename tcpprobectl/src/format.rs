//! What a trace can be written as: the formats of the library, and tables.

use std::path::Path;

use tcpprobe::export::ExportFormat;

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One of the library's.
    Of(ExportFormat),
    /// Tables, for what reads columns.
    Parquet,
    /// Tracks, for Perfetto.
    Perfetto,
}

impl Format {
    /// Every format, in the order in which they are listed.
    pub const ALL: [Format; ExportFormat::ALL.len() + 2] = {
        let mut all = [Format::Perfetto; ExportFormat::ALL.len() + 2];
        let mut at = 0;
        while at < ExportFormat::ALL.len() {
            all[at] = Format::Of(ExportFormat::ALL[at]);
            at += 1;
        }
        all[at] = Format::Parquet;
        all
    };

    /// Its name, as an option has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Of(format) => format.name(),
            Format::Parquet => "parquet",
            Format::Perfetto => "perfetto",
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Format::Of(format) => format.help(),
            Format::Parquet => "Tables of events, connections, intervals and losses",
            Format::Perfetto => "Tracks of connections, for ui.perfetto.dev",
        }
    }

    /// The extension of its files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Of(format) => format.extension(),
            Format::Parquet => "parquet",
            Format::Perfetto => "pftrace",
        }
    }

    /// Whether it is no text.
    #[must_use]
    pub fn is_binary(self) -> bool {
        match self {
            Format::Of(format) => format.is_binary(),
            Format::Parquet | Format::Perfetto => true,
        }
    }

    /// The format that the name of a file tells.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let is = |extension: &str| path.extension().is_some_and(|known| known.eq_ignore_ascii_case(extension));
        // As other tools end those of their text.
        let log = || is("log").then_some(Format::Of(ExportFormat::Text));
        let other = || [Format::Parquet, Format::Perfetto].into_iter().find(|format| is(format.extension()));
        ExportFormat::of_path(path).map(Format::Of).or_else(other).or_else(log)
    }
}
