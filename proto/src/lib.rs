//! The API of tcpprobed: the messages and services of `tcpprobe/v1/tcpprobe.proto`, generated.
//!
//! The proto file is the documentation; nothing here is written by hand but this page.

/// Version 1 of the API.
pub mod v1 {
    tonic::include_proto!("tcpprobe.v1");
}

/// The compiled `FileDescriptorSet` of the API, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcpprobe.bin"));
