//! Two fresh network namespaces and what joins them.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How the two are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// TUN devices, and a network in user space between them.
    Tun,
    /// A pair of devices, and nothing between.
    Veth,
    /// Both ends in the first one, over its loopback device.
    Loopback,
}

/// Removed with what it owns.
pub struct Network {
    pub names: [String; 2],
    pub link: Link,
}

/// Runs a program, and takes what it says on stderr as the error.
fn run(command: &str) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    let out = Command::new(words[0]).args(&words[1..]).output().with_context(|| command.to_owned())?;
    if !out.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}

impl Network {
    /// `tag` makes the names unique; `tbf` is of the sending side `side`.
    pub fn new(tag: &str, link: Link, gso: bool, mtu: Option<u32>, tbf: Option<(usize, &str)>) -> Result<Self> {
        let network = Network { names: [format!("truth-{tag}-a"), format!("truth-{tag}-b")], link };
        for (side, name) in network.names.iter().enumerate() {
            run(&format!("ip netns add {name}"))?;
            run(&format!("ip -n {name} link set lo up"))?;
            if link == Link::Tun {
                run(&format!("ip -n {name} tuntap add dev t0 mode tun"))?;
            } else if link == Link::Veth && side == 1 {
                run(&format!("ip link add t0 netns {} type veth peer name t0 netns {name}", network.names[0]))?;
            }
        }
        if link == Link::Loopback {
            return Ok(network);
        }
        for (side, name) in network.names.iter().enumerate() {
            let own = side + 1;
            run(&format!("ip -n {name} addr add 10.98.0.{own}/24 dev t0"))?;
            run(&format!("ip -n {name} addr add fd98::{own}/64 dev t0 nodad"))?;
            if !gso {
                run(&format!("ip -n {name} link set t0 gso_max_segs 1"))?;
            }
            if let Some(mtu) = mtu {
                run(&format!("ip -n {name} link set t0 mtu {mtu}"))?;
            }
            run(&format!("ip -n {name} link set t0 up txqueuelen 5000"))?;
            if let Some((_, tbf)) = tbf.filter(|(of, _)| *of == side) {
                run(&format!("tc -n {name} qdisc replace dev t0 root tbf {tbf}"))?;
            }
        }
        Ok(network)
    }

    /// The address of a side.
    pub fn address(&self, side: usize, is_ipv6: bool) -> String {
        match (self.link, is_ipv6) {
            (Link::Loopback, false) => "127.0.0.1".into(),
            (Link::Loopback, true) => "::1".into(),
            (_, false) => format!("10.98.0.{}", side + 1),
            (_, true) => format!("fd98::{}", side + 1),
        }
    }

    /// Brings this thread into the namespace of a side.
    pub fn enter(&self, side: usize) -> io::Result<()> {
        let side = if self.link == Link::Loopback { 0 } else { side };
        let file = File::open(format!("/run/netns/{}", self.names[side]))?;
        Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Sets `net.…` in both, for this thread's own eyes are in one of them: it must have entered none yet.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<()> {
        for side in 0..2 {
            std::thread::scope(|scope| {
                let work = || -> Result<()> {
                    self.enter(side)?;
                    for (name, value) in settings {
                        let path = format!("/proc/sys/{}", name.replace('.', "/"));
                        fs::write(&path, value).with_context(|| path)?;
                    }
                    Ok(())
                };
                scope.spawn(work).join().expect("it does not panic")
            })?;
        }
        Ok(())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.names.iter().for_each(|name| remove(name));
    }
}

/// Removes a namespace.
pub fn remove(name: &str) {
    let _ = run(&format!("ip netns del {name}"));
}

/// The counters of this thread's namespace: TcpExt and Tcp.
pub fn counters() -> Result<std::collections::BTreeMap<String, u64>> {
    let mut counters = std::collections::BTreeMap::new();
    for file in ["netstat", "snmp"] {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}"))?;
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks(2).filter(|pair| pair.len() == 2) {
            let Some((group, names)) = pair[0].split_once(':') else { continue };
            if !group.starts_with("Tcp") {
                continue;
            }
            let values = pair[1].split_whitespace().skip(1);
            for (name, value) in names.split_whitespace().zip(values) {
                counters.insert(name.to_owned(), value.parse().unwrap_or(0));
            }
        }
    }
    Ok(counters)
}
