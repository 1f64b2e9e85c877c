//! The table of sockets, by what a kernel could tell.

use std::sync::Arc;

use tcpprobe::event::{Owner, Socket};

use super::procfs::Unknown;
use super::ring::{Sighting, What};
use super::sockets::{Sockets, Told};

/// Where the kernel keeps a socket.
const A: u64 = 0xffff_8880_0000_1000;
const B: u64 = 0xffff_8880_0000_2000;
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;

fn socket(skaddr: u64, local: u16, peer: u16, cookie: u64) -> Socket {
    let end = |host, port| std::net::SocketAddr::from(([10, 0, 0, host], port));
    Socket { family: 2, local: end(1, local), peer: end(2, peer), cookie, skaddr }
}

/// The table; threads are of the process of their hundred.
#[derive(Default)]
struct Scene {
    sockets: Sockets,
    time: u64,
    gone: Vec<(u16, Option<Unknown>)>,
}

impl Scene {
    fn see(&mut self, tid: Option<i32>, what: What) -> &mut Self {
        self.time += 1;
        self.sockets.note(&Sighting { time: self.time, tid, what });
        self
    }

    fn used(&mut self, tid: i32, socket: Socket) -> &mut Self {
        self.see(Some(tid), What::Used(socket))
    }

    fn state(&mut self, tid: Option<i32>, socket: Socket, old: u8, new: u8) -> &mut Self {
        self.see(tid, What::State(socket, old, new))
    }

    /// Ends a reading; what was told, by local port: process, cookie, and whether it is a change.
    fn told(&mut self) -> Vec<(u16, i32, u64, bool)> {
        let mut all: Vec<Told> = Vec::new();
        for number in self.sockets.touched() {
            if let Some(user) = self.sockets.unsettled(number) {
                let found = match user.tid {
                    ..100 => Err(Unknown::Ended),
                    tid => Ok(Arc::new(Owner { pid: tid / 100 * 100, ..Owner::default() })),
                };
                self.sockets.settle(number, user.tid, found);
            }
            all.extend(self.sockets.tell(number));
            let gone = self.sockets.part(number);
            self.gone.extend(gone.map(|(socket, why)| (socket.local.port(), why)));
        }
        self.sockets.begin(vec![]);
        all.iter().map(|told| (told.socket.local.port(), told.owner.pid, told.socket.cookie, told.is_change)).collect()
    }

    /// A reading begins in which events were lost since the last one.
    fn lose(&mut self) -> &mut Self {
        self.time += 2;
        self.sockets.begin(vec![(self.time - 1, self.time)]);
        self
    }
}

#[test]
fn who_takes_data_owns_the_socket() {
    let mut scene = Scene::default();
    assert_eq!(scene.used(101, socket(A, 80, 4000, 7)).told(), [(80, 100, 7, false)]);
    assert_eq!(scene.used(101, socket(A, 80, 4000, 7)).told(), [], "it is known");
    assert_eq!(scene.used(102, socket(A, 80, 4000, 7)).told(), [], "another thread of it");
    scene.time += 2_000_000_000;
    assert_eq!(scene.used(201, socket(A, 80, 4000, 7)).told(), [(80, 200, 7, true)], "a passed descriptor");
    assert_eq!(scene.used(101, socket(A, 80, 4000, 7)).told(), [], "not at once again");
}

#[test]
fn who_connects_owns_it_before_its_port_is_known() {
    let mut scene = Scene::default();
    assert_eq!(scene.state(Some(101), socket(A, 0, 80, 0), CLOSE, SYN_SENT).told(), []);
    assert_eq!(scene.state(None, socket(A, 4000, 80, 0), SYN_SENT, ESTABLISHED).told(), [(4000, 100, 0, false)]);
    // Refused, and the same address again.
    scene.state(Some(101), socket(B, 0, 80, 0), CLOSE, SYN_SENT).state(None, socket(B, 4001, 80, 0), SYN_SENT, CLOSE);
    scene.state(None, socket(B, 80, 4002, 0), SYN_RECV, ESTABLISHED);
    assert_eq!(scene.told(), []);
    assert_eq!(scene.gone, []);
}

#[test]
fn who_closes_owned_it() {
    let mut scene = Scene::default();
    scene.state(None, socket(A, 80, 4000, 0), SYN_RECV, ESTABLISHED);
    assert_eq!(scene.state(Some(101), socket(A, 80, 4000, 0), CLOSE_WAIT, LAST_ACK).told(), [(80, 100, 0, false)]);
    assert_eq!(scene.state(Some(201), socket(B, 81, 4000, 0), ESTABLISHED, FIN_WAIT1).told(), [(81, 200, 0, false)]);
    assert_eq!(scene.used(201, socket(B, 81, 4000, 9)).told(), [], "it was shut down for writing alone");
    // Nobody was seen, or whoever was has ended.
    scene.state(None, socket(A, 82, 4000, 0), SYN_RECV, ESTABLISHED).state(
        None,
        socket(A, 82, 4000, 0),
        ESTABLISHED,
        CLOSE,
    );
    scene.state(Some(1), socket(B, 83, 4000, 0), CLOSE_WAIT, LAST_ACK);
    assert_eq!(scene.told(), []);
    assert_eq!(scene.gone, [(82, None), (83, Some(Unknown::Ended))]);
}

#[test]
fn an_address_is_of_one_socket_after_the_other() {
    let mut scene = Scene::default();
    for port in 1..=100 {
        scene.state(Some(100 * i32::from(port)), socket(A, 0, 80, 0), CLOSE, SYN_SENT);
        scene.state(None, socket(A, port, 80, 0), SYN_SENT, ESTABLISHED);
        scene.state(Some(100 * i32::from(port)), socket(A, port, 80, 0), CLOSE_WAIT, LAST_ACK);
    }
    let told = scene.told();
    assert_eq!(told.len(), 100);
    assert!(told.iter().all(|&(port, pid, ..)| pid == 100 * i32::from(port)), "{told:?}");
    // A client's address becomes that of a server's socket.
    scene.used(101, socket(A, 80, 4000, 7));
    assert_eq!(scene.told(), [(80, 100, 7, false)]);
    scene.used(202, socket(A, 80, 4000, 8));
    assert_eq!(scene.told(), [(80, 200, 8, false)], "another cookie is another socket");
}

#[test]
fn who_only_sends_is_joined_by_the_address() {
    let mut scene = Scene::default();
    scene.state(None, socket(A, 80, 4000, 0), SYN_RECV, ESTABLISHED);
    assert_eq!(scene.see(Some(101), What::Sent(A)).told(), [(80, 100, 0, false)]);
    assert_eq!(scene.see(Some(201), What::Sent(B)).told(), [], "it began before, and nobody told its ends");
    assert_eq!(scene.sockets.asked(), [B]);
    assert_eq!(scene.see(None, What::Ends(socket(B, 81, 4001, 9))).told(), [(81, 200, 9, false)]);
    assert_eq!(scene.sockets.asked(), [0; 0]);
    scene.see(Some(201), What::Sent(B + 1));
    scene.sockets.give_up_asking(scene.time);
    assert_eq!(scene.sockets.asked(), [B + 1]);
    scene.sockets.give_up_asking(scene.time + 1);
    assert_eq!(scene.sockets.asked(), [0; 0]);
}

#[test]
fn what_was_known_of_an_address_ends_where_events_were_lost() {
    let mut scene = Scene::default();
    scene.state(Some(101), socket(A, 0, 80, 0), CLOSE, SYN_SENT);
    scene.state(None, socket(B, 81, 4001, 0), SYN_RECV, ESTABLISHED);
    assert_eq!(scene.told(), []);
    scene.lose();
    scene.state(None, socket(A, 4000, 80, 0), SYN_SENT, ESTABLISHED).see(Some(201), What::Sent(B));
    assert_eq!(scene.told(), [], "that may be others");
    assert_eq!(scene.sockets.asked(), [B]);
    // Within one reading, on some CPU.
    scene.see(None, What::Ends(socket(B, 81, 4001, 9)));
    scene.sockets.begin(vec![(scene.time, scene.time + 5)]);
    scene.see(Some(301), What::Sent(B));
    assert_eq!(scene.told(), [(81, 200, 9, false)], "who was seen before the loss");
}

#[test]
fn an_interrupt_is_nobody() {
    let mut scene = Scene::default();
    scene.see(None, What::Used(socket(A, 80, 4000, 7))).state(None, socket(A, 80, 4000, 7), CLOSE_WAIT, LAST_ACK);
    assert_eq!(scene.told(), []);
    assert_eq!(scene.gone, [(80, None)]);
}

#[test]
fn the_table_is_bounded() {
    let mut scene = Scene::default();
    for number in 0..100_000 {
        scene.used(101, socket(A + number * 64, 80, 4000, number + 1));
        if number % 1000 == 0 {
            scene.told();
        }
    }
    scene.told();
    assert!(scene.sockets.all().count() <= 16 << 10);
    assert!(scene.sockets.told_at(A).is_none() && scene.sockets.told_at(A + 99_999 * 64).is_some());
}

#[test]
fn turns_are_told_so_many_times() {
    let mut scene = Scene::default();
    let mut told = 0;
    for turn in 0..100 {
        scene.time += 2_000_000_000;
        told += scene.used(100 + turn % 2 * 100, socket(A, 80, 4000, 7)).told().len();
    }
    assert_eq!(told, 17);
}
