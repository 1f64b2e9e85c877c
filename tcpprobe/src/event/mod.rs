//! Events: as recorded ([`Record`]), and typed ([`Event`]).
//!
//! A record is the bytes that the kernel wrote, beside the [`Format`](crate::kernel::format::Format) that explains them;
//! every source (pages, text, `.tcpp` blocks) gives records and every feature takes them, so that an event nobody has
//! heard of yet passes through everything. The typed events are read from records where a feature needs them.
//!
//! ```
//! use tcpprobe::event::{Event, EventKind, EventReader, Record};
//! use tcpprobe::kernel::format::Format;
//!
//! # let text = include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_cong_state_set/format");
//! let format = Format::parse("tcp", text)?;
//! let mut bytes = vec![0; format.record_size()];
//! bytes[62] = 3;
//! bytes[20..22].copy_from_slice(&2_u16.to_le_bytes());
//! let record = Record::new(1_000, 0, None, &format, &bytes);
//! assert_eq!(record.kind, EventKind::TcpCongStateSet);
//! let Some(Event::TcpCongStateSet(event)) = EventReader::new(&format).read(record.bytes) else { panic!("typed") };
//! assert_eq!(event.cong_state, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod address;
pub mod fork;
pub mod lives;
pub mod owner;
mod reader;
mod record;
mod set;
pub mod sockets;
pub mod table;
pub mod tcp_info;
mod typed;

pub use address::{AF_INET, AF_INET6, Side, socket_address};
pub use owner::Owner;
pub use reader::{EventReader, SNAPSHOT_FIELDS};
pub use record::{INTERRUPT_FLAGS, Record};
pub use set::EventSet;
pub use table::EventKind;
pub use typed::{
    Event, InetSockSetState, SSTHRESH_INFINITE, Snapshot, Socket, SocketOwner, TcpCongStateSet, TcpDestroySock,
    TcpInfo, TcpProbe, TcpRcvSpaceAdjust, TcpReceiveReset, TcpRetransmitSkb, TcpRetransmitSynack, TcpSendReset,
};

pub use crate::kernel::value::Value;
