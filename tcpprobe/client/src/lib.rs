//! Calls tcpprobed: connects, starts and stops jobs, reads their traces.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::path::Path;
//!
//! use tcpprobe::source::{Item, Trace, Wanted};
//! use tcpprobe_client::v1::ReadRequest;
//! use tcpprobe_client::{Client, DEFAULT_SOCKET, JobStream};
//!
//! let client = Client::connect(Path::new(DEFAULT_SOCKET))?;
//! for job in client.list()? {
//!     println!("{} is {:?}", job.spec.as_ref().map_or("", |spec| &spec.name), job.state());
//! }
//!
//! let request = ReadRequest { name: "web".to_owned(), ..ReadRequest::default() };
//! let stream = JobStream::open(&client, request, |_| Ok(ControlFlow::Continue(())))?;
//! for item in &mut Trace::tcpp("job web", stream, Wanted::default()) {
//!     if let Item::Events(batch) = item? {
//!         batch.for_each(|record| println!("{:?}", record.value("snd_cwnd")));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All functions block. A [`Client`] has a thread of its own that moves bytes, so none of this may be called from async code.
//!
//! An [`Error`] of a [`JobStream`] comes through [`std::io::Read`], and is then found inside the [`std::io::Error`].

mod connection;
mod error;
mod stream;

pub use connection::{Client, DEFAULT_SOCKET, Next, Stream};
pub use error::Error;
pub use stream::{JobStream, Progress};
pub use tcpprobe_proto::v1;
pub use tonic::Code;
