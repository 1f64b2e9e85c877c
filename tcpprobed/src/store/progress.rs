//! How far a run has been written.

/// How far a run has been written: what readers may read, and when to look again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The segment that is being written.
    pub segment: u32,
    /// Its length in whole frames.
    pub bytes: u64,
    /// Nothing more will come.
    pub ended: bool,
}
