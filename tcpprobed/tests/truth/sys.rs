//! What no safe crate has: a TUN device, and the kernel's words on a socket of our own.
#![expect(unsafe_code, reason = "ioctl TUNSETIFF, and getsockopt and setsockopt for options that rustix lacks")]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;

/// `TCP_INFO` of 6.18 has 280 bytes; an older kernel gives fewer.
const INFO_BYTES: usize = 280;

fn result(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The TUN device `name` of the network namespace of this thread.
pub fn tun(name: &str) -> io::Result<File> {
    let tun = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // `struct ifreq`: the name in 16 bytes, then the flags.
    let mut request = [0_u8; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = (libc::IFF_TUN | libc::IFF_NO_PI) as u16;
    request[16..18].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request is a `struct ifreq` of 40 bytes, which outlives the call.
    result(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) })?;
    Ok(tun)
}

/// Bytes a second that the socket may send (`SO_MAX_PACING_RATE`).
pub fn set_max_pacing_rate(socket: impl AsFd, rate: u32) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    let length = size_of_val(&rate) as libc::socklen_t;
    // SAFETY: the option is a u32, which outlives the call.
    result(unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, (&raw const rate).cast(), length)
    })
}

fn option<const N: usize>(socket: impl AsFd, level: libc::c_int, name: libc::c_int) -> io::Result<[u8; N]> {
    let (mut bytes, mut length) = ([0_u8; N], N as libc::socklen_t);
    // SAFETY: the kernel writes at most `length` bytes, which is what there is.
    result(unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, bytes.as_mut_ptr().cast(), &raw mut length)
    })?;
    Ok(bytes)
}

/// `struct tcp_info`, as the kernel gives it; what it does not have is 0.
pub fn tcp_info(socket: impl AsFd) -> io::Result<[u8; INFO_BYTES]> {
    option(socket, libc::IPPROTO_TCP, libc::TCP_INFO)
}

/// `SO_MEMINFO`: nine words.
pub fn memory(socket: impl AsFd) -> io::Result<[u8; 36]> {
    option(socket, libc::SOL_SOCKET, libc::SO_MEMINFO)
}
