//! Whether the caller's groups let him connect.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Check, Level};
use crate::exit::JOIN_GROUP;
use crate::users;

/// Who asks, and who may.
#[derive(Debug, Clone, Copy)]
struct Facts<'a> {
    uid: u32,
    /// Of this process.
    gids: &'a [u32],
    /// Owner, group and mode of the socket.
    socket: (u32, u32, u32),
    /// The name of that group, and its members by `/etc/group`.
    group: &'a str,
    members: &'a [String],
    user: &'a str,
}

/// What lets a stranger in: the socket's group, as far as he may see it.
pub fn join(socket: &Path) -> String {
    let group = fs::metadata(socket).ok().filter(|found| found.gid() != 0 && found.mode() & 0o020 != 0);
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    let name = group.and_then(|found| find(&file, found.gid())).map(|(name, _)| name);
    name.map_or_else(|| JOIN_GROUP.to_owned(), |name| JOIN_GROUP.replace("tcpprobe", &name))
}

/// Looks at the socket's group and the caller's.
pub fn check(socket: &Path) -> Check {
    let found = match fs::metadata(socket) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Check::skipped("group", format!("there is no socket {}", socket.display()));
        }
        Err(error) => {
            let (why, join) = JOIN_GROUP.split_once(": ").unwrap_or((JOIN_GROUP, ""));
            return Check::new("group", Level::Failure, format!("{}: {error}: {why}", socket.display()), join);
        }
    };
    let uid = rustix::process::geteuid().as_raw();
    let mut gids = vec![rustix::process::getegid().as_raw()];
    gids.extend(rustix::process::getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()));
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    let (group, members) = find(&file, found.gid()).unwrap_or_else(|| (found.gid().to_string(), Vec::new()));
    let user = users::name(uid).unwrap_or_default();
    decide(Facts { uid, gids: &gids, socket: ids(&found), group: &group, members: &members, user: &user })
}

fn ids(found: &Metadata) -> (u32, u32, u32) {
    (found.uid(), found.gid(), found.mode())
}

/// Name and members of a group.
fn find(file: &str, gid: u32) -> Option<(String, Vec<String>)> {
    let gid = gid.to_string();
    file.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, number, members] = fields[..] else { return None };
        let members = members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        (number == gid).then(|| (name.to_owned(), members))
    })
}

fn decide(facts: Facts<'_>) -> Check {
    let Facts { uid, gids, socket: (owner, gid, mode), group, members, user } = facts;
    if uid == 0 || uid == owner {
        return Check::ok("group", "you need none: the socket is yours");
    }
    // To connect is to write.
    if mode & 0o002 != 0 {
        return Check::ok("group", "the socket is everybody's");
    }
    if gids.contains(&gid) && mode & 0o020 != 0 {
        return Check::ok("group", format!("you are in {group}, the socket's group"));
    }
    if mode & 0o020 == 0 {
        let finding = "the socket is its owner's alone: the daemon found no group for it";
        let remedy = "sudo systemd-sysusers (or groupadd tcpprobe), then: sudo systemctl restart tcpprobed";
        return Check::new("group", Level::Failure, finding, remedy);
    }
    if members.iter().any(|member| member == user) {
        let finding = format!("you are in {group}, the socket's group, but this session began before");
        return Check::new("group", Level::Failure, finding, &format!("log in again, or: newgrp {group}"));
    }
    let remedy = format!("sudo usermod -aG {group} $USER, then log in again");
    Check::new("group", Level::Failure, format!("you are not in {group}, the socket's group"), &remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_connect() {
        let members = ["ann".to_owned()];
        let facts = Facts {
            uid: 1000,
            gids: &[100],
            socket: (0, 990, 0o140_660),
            group: "tcpprobe",
            members: &members,
            user: "bob",
        };
        let check = |facts: Facts<'_>, level: Level, words: &str| {
            let check = decide(facts);
            assert_eq!(check.level, level, "{check:?}");
            assert!(format!("{} {:?}", check.finding, check.remedy).contains(words), "{check:?}");
        };
        check(facts, Level::Failure, "usermod -aG tcpprobe");
        check(Facts { user: "ann", ..facts }, Level::Failure, "newgrp tcpprobe");
        check(Facts { gids: &[100, 990], ..facts }, Level::Ok, "you are in tcpprobe");
        check(Facts { gids: &[990], socket: (0, 990, 0o140_600), ..facts }, Level::Failure, "sysusers");
        check(Facts { socket: (0, 990, 0o140_666), ..facts }, Level::Ok, "everybody");
        check(Facts { uid: 0, ..facts }, Level::Ok, "yours");
        check(Facts { uid: 5, socket: (5, 990, 0o140_600), ..facts }, Level::Ok, "yours");
    }

    #[test]
    fn group_file() {
        let file = "root:x:0:\nbroken\ntcpprobe:x:990:ann,bob\n";
        assert_eq!(find(file, 990), Some(("tcpprobe".into(), vec!["ann".into(), "bob".into()])));
        assert_eq!(find(file, 0), Some(("root".into(), vec![])));
        assert_eq!(find(file, 1), None);
    }
}
