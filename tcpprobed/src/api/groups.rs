//! The groups of `/etc/group`. Those that only a directory (LDAP, SSSD) knows are not in it, and cannot be roles.

use std::os::unix::fs::MetadataExt;

const FILE: &str = "/etc/group";

/// The file, as it is when it is read.
#[derive(Debug)]
pub struct GroupFile {
    text: String,
}

impl GroupFile {
    /// Reads it; without one there is no group.
    #[must_use]
    pub fn read() -> Self {
        GroupFile { text: std::fs::read_to_string(FILE).unwrap_or_default() }
    }

    /// The id of the group of this name.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u32> {
        let mut groups = self.text.lines().map(|line| line.split(':'));
        groups.find_map(|mut fields| (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?)
    }
}

/// Whether another file took the place of the one that this process sees. Alone and mounted into the unit's own /etc, it
/// stays the one of when the daemon started.
#[must_use]
pub fn is_replaced() -> bool {
    std::fs::metadata(FILE).is_ok_and(|found| found.nlink() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let groups = GroupFile { text: "root:x:0:\ntcpprobe:x:990:ann,bob\n".into() };
        assert_eq!((groups.id("tcpprobe"), groups.id("tcp")), (Some(990), None));
    }
}
