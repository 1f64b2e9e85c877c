//! Who may do what: roles by the groups of the caller's process.

use tonic::Status;

use super::groups::{self, GroupFile};
use super::peer::Peer;
use crate::config::Access;
use crate::jobs::Caller;
use crate::user::User;

/// What a caller may do, each including the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing.
    Stranger,
    /// Look and fetch.
    Viewer,
    /// Start jobs, stop and remove own ones.
    Operator,
    /// Everything.
    Admin,
}

/// The rules, group names resolved.
#[derive(Debug, Clone)]
pub struct Rules {
    viewers: Vec<Group>,
    operators: Vec<Group>,
    admins: Vec<Group>,
    own: User,
}

/// A group that there is.
#[derive(Debug, Clone)]
struct Group {
    id: u32,
    name: String,
}

impl Rules {
    /// From the configuration; groups that do not exist let nobody in.
    #[must_use]
    pub fn new(access: &Access) -> Self {
        let groups = GroupFile::read();
        let resolve = |names: &[String]| {
            let (known, unknown): (Vec<_>, Vec<_>) = names.iter().partition(|name| groups.id(name).is_some());
            // Of its own group the socket has told.
            unknown.into_iter().filter(|&name| *name != access.group).for_each(warn_of_unknown);
            let group = |name: &String| Some(Group { id: groups.id(name)?, name: name.clone() });
            known.into_iter().filter_map(group).collect()
        };
        Rules {
            viewers: resolve(&access.viewers),
            operators: resolve(&access.operators),
            admins: resolve(&access.admins),
            own: User::own(),
        }
    }

    /// The role of a process of `user` in `groups`.
    #[must_use]
    pub fn role(&self, user: &User, groups: &[u32]) -> Role {
        let is_in = |list: &[Group]| list.iter().any(|group| groups.contains(&group.id));
        if user.is_privileged(&self.own) || is_in(&self.admins) {
            Role::Admin
        } else if is_in(&self.operators) {
            Role::Operator
        } else if is_in(&self.viewers) {
            Role::Viewer
        } else {
            Role::Stranger
        }
    }

    /// The role of a caller, a stranger where nobody knows who it is.
    #[must_use]
    pub fn role_of(&self, peer: Option<&Peer>) -> Role {
        peer.map_or(Role::Stranger, |peer| self.role(&peer.user, &peer.groups()))
    }

    /// Lets a caller through who has at least the role `needed`.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`; what exists, a stranger does not learn.
    pub fn require(&self, peer: Option<&Peer>, needed: Role) -> Result<Caller, Status> {
        let role = self.role_of(peer);
        match peer {
            Some(peer) if role >= needed => {
                Ok(Caller { user: peer.user.clone(), pid: peer.pid, is_admin: role == Role::Admin })
            }
            _ => Err(Status::permission_denied(format!("denied; to be let in: {}", self.way_in(needed)))),
        }
    }

    /// What gives a caller the role `needed`: the group that gives the least more than that.
    #[must_use]
    pub fn way_in(&self, needed: Role) -> String {
        let lists = [(Role::Viewer, &self.viewers), (Role::Operator, &self.operators), (Role::Admin, &self.admins)];
        let mut enough = lists.into_iter().filter(|(role, _)| *role >= needed).flat_map(|(_, groups)| groups);
        match enough.next() {
            Some(group) => format!("sudo usermod -aG {} $USER, then log in again", group.name),
            None => {
                "root must name a group of yours in [access] of tcpprobed.toml, then: sudo systemctl reload tcpprobed"
                    .to_owned()
            }
        }
    }
}

fn warn_of_unknown(group: &String) {
    let hint =
        if groups::is_replaced() { "; groups changed since the daemon started: restart it to see them" } else { "" };
    tracing::warn!(group, "there is no such group, so it lets nobody in{hint}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(viewers: &[(u32, &str)], operators: &[(u32, &str)], admins: &[(u32, &str)]) -> Rules {
        let groups =
            |list: &[(u32, &str)]| list.iter().map(|&(id, name)| Group { id, name: name.to_owned() }).collect();
        Rules { viewers: groups(viewers), operators: groups(operators), admins: groups(admins), own: User::of_uid(99) }
    }

    #[test]
    fn the_way_in_leads_to_the_role() {
        let check = |rules: Rules, viewer: &str, operator: &str| {
            for (role, words) in [(Role::Viewer, viewer), (Role::Operator, operator)] {
                assert!(rules.way_in(role).contains(words), "{}", rules.way_in(role));
            }
        };
        check(rules(&[(1, "v")], &[(2, "o")], &[]), "usermod -aG v ", "usermod -aG o ");
        check(rules(&[], &[(2, "o")], &[]), "usermod -aG o ", "usermod -aG o ");
        check(rules(&[(1, "v")], &[], &[(3, "a")]), "usermod -aG v ", "usermod -aG a ");
        check(rules(&[(1, "v")], &[], &[]), "usermod -aG v ", "[access] of tcpprobed.toml");
    }

    #[test]
    fn groups_make_roles() {
        let rules = rules(&[(1, "v")], &[(2, "o")], &[(3, "a")]);
        let role = |uid, groups: &[u32]| rules.role(&User::of_uid(uid), groups);
        assert_eq!(role(5, &[]), Role::Stranger);
        assert_eq!(role(5, &[1]), Role::Viewer);
        assert_eq!(role(5, &[7, 2, 1]), Role::Operator);
        assert_eq!(role(5, &[1, 3]), Role::Admin);
        assert_eq!((role(0, &[]), role(99, &[])), (Role::Admin, Role::Admin));
    }
}
