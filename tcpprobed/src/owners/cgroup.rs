//! What the path of a control group says of a process: its unit of systemd, its container, its pod.
//!
//! Sources: cgroups(7); systemd's `src/basic/cgroup-util.c` (names of units, `_` before reserved ones); the cgroup drivers of runc and
//! crun, cri-o and podman (`<runtime>-<id>.scope`), and of the kubelet (`kubepods…pod<uid>`).

/// Hexadecimal digits of a container's id, in every one of these runtimes.
const CONTAINER_DIGITS: usize = 64;
/// What runtimes put before the id, where systemd makes the group. A monitor (`libpod-conmon-…`) is in no container.
const CONTAINER_PREFIXES: [&str; 5] = ["docker-", "libpod-", "cri-containerd-", "crio-", "nerdctl-"];
/// Digits of a pod's uid: a UUID, or the hash of the file that a static pod is of.
const POD_DIGITS: usize = 32;
/// Controllers that are asked in version 1 where systemd has no hierarchy of its own.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// What a path says; empty where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// The path itself.
    pub path: String,
    /// The innermost service or scope.
    pub unit: String,
    /// The innermost container.
    pub container: String,
    /// The pod.
    pub pod: String,
}

impl Group {
    /// Reads `/proc/<pid>/cgroup`, of version 1, 2, or both.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let text = String::from_utf8_lossy(file);
        let paths: Vec<(&str, &str)> = text.lines().filter_map(controllers_and_path).collect();
        let in_group = |wanted: &dyn Fn(&str) -> bool| {
            let of_them = paths.iter().find(|(controllers, path)| wanted(controllers) && *path != "/");
            of_them.map(|(_, path)| *path)
        };
        let path = in_group(&str::is_empty)
            .or_else(|| in_group(&|controllers| controllers == "name=systemd"))
            .or_else(|| CONTROLLERS.iter().find_map(|one| in_group(&|all| all.split(',').any(|other| other == *one))))
            .or_else(|| paths.first().map(|_| "/"));
        path.map(Group::at).unwrap_or_default()
    }

    /// Reads a path.
    #[must_use]
    pub fn at(path: &str) -> Self {
        let path = path.strip_suffix(" (deleted)").unwrap_or(path);
        let names = || path.split('/').filter(|name| !name.is_empty());
        Group {
            path: path.to_owned(),
            unit: names().filter_map(unit).next_back().unwrap_or_default().to_owned(),
            container: names().filter_map(container).next_back().unwrap_or_default().to_owned(),
            pod: names().filter_map(pod).next_back().unwrap_or_default(),
        }
    }
}

/// `4:cpu,cpuacct:/a/b`; the controllers of version 2 are none.
fn controllers_and_path(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(':')?;
    rest.split_once(':')
}

fn unit(name: &str) -> Option<&str> {
    let is_unit = [".service", ".scope"].iter().any(|kind| name.len() > kind.len() && name.ends_with(kind));
    // `_` keeps a unit's name apart from what the kernel has in a group.
    is_unit.then(|| name.strip_prefix('_').unwrap_or(name))
}

fn container(name: &str) -> Option<&str> {
    // `<slice>:cri-containerd:<id>` is what containerd makes when the drivers do not agree.
    let name = name.rsplit(':').next().unwrap_or(name);
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let id = CONTAINER_PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    (id.len() == CONTAINER_DIGITS && id.bytes().all(is_digit)).then_some(id)
}

fn pod(name: &str) -> Option<String> {
    let name = name.split(':').next().unwrap_or(name);
    let uid = match name.strip_suffix(".slice") {
        // systemd takes `-` for a step down, so it is `_` there.
        Some(slice) => slice.strip_prefix("kubepods-").and_then(|rest| rest.rsplit('-').next())?.strip_prefix("pod")?,
        None => name.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
    let is_uid = lengths == [8, 4, 4, 4, 12] || lengths == [POD_DIGITS];
    (is_uid && uid.bytes().all(|byte| byte == b'-' || is_digit(byte))).then_some(uid)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8c1b0f7a3d5e46b29a0c7d1e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c";
    const POD: &str = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    #[track_caller]
    fn check(file: &str, path: &str, unit: &str, container: &str, pod: &str) {
        let text = |text: &str| text.replace("ID", ID).replace("POD", POD).replace("P_D", &POD.replace('-', "_"));
        let expected = Group { path: text(path), unit: text(unit), container: text(container), pod: text(pod) };
        assert_eq!(Group::of(text(file).as_bytes()), expected, "{file}");
    }

    /// Of one group of version 2.
    #[track_caller]
    fn at(path: &str, unit: &str, container: &str, pod: &str) {
        check(&format!("0::{path}\n"), path, unit, container, pod);
    }

    #[test]
    fn units_of_systemd() {
        at("/system.slice/nginx.service", "nginx.service", "", "");
        at("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "", "");
        at("/system.slice/foo.service/supervisor", "foo.service", "", "");
        at("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "", "");
        let user = "/user.slice/user-1000.slice/user@1000.service";
        at(user, "user@1000.service", "", "");
        at(&format!("{user}/app.slice/app-firefox-81.scope"), "app-firefox-81.scope", "", "");
        at("/init.scope", "init.scope", "", "");
        at("/system.slice/_cgroup.x.service", "cgroup.x.service", "", "");
        at("/system.slice", "", "", "");
        at("/", "", "", "");
        at("/a/.service", "", "", "");
    }

    #[test]
    fn containers_and_pods() {
        at("/system.slice/docker-ID.scope", "docker-ID.scope", "ID", "");
        at("/docker/ID", "", "ID", "");
        at("/docker/ID/docker/0000", "", "ID", "");
        at("/machine.slice/libpod-ID.scope/container", "libpod-ID.scope", "ID", "");
        at("/libpod_parent/libpod-ID", "", "ID", "");
        at("/machine.slice/libpod-conmon-ID.scope", "libpod-conmon-ID.scope", "", "");
        at("/system.slice/nerdctl-ID.scope", "nerdctl-ID.scope", "ID", "");
        at("/ecs/4d5e6f/ID", "", "ID", "");
        let slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podP_D.slice";
        at(&format!("{slice}/cri-containerd-ID.scope"), "cri-containerd-ID.scope", "ID", "POD");
        at(&format!("{slice}/crio-ID.scope"), "crio-ID.scope", "ID", "POD");
        at(&format!("{slice}/crio-ID.scope/container"), "crio-ID.scope", "ID", "POD");
        at(&format!("{slice}/crio-conmon-ID.scope"), "crio-conmon-ID.scope", "", "POD");
        at("/kubepods.slice/kubepods-podP_D.slice/docker-ID.scope", "docker-ID.scope", "ID", "POD");
        at("/kubepods/besteffort/podPOD/ID", "", "ID", "POD");
        at("/kubepods/pod0123456789abcdef0123456789abcdef/ID", "", "ID", "0123456789abcdef0123456789abcdef");
        at("/system.slice/kubepods-podP_D.slice:cri-containerd:ID", "", "ID", "POD");
        // A machine in a container: the innermost counts.
        at("/docker/ID/system.slice/nginx.service", "nginx.service", "ID", "");
        at("/lxc.payload.web/system.slice/ssh.service", "ssh.service", "", "");
    }

    #[test]
    fn what_only_looks_so() {
        at("/podcast/ID0", "", "", "");
        at("/podPOD0", "", "", "");
        at(&format!("/docker/{}", ID.to_uppercase()), "", "", "");
        at("/my-podPOD.slice", "", "", "");
        at("/\u{fffd}", "", "", "");
        check("", "", "", "", "");
        check("rubbish\n0:\n", "", "", "", "");
    }

    #[test]
    fn version_1_and_both() {
        let one = "12:pids:/system.slice/ssh.service\n11:memory:/system.slice/ssh.service\n4:cpu,cpuacct:/\n\
                   1:name=systemd:/system.slice/ssh.service\n0::/system.slice/ssh.service\n";
        check(one, "/system.slice/ssh.service", "ssh.service", "", "");
        let docker = "11:memory:/docker/ID\n3:cpuset:/docker/ID\n1:name=systemd:/docker/ID\n";
        check(docker, "/docker/ID", "", "ID", "");
        let hybrid = "5:memory:/user.slice\n1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n0::/\n";
        check(hybrid, "/user.slice/user-0.slice/session-c1.scope", "session-c1.scope", "", "");
        let without = "9:name=systemd:/\n4:cpu,memory:/jail/ab\n2:cpuacct:/\n0::/\n";
        check(without, "/jail/ab", "", "", "");
        check("9:name=systemd:/\n0::/\n", "/", "", "", "");
        check("0::/system.slice/a.service (deleted)\n", "/system.slice/a.service", "a.service", "", "");
        check("0::/../../system.slice/a.service\n", "/../../system.slice/a.service", "a.service", "", "");
        check("0::/a:b/c.service\n", "/a:b/c.service", "c.service", "", "");
    }
}
