//! The client of tcpprobed.

use std::process::ExitCode;

fn main() -> ExitCode {
    tcpprobectl::run()
}
