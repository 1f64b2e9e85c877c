//! Generates the Rust of `tcpprobe/v1/*.proto` with protox, so that no `protoc` is needed.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=tcpprobe");
    let descriptors = protox::compile(["tcpprobe/v1/tcpprobe.proto"], ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // For gRPC reflection: the daemon serves its own description.
    fs::write(out.join("tcpprobe.bin"), prost_bytes(&descriptors))?;
    tonic_prost_build::configure().bytes(".tcpprobe.v1.ReadReply.frames").compile_fds(descriptors)?;
    Ok(())
}

fn prost_bytes(descriptors: &impl protox::prost::Message) -> Vec<u8> {
    descriptors.encode_to_vec()
}
