//! Events joined to their sockets, against a world that knows the truth: addresses of sockets and ports are used again at once,
//! ends are not known yet or not any more, and events are lost.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use proptest::prelude::*;
use tcpprobe::event::sockets::{Sockets, Step};
use tcpprobe::event::{
    AF_INET, Event, EventKind, InetSockSetState, SSTHRESH_INFINITE, Socket, TcpCongStateSet, TcpDestroySock, TcpProbe,
    TcpRetransmitSkb, TcpRetransmitSynack, TcpSendReset,
};
use tcpprobe::flow::{Connection, FlowTable, Observation, Observer};

const CLOSE: u8 = 7;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const LISTEN: u8 = 10;

/// What happens.
#[derive(Debug, Clone)]
enum Op {
    /// A socket begins: which address, which ports, and whether it connects; nothing, where they are in use.
    Begin(u8, u8, bool),
    /// Something of the socket at this address.
    Goes(u8, u8),
    /// It is closed (aborted or not), and destroyed.
    End(u8, bool),
    /// So many events are not recorded.
    Lose(u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (0u8..3, 0u8..4, any::<bool>()).prop_map(|(at, ports, connects)| Op::Begin(at, ports, connects)),
        6 => (0u8..3, 0u8..5).prop_map(|(at, kind)| Op::Goes(at, kind)),
        2 => (0u8..3, any::<bool>()).prop_map(|(at, aborted)| Op::End(at, aborted)),
    ];
    let lossy = prop_oneof![12 => op, 1 => (1u8..6).prop_map(Op::Lose)];
    proptest::collection::vec(lossy, 1..120)
}

#[derive(Debug, Clone, Copy)]
struct Truth {
    id: u64,
    socket: Socket,
}

/// An event, whose it is, and whether events were lost just before it.
struct Happened {
    event: Event,
    of: u64,
    behind_loss: bool,
}

fn nowhere(port: u16) -> SocketAddr {
    ([0, 0, 0, 0], port).into()
}

/// What the kernel records of it.
fn recorded(ops: &[Op]) -> Vec<Happened> {
    let mut alive: BTreeMap<u8, Truth> = BTreeMap::new();
    let (mut events, mut next, mut lose, mut behind_loss) = (Vec::new(), 1u64, 0u8, false);
    let mut happen = |event: Event, of: u64, lose: &mut u8| {
        if *lose > 0 {
            (*lose, behind_loss) = (*lose - 1, true);
            return;
        }
        events.push(Happened { event, of, behind_loss: std::mem::take(&mut behind_loss) });
    };
    let state = |socket: Socket, oldstate: u8, newstate: u8| {
        Event::InetSockSetState(InetSockSetState { socket, protocol: 6, oldstate, newstate })
    };
    for op in ops {
        match *op {
            Op::Begin(at, ports, connects) => {
                let (port, peer) = ([80, 4000][usize::from(ports % 2)], [9000, 9001][usize::from(ports / 2)]);
                let (local, peer): (SocketAddr, SocketAddr) =
                    (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], peer).into());
                let is_taken = |truth: &Truth| truth.socket.local == local && truth.socket.peer == peer;
                if alive.contains_key(&at) || alive.values().any(is_taken) {
                    continue;
                }
                let socket = Socket { family: AF_INET, local, peer, cookie: 100 + next, skaddr: 0xa00 + u64::from(at) };
                alive.insert(at, Truth { id: next, socket });
                let untold = Socket { cookie: 0, ..socket };
                if connects {
                    happen(
                        state(Socket { local: ([10, 0, 0, 1], 0).into(), ..untold }, CLOSE, SYN_SENT),
                        next,
                        &mut lose,
                    );
                    happen(state(untold, SYN_SENT, 1), next, &mut lose);
                } else {
                    let listens = Socket { local: nowhere(port), peer: nowhere(0), ..untold };
                    happen(state(listens, LISTEN, SYN_RECV), next, &mut lose);
                    happen(state(untold, SYN_RECV, 1), next, &mut lose);
                }
                next += 1;
            }
            Op::Goes(at, kind) => {
                let Some(&Truth { id, socket }) = alive.get(&at) else { continue };
                let Socket { family, local, peer, cookie, skaddr } = socket;
                let untold = Socket { cookie: 0, ..socket };
                let event = match kind {
                    0 | 1 => Event::TcpProbe(TcpProbe {
                        family,
                        src: local,
                        dest: peer,
                        mark: 0,
                        data_len: 0,
                        snd_nxt: 0,
                        snd_una: 0,
                        snd_cwnd: 10,
                        ssthresh: SSTHRESH_INFINITE,
                        snd_wnd: 0,
                        srtt: 0,
                        rcv_wnd: 0,
                        sock_cookie: cookie,
                        skbaddr: 0,
                        skaddr,
                    }),
                    2 => Event::TcpRetransmitSkb(TcpRetransmitSkb {
                        family,
                        src: local,
                        dest: peer,
                        state: 1,
                        skbaddr: 0,
                        skaddr,
                        err: None,
                    }),
                    3 => Event::TcpCongStateSet(TcpCongStateSet { socket: untold, cong_state: 1 }),
                    _ => reset(skaddr),
                };
                happen(event, id, &mut lose);
            }
            Op::End(at, aborted) => {
                let Some(Truth { id, socket }) = alive.remove(&at) else { continue };
                happen(state(Socket { cookie: 0, ..socket }, 1, CLOSE), id, &mut lose);
                if aborted {
                    happen(reset(socket.skaddr), id, &mut lose);
                    let port = socket.local.port();
                    let emptied = Socket { local: nowhere(port), peer: nowhere(0), ..socket };
                    happen(Event::TcpDestroySock(TcpDestroySock { socket: emptied }), id, &mut lose);
                } else {
                    happen(Event::TcpDestroySock(TcpDestroySock { socket }), id, &mut lose);
                }
            }
            Op::Lose(events) => lose = events,
        }
    }
    events
}

/// The kernel resets of itself, and names the socket alone.
fn reset(skaddr: u64) -> Event {
    Event::TcpSendReset(TcpSendReset {
        socket: Socket { skaddr, ..Socket::UNTOLD },
        state: 1,
        skbaddr: 0,
        reason: None,
    })
}

/// Notes which connection each event was given to.
struct Given<const BY_STATES: bool>(Rc<RefCell<Vec<u64>>>);

impl<const BY_STATES: bool> Observer for Given<BY_STATES> {
    type State = u64;

    fn fields() -> Vec<&'static str> {
        Vec::new()
    }

    fn opens(kind: EventKind) -> bool {
        matches!(kind, EventKind::TcpProbe | EventKind::TcpRetransmitSkb)
            || BY_STATES && kind == EventKind::InetSockSetState
    }

    fn open(&mut self, connection: &Connection) -> u64 {
        connection.id
    }

    fn event(&mut self, id: &mut u64, _: u64, _: &Observation) {
        self.0.borrow_mut().push(*id);
    }

    fn close(&mut self, _: &Connection, _: u64) {}
}

/// By event, the connection that it was given to.
fn given<const BY_STATES: bool>(happened: &[Happened]) -> Vec<Option<u64>> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut table = FlowTable::new(Given::<BY_STATES>(Rc::clone(&log)), 1000);
    let mut given = Vec::new();
    for (time, Happened { event, behind_loss, .. }) in happened.iter().enumerate() {
        if *behind_loss {
            table.lose();
        }
        let is_given = table.event(time as u64 * 10, event);
        given.push(log.borrow().last().copied().filter(|_| is_given));
    }
    given
}

fn has_lost(ops: &[Op]) -> bool {
    ops.iter().any(|op| matches!(op, Op::Lose(_)))
}

fn check<const BY_STATES: bool>(ops: &[Op]) -> Result<(), TestCaseError> {
    let happened = recorded(ops);
    let given = given::<BY_STATES>(&happened);
    let mut truths: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut flows: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    for (Happened { of, event, .. }, given) in happened.iter().zip(&given) {
        let Some(flow) = given else {
            // What opens is of a connection, and what begins or follows it too.
            let is_opened = flows.contains_key(of) && !has_lost(ops);
            prop_assert!(!is_opened, "{event:?} of {of} is of no connection");
            continue;
        };
        truths.entry(*flow).or_default().insert(*of);
        flows.entry(*of).or_default().insert(*flow);
        // After a loss, sockets of the same ends may be taken for one another until a cookie tells them apart; but what names
        // the socket alone is of the one that was told last.
        match event.socket().has_ends() {
            true => _ = last.insert(*flow, *of),
            false => prop_assert_eq!(last[flow], *of, "a reset went elsewhere"),
        }
    }
    if !has_lost(ops) {
        prop_assert!(truths.values().all(|of| of.len() == 1), "two sockets are one connection: {truths:?}");
        prop_assert!(flows.values().all(|of| of.len() == 1), "a socket is two connections: {flows:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_given_to_the_connection_of_its_socket(ops in ops()) {
        check::<false>(&ops)?;
        check::<true>(&ops)?;
        let without: Vec<Op> = ops.into_iter().filter(|op| !matches!(op, Op::Lose(_))).collect();
        check::<false>(&without)?;
        check::<true>(&without)?;
    }

    /// The addresses alone.
    #[test]
    fn an_address_is_never_bound_to_another_socket(ops in ops()) {
        let happened = recorded(&ops);
        let mut sockets = Sockets::new(100);
        let mut told = BTreeSet::new();
        for (at, Happened { event, of, behind_loss }) in happened.iter().enumerate() {
            let time = at as u64 * 10;
            if *behind_loss {
                sockets.lose();
                told.clear();
            }
            let socket = event.socket();
            if let Some(step) = Step::of(event) {
                sockets.note(time, &socket, step);
                told.insert(*of);
                continue;
            }
            let found = sockets.find(time, socket.skaddr);
            prop_assert_eq!(found.is_some(), told.contains(of), "{:?} of {}", event, of);
            if let Some(found) = found.filter(|found| found.cookie != 0) {
                prop_assert_eq!(found.cookie, 100 + of);
            }
        }
    }
}

#[test]
fn a_syn_ack_binds_nothing() {
    let (local, peer) = (([10, 0, 0, 1], 80).into(), ([10, 0, 0, 2], 9000).into());
    let listener = Socket { family: AF_INET, local, peer, cookie: 0, skaddr: 7 };
    let event = Event::TcpRetransmitSynack(TcpRetransmitSynack { socket: listener, req: 1 });
    assert_eq!(Step::of(&event), None);
    let other = Event::InetSockSetState(InetSockSetState { socket: listener, protocol: 132, oldstate: 7, newstate: 2 });
    assert_eq!(Step::of(&other), None, "of another protocol");
}
