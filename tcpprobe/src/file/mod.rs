//! The `.tcpp` trace file: frames of schema, clock anchors, blocks and the ledger.
//!
//! `FORMAT.md` describes the file byte by byte. A file is a sequence of frames and nothing else, each with its own
//! length and checksum: a torn tail is cut, a damaged byte costs its frame, two files one behind the other are one
//! valid file, and a piece of a file can be sent as it is.
//!
//! ```
//! use tcpprobe::file::{Item, Reader};
//!
//! let mut reader = Reader::new(std::fs::File::open("../fixtures/traces/version-2.tcpp")?);
//! let mut events = 0;
//! while let Some(item) = reader.next_item()? {
//!     match item {
//!         Item::Events(batch) => events += batch.len(),
//!         Item::Damage(damage) => eprintln!("skipped: {damage}"),
//!         _ => {}
//!     }
//! }
//! assert_eq!(events, 2112);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anchors;
mod batch;
pub mod block;
mod frame;
mod header;
mod ledger;
mod order;
mod reader;
mod sequences;
mod survey;
mod writer;

pub use anchors::{Anchor, Clock};
pub use batch::Batch;
pub use frame::{Damage, FRAME_HEAD_BYTES, Frame, FrameHead, Frames, Kind, MAGIC, PAYLOAD_BYTES_MAX, Scanned};
#[doc(hidden)]
pub use frame::{frame_head, put_frame};
pub use header::{FORMAT_VERSION, Header};
pub use ledger::{Account, OWN_CPU, Totals, decode_accounts};
#[doc(hidden)]
pub use ledger::{decode_ledger, encode_accounts};
pub use reader::{Item, Reader, Select, TraceError};
pub use survey::Survey;
pub use writer::Writer;
#[doc(hidden)]
pub use writer::{BLOCK_EVENTS, begin};
