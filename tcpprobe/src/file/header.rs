//! What a trace is and where it is from.

use std::collections::BTreeMap;

/// The version of the format that this library writes.
pub const FORMAT_VERSION: u32 = 2;
/// Longest header: a few hundred bytes are usual.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// The header of a trace: lines of `name=value`, so that `strings` shows it.
///
/// Names in use: `version` (of the format), `trace` (a random id of the run, by which blocks that come twice are
/// known), `clock`, `kernel`, `host`, `boot`, `job`, `run`, `filter`, `events`, `writer`. Others are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    values: BTreeMap<String, String>,
}

impl Header {
    /// A header of the current version, for a trace with this id.
    #[must_use]
    pub fn new(trace: &str) -> Self {
        Header::default().with("version", FORMAT_VERSION).with("trace", trace)
    }

    /// Sets a value. Line breaks in it become blanks.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), value.to_string().replace(['\n', '\r'], " "));
        self
    }

    /// A value; empty where there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The version of the format; 0 where it is not told.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.get("version").parse().unwrap_or(0)
    }

    /// Appends the payload of a header frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.values {
            out.extend(format!("{name}={value}\n").into_bytes());
        }
    }

    /// Reads the payload of a header frame; `None` where it is none.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok().filter(|text| text.len() <= HEADER_BYTES_MAX)?;
        let values = text
            .lines()
            .map(|line| {
                line.trim_end_matches('\r').split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Header { values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        let header = Header::new("7").with("job", "two\r\nlines").with("empty", "");
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!((Header::decode(&out), header.get("job")), (Some(header.clone()), "two  lines"));
        assert_eq!(Header::decode(b"version=2\r\r\ntrace=7\njob=two  lines\r\nempty=\r"), Some(header));
        assert_eq!(Header::decode(b"version"), None);
    }
}
