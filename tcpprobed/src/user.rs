//! Who somebody is, for limits and ownership: the only place to change where a user becomes more than a uid.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A user, by whom limits are counted and jobs are owned: today a uid of this machine. Those who come through a gateway all
/// have its uid; they will be told apart here, by the names in their certificates. So it is cloned, never copied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct User {
    uid: u32,
}

impl User {
    /// The user of this uid.
    #[must_use]
    pub const fn of_uid(uid: u32) -> Self {
        User { uid }
    }

    /// Root.
    #[must_use]
    pub const fn root() -> Self {
        User::of_uid(0)
    }

    /// Whom this process runs as.
    #[must_use]
    pub fn own() -> Self {
        User::of_uid(rustix::process::geteuid().as_raw())
    }

    /// Whether it is root, or `own`, whom the daemon runs as: nothing that the daemon has is out of their reach anyway.
    #[must_use]
    pub fn is_privileged(&self, own: &User) -> bool {
        *self == User::root() || self == own
    }

    /// Its uid, for the log, the API and /proc.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }
}

/// As messages name it: `uid 1000`.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.uid)
    }
}
