//! The event `tcpprobe:owner`: whose a socket is, as a record like the kernel's own.
//!
//! A process is the owner of a socket that connected it, closed it, or last read from it or wrote to it. The event is told once a socket, and
//! again where another process takes over. `common_pid` is the owner too.
//!
//! **Nothing is guessed**: what is not known of an owner is empty, and `uid` [`UNKNOWN_UID`]. A process that had ended when it was
//! looked at has a `comm` at most. `sock_cookie` is 0 where no event told it; then `skaddr` joins the event to the others.
//!
//! ```
//! use tcpprobe::event::owner::{self, Owner};
//! use tcpprobe::event::{EventReader, Socket};
//! let socket = Socket {
//!     family: 2, local: "10.0.0.1:80".parse()?, peer: "10.0.0.2:4000".parse()?, cookie: 7, skaddr: 0,
//! };
//! let nginx = Owner { pid: 812, uid: 33, comm: b"nginx".to_vec(), unit: b"nginx.service".to_vec(), ..Owner::default() };
//! let record = owner::record(&socket, &nginx);
//! let format = owner::format()?;
//! assert_eq!(Owner::read(&format, &record), Some(nginx));
//! let event = EventReader::new(&format).read(&record).expect("it is typed");
//! assert_eq!(event.socket(), socket);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::address::put_ends;
use super::typed::Socket;
use crate::kernel::format::{Format, FormatError};
use crate::kernel::value::Value;

/// Its number: the second highest that there is, which no kernel has.
pub const ID: u16 = u16::MAX - 1;
/// The user of an owner of whom that is not known: no user has this number (-1).
pub const UNKNOWN_UID: u32 = u32::MAX;
/// Longest text of an owner, bytes; what is longer is cut.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Bytes of a name of a task, with the NUL behind it (`TASK_COMM_LEN`).
const COMM_BYTES: usize = 16;
const COOKIE_AT: usize = 8;
const SKADDR_AT: usize = 16;
const PORTS_AT: usize = 24;
const FAMILY_AT: usize = 28;
const ADDRESSES_AT: usize = 32;
const PID_AT: usize = 72;
const UID_AT: usize = 76;
const COMM_AT: usize = 80;
const TEXTS_AT: usize = 96;
const RECORD_BYTES: usize = 116;

const FORMAT: &str = "name: owner
ID: 65534
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__u64 sock_cookie;\toffset:8;\tsize:8;\tsigned:0;
\tfield:const void * skaddr;\toffset:16;\tsize:8;\tsigned:0;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;
\tfield:pid_t pid;\toffset:72;\tsize:4;\tsigned:1;
\tfield:__u32 uid;\toffset:76;\tsize:4;\tsigned:0;
\tfield:char comm[16];\toffset:80;\tsize:16;\tsigned:0;
\tfield:__data_loc char[] exe;\toffset:96;\tsize:4;\tsigned:0;
\tfield:__data_loc char[] cgroup;\toffset:100;\tsize:4;\tsigned:0;
\tfield:__data_loc char[] unit;\toffset:104;\tsize:4;\tsigned:0;
\tfield:__data_loc char[] container;\toffset:108;\tsize:4;\tsigned:0;
\tfield:__data_loc char[] pod;\toffset:112;\tsize:4;\tsigned:0;

print fmt: \"family=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c sock_cookie=%llx skaddr=%p \
pid=%d uid=%u comm=%s exe=%s cgroup=%s unit=%s container=%s pod=%s\", __print_symbolic(REC->family, { 2, \"AF_INET\" }, \
{ 10, \"AF_INET6\" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6, REC->sock_cookie, \
REC->skaddr, REC->pid, REC->uid, REC->comm, __get_str(exe), __get_str(cgroup), __get_str(unit), __get_str(container), \
__get_str(pod)
";

/// A process that owns sockets. Texts are bytes, as the kernel has them; what is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The process: the id of its thread group, as the host's root sees it.
    pub pid: i32,
    /// The user whose rights it has (effective); [`UNKNOWN_UID`] where it is not known.
    pub uid: u32,
    /// The name of the process, up to 15 bytes; not that of a thread of it.
    pub comm: Vec<u8>,
    /// The first word of its command line.
    pub exe: Vec<u8>,
    /// The path of its control group.
    pub cgroup: Vec<u8>,
    /// The unit of systemd that it is of: a service, or a scope.
    pub unit: Vec<u8>,
    /// The id of its container.
    pub container: Vec<u8>,
    /// The uid of its Kubernetes pod.
    pub pod: Vec<u8>,
}

/// One of whom nothing is known.
impl Default for Owner {
    fn default() -> Self {
        let [comm, exe, cgroup, unit, container, pod] = [const { Vec::new() }; 6];
        Owner { pid: 0, uid: UNKNOWN_UID, comm, exe, cgroup, unit, container, pod }
    }
}

impl Owner {
    /// The owner in a record; `None` where it has no pid, and is of another event.
    #[must_use]
    pub fn read(format: &Format, record: &[u8]) -> Option<Self> {
        let value = |name: &str| Value::of(format.field(name)?, record);
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => text.to_vec(),
            _ => Vec::new(),
        };
        // Text does not tell whether a number has a sign.
        let number = |name: &str| match value(name)? {
            Value::Signed(number) => Some(number),
            Value::Unsigned(number) => i64::try_from(number).ok(),
            _ => None,
        };
        let pid = i32::try_from(number("pid")?).ok()?;
        let uid = number("uid").and_then(|uid| u32::try_from(uid).ok()).unwrap_or(UNKNOWN_UID);
        let [comm, exe, cgroup, unit, container, pod] = ["comm", "exe", "cgroup", "unit", "container", "pod"].map(text);
        Some(Owner { pid, uid, comm, exe, cgroup, unit, container, pod })
    }

    /// The same as JSON; `null` where something is not known.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let text = |bytes: &[u8]| (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned());
        serde_json::json!({
            "pid": self.pid,
            "uid": (self.uid != UNKNOWN_UID).then_some(self.uid),
            "comm": text(&self.comm), "exe": text(&self.exe), "cgroup": text(&self.cgroup),
            "unit": text(&self.unit), "container": text(&self.container), "pod": text(&self.pod),
        })
    }
}

/// How the records look.
///
/// # Errors
/// None, as [`Format::parse`] understands what is made here.
pub fn format() -> Result<Format, FormatError> {
    Format::parse("tcpprobe", FORMAT)
}

/// The record that says whose `socket` is.
#[must_use]
pub fn record(socket: &Socket, owner: &Owner) -> Box<[u8]> {
    let mut record = vec![0; RECORD_BYTES];
    put_ends(&mut record, (PORTS_AT, ADDRESSES_AT), socket);
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &ID.to_le_bytes());
    put(4, &owner.pid.to_le_bytes());
    put(COOKIE_AT, &socket.cookie.to_le_bytes());
    put(SKADDR_AT, &socket.skaddr.to_le_bytes());
    put(FAMILY_AT, &socket.family.to_le_bytes());
    put(PID_AT, &owner.pid.to_le_bytes());
    put(UID_AT, &owner.uid.to_le_bytes());
    put(COMM_AT, cut(&owner.comm, COMM_BYTES - 1));
    let texts = [&owner.exe, &owner.cgroup, &owner.unit, &owner.container, &owner.pod];
    for (at, text) in texts.into_iter().enumerate() {
        let text = cut(text, TEXT_BYTES_MAX);
        // `__data_loc`: the offset in the low half, the length with the NUL in the high one.
        let place = record.len() | (text.len() + 1) << 16;
        record.extend_from_slice(text);
        record.push(0);
        let at = TEXTS_AT + 4 * at;
        record[at..at + 4].copy_from_slice(&u32::try_from(place).unwrap_or(0).to_le_bytes());
    }
    record.into()
}

/// The beginning of a text, up to its first NUL and to so many bytes.
fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    &text[..end.min(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AF_INET, AF_INET6, Event, EventReader};

    fn check(local: &str, peer: &str, family: u16, owner: &Owner) {
        let [local, peer] = [local, peer].map(|end| end.parse().unwrap());
        let socket = Socket { family, local, peer, cookie: 0x1234, skaddr: 0xffff_8880_0000_1000 };
        let (format, record) = (format().unwrap(), record(&socket, owner));
        assert_eq!(format.id, ID);
        assert_eq!(Owner::read(&format, &record).as_ref(), Some(owner));
        let Some(Event::Owner(event)) = EventReader::new(&format).read(&record) else { panic!("typed") };
        assert_eq!((event.socket, event.pid, event.uid), (socket, owner.pid, owner.uid));
    }

    #[test]
    fn what_is_written_is_read() {
        check("10.0.0.1:80", "10.0.0.2:4000", AF_INET, &Owner::default());
        let owner = Owner {
            pid: 4_194_303,
            uid: 0,
            comm: b"a \xff name=15 byt".to_vec(),
            exe: b"/usr/sbin/nginx:".to_vec(),
            cgroup: vec![b'/'; TEXT_BYTES_MAX],
            unit: b"nginx.service".to_vec(),
            container: b"0123456789ab".to_vec(),
            pod: b"11111111-2222-3333-4444-555555555555".to_vec(),
        };
        check("[fd99::1]:80", "[fd99::2]:65535", AF_INET6, &owner);
        check("10.0.0.1:80", "10.0.0.2:4000", AF_INET6, &owner);
    }

    #[test]
    fn texts_are_cut() {
        let owner = Owner { comm: vec![b'c'; 99], exe: b"a\0b".to_vec(), cgroup: vec![b'g'; 9999], ..Owner::default() };
        let end = "[::]:0".parse().unwrap();
        let socket = Socket { family: AF_INET6, local: end, peer: end, cookie: 0, skaddr: 0 };
        let read = Owner::read(&format().unwrap(), &record(&socket, &owner)).unwrap();
        assert_eq!((read.comm.len(), &read.exe[..], read.cgroup.len()), (15, &b"a"[..], TEXT_BYTES_MAX));
    }
}
