//! Names of users, from `/etc/passwd`; users of other directories are shown by number.

use std::fs;

/// `alice (1000)`, or `1000` where no name is known.
#[must_use]
pub fn with_number(uid: u32) -> String {
    name(uid).map_or_else(|| uid.to_string(), |name| format!("{name} ({uid})"))
}

/// The name of `uid`.
#[must_use]
pub fn name(uid: u32) -> Option<String> {
    find(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

fn find(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| fields.next().filter(|_| fields.nth(1) == Some(&uid))).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn names_are_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:100::/home/alice:\n";
        assert_eq!(find(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(find(passwd, 0).as_deref(), Some("root"));
        assert_eq!(find(passwd, 100), None);
    }
}
