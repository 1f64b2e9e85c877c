//! Why there is no picture.

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlotError {
    /// The trace has no event that could be drawn.
    #[error("nothing to draw: the trace has no tcp_probe and no tcp_retransmit_skb events")]
    NoEvents,
    /// There are connections, but all of them are on port 22.
    #[error("nothing to draw: port 22 (SSH) is left out, and {} on it; --ssh draws them", connections_are(*.0))]
    OnlySsh(usize),
    /// The curves of a connection were not collected: it needs a second pass.
    #[error("the curves of connection {0} were not collected")]
    NoCurves(u64),
    /// The font or the picture could not be made.
    #[error("cannot make the picture: {0}")]
    Encode(String),
}

fn connections_are(count: usize) -> String {
    if count == 1 { "the only connection is".to_owned() } else { format!("all {count} connections are") }
}
