//! Somebody else than root, as far as the daemon can tell: of a connection the kernel notes the thread that made it.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// A user, who needs no entry in /etc/passwd, and the one group of its.
#[derive(Clone, Copy)]
pub struct Person {
    pub uid: u32,
    pub gid: u32,
}

impl Person {
    /// In a group of this machine.
    pub fn of_group(uid: u32, group: &str) -> Self {
        Person { uid, gid: tcpprobed::api::groups::GroupFile::read().id(group).unwrap() }
    }

    /// The calling thread is this person's from now on; the others of the process stay whose they are.
    pub fn take_thread(self) {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(gid, gid, gid).unwrap();
        set_thread_res_uid(uid, uid, uid).unwrap();
    }

    /// A connection of this person.
    pub fn connect(self, socket: &Path) -> UnixStream {
        let connect = || {
            self.take_thread();
            UnixStream::connect(socket).unwrap()
        };
        thread::scope(|scope| scope.spawn(connect).join().unwrap())
    }
}
