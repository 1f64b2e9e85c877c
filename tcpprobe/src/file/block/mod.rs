//! Blocks: events by the ten thousand, as columns, compressed.
//!
//! A block holds the events that a capture read in one go, from any number of CPUs and of any kinds, in the order
//! in which they were read: per CPU the order of the ring buffer. It stands alone: nothing in it refers to another
//! block. Byte by byte it is described in `FORMAT.md`.
//!
//! - The *identity* of each event (its kind, and the fields that stay the same for a socket) is listed once in the
//!   block; an event names it by number.
//! - Every other field is a column, its values ordered by identity, so that each value can be told from the one
//!   before it of the same socket: most do not change at all, and a column that never changes costs one byte.
//! - Times are columns of differences per CPU, to the nanosecond.
//!
//! ```
//! use tcpprobe::file::{Item, Reader};
//!
//! let mut reader = Reader::new(std::fs::File::open("../fixtures/traces/version-2.tcpp")?);
//! while let Some(item) = reader.next_item()? {
//!     let Item::Events(batch) = item else { continue };
//!     for block in batch.blocks() {
//!         println!("{} events of {} identities", block.rows().len(), block.identities().len());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bits;
mod column;
mod column_group;
mod columns;
mod decode;
mod deflate;
mod encode;
mod huffman;
mod identity;
mod opaque;
mod projection;
mod rows;
mod schema;
mod table;

use std::ops::Range;

#[doc(hidden)]
pub use bits::{Cursor, put_bytes, put_varint};
pub use columns::{Column, Columns, Identity};
pub use decode::{Block, Row};
#[doc(hidden)]
pub use encode::{BlockBuilder, Seal, Timed};
pub use opaque::PointerKey;
pub use projection::Projection;
#[doc(hidden)]
pub use schema::{Layout, Part};
pub use schema::{Schema, SchemaError};

/// Most events in a block, so that a reader can trust the count before it allocates.
pub const EVENTS_MAX: usize = 1 << 20;
/// Bytes of a block's fixed head.
#[doc(hidden)]
pub const HEAD_BYTES: usize = 88;

/// A block that is not what the encoder writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("block: {0}")]
pub struct BlockError(&'static str);

impl From<column::ColumnError> for BlockError {
    fn from(error: column::ColumnError) -> Self {
        BlockError(error.0)
    }
}

/// The fixed head of a block: enough to decide whether to read the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockHead {
    /// [`Schema::id`] of the schema that explains it.
    pub schema: u32,
    /// Number of events.
    pub events: u32,
    /// Counts the blocks of a run from 0.
    pub sequence: u64,
    /// Times of the earliest and the latest event, nanoseconds in the trace's clock.
    pub times: (u64, u64),
    /// Every event up to this time is in this block or one before it.
    pub complete_until: u64,
    /// Numbers of the staged pages that it was made of.
    pub pages: Range<u64>,
    /// Which connections may be in it: see [`connection_bit`].
    pub connections: [u64; 4],
}

impl BlockHead {
    /// Reads the head at the beginning of a block's payload.
    ///
    /// # Errors
    /// When it is cut short or its counts are out of bounds.
    pub fn decode(payload: &[u8]) -> Result<Self, BlockError> {
        let mut cursor = Cursor(payload);
        let head = BlockHead::read(&mut cursor).ok_or(BlockError("head cut short"))?;
        if head.events as usize > EVENTS_MAX {
            return Err(BlockError("more events than a block may have"));
        }
        Ok(head)
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(BlockHead {
            schema: cursor.u32()?,
            events: cursor.u32()?,
            sequence: cursor.u64()?,
            times: (cursor.u64()?, cursor.u64()?),
            complete_until: cursor.u64()?,
            pages: cursor.u64()?..cursor.u64()?,
            connections: [cursor.u64()?, cursor.u64()?, cursor.u64()?, cursor.u64()?],
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.schema.to_le_bytes());
        out.extend(self.events.to_le_bytes());
        let words = [self.sequence, self.times.0, self.times.1, self.complete_until, self.pages.start, self.pages.end];
        words.iter().chain(&self.connections).for_each(|word| out.extend(word.to_le_bytes()));
    }

    /// Whether `connection` may be in the block; a wrong yes is possible, a wrong no is not.
    #[must_use]
    pub fn may_hold(&self, connection: u64) -> bool {
        let (word, bit) = connection_bit(connection);
        self.connections[word] & bit != 0
    }
}

/// The place of a connection's id in [`BlockHead::connections`]: its low eight bits are word and bit.
#[must_use]
pub fn connection_bit(connection: u64) -> (usize, u64) {
    ((connection >> 6) as usize & 3, 1 << (connection & 63))
}

/// The id by which a connection is found: FNV-1a (Fowler, Noll, Vo) over local address, local port, peer address,
/// peer port; addresses as 16 bytes, IPv4 v4-mapped, ports big-endian. 0 stands for "any" and is never an id.
#[must_use]
pub fn connection_id(local: std::net::SocketAddr, peer: std::net::SocketAddr) -> u64 {
    let end = |address: std::net::SocketAddr| {
        let ip = match address.ip() {
            std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            std::net::IpAddr::V6(ip) => ip.octets(),
        };
        ip.into_iter().chain(address.port().to_be_bytes())
    };
    let hash = end(local)
        .chain(end(peer))
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32).max(1)
}
