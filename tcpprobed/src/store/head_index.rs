//! The index of a closed segment by its heads: what is in it, found from the heads of its frames alone: a thousandth of what a scan reads.

use std::fs::File;
use std::os::unix::fs::FileExt;

use tcpprobe::file::block::{BlockHead, HEAD_BYTES};
use tcpprobe::file::{Anchor, Clock, FRAME_HEAD_BYTES, Kind, frame_head};

use super::segment::SegmentInfo;

/// The info of a segment of `length` bytes; `None` where anything is not as it should be, so that only a scan can tell.
/// Checksums are not looked at.
#[must_use]
pub fn head_index(file: &File, length: u64) -> Option<SegmentInfo> {
    let mut info = SegmentInfo { bytes: length, ..SegmentInfo::default() };
    let mut clock = Clock::default();
    let (mut at, mut is_open) = (0, false);
    while at < length {
        let mut bytes = [0; FRAME_HEAD_BYTES + HEAD_BYTES];
        let read = file.read_at(&mut bytes, at).ok()?;
        let head = frame_head(bytes.get(..read)?)?;
        let payload = bytes[..read].get(FRAME_HEAD_BYTES..)?;
        let payload = &payload[..payload.len().min(head.payload_bytes)];
        match head.kind {
            // A block and its ledger stand side by side.
            Kind::Ledger => is_open = false,
            _ if is_open => return None,
            Kind::Anchor => clock.add(Anchor::decode(payload)?),
            Kind::Block => {
                let head = BlockHead::decode(payload).ok()?;
                let wall = |time| clock.wall(time).unwrap_or(0);
                info.add(u64::from(head.events), (wall(head.times.0), wall(head.times.1)));
                is_open = true;
            }
            _ => {}
        }
        at += (FRAME_HEAD_BYTES + head.payload_bytes) as u64;
    }
    (at == length && !is_open).then_some(info)
}
