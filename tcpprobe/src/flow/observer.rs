//! What looks at the events of connections, one after the other.

use super::connection::Connection;
use super::label::Label;
use crate::event::{Event, EventKind, Snapshot};

/// What a tcp_probe says, without whom it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Payload bytes of the segment, modulo 65536.
    pub data_len: u16,
    /// Next sequence number to be sent.
    pub snd_nxt: u32,
    /// Oldest unacknowledged sequence number, before this segment's ACK.
    pub snd_una: u32,
    /// Congestion window, in packets.
    pub snd_cwnd: u32,
    /// Slow-start threshold, in packets; [`SSTHRESH_INFINITE`](crate::event::SSTHRESH_INFINITE) is "not set".
    pub ssthresh: u32,
    /// The peer's receive window, in bytes.
    pub snd_wnd: u32,
    /// Smoothed RTT, in microseconds.
    pub srtt: u32,
    /// Own receive window, in bytes.
    pub rcv_wnd: u32,
}

/// What an event says, without whom it is about: what an [`Observer`] gets, the same from columns and from records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observation {
    /// A segment received.
    Probe(Probe),
    /// A retransmission, or an attempt at one.
    Retransmission {
        /// The socket's state; 0 where the kernel did not say.
        state: u8,
        /// Error of the transmission: where it is not 0, nothing was sent. 0 before 6.17, where the kernel does not say.
        error: i32,
        /// Address (or its opaque id) of the skb; 0 where it is not told.
        skb: u64,
    },
    /// A retransmission of a SYN-ACK.
    SynAckRetransmission,
    /// A state of congestion control; see [`crate::event::TcpCongStateSet`].
    CongState(u8),
    /// A change of the socket's state.
    State {
        /// 6 is TCP.
        protocol: u16,
        /// As in [`crate::kernel::names::STATES`], from 1.
        old: u8,
        /// The same.
        new: u8,
    },
    /// The socket is destroyed.
    Destroyed,
    /// A reset was sent.
    ResetSent {
        /// Why (`enum sk_rst_reason`, `include/net/rstreason.h`); 0 where the kernel did not say.
        reason: u32,
    },
    /// A reset was received.
    ResetReceived,
    /// The application took data.
    DataTaken,
    /// What the kernel said of the socket when it was asked.
    Snapshot(Snapshot),
    /// Whose the socket is; what else is known of the owner, [`crate::event::Owner`] reads from a record.
    Owner {
        /// The process.
        pid: i32,
        /// Its user; [`crate::event::owner::UNKNOWN_UID`] where it is not known.
        uid: u32,
    },
}

impl Observation {
    /// What `event` says.
    #[must_use]
    #[inline]
    pub fn of(event: &Event) -> Self {
        match event {
            Event::TcpProbe(probe) => Observation::Probe(Probe {
                data_len: probe.data_len,
                snd_nxt: probe.snd_nxt,
                snd_una: probe.snd_una,
                snd_cwnd: probe.snd_cwnd,
                ssthresh: probe.ssthresh,
                snd_wnd: probe.snd_wnd,
                srtt: probe.srtt,
                rcv_wnd: probe.rcv_wnd,
            }),
            Event::TcpRetransmitSkb(event) => {
                Observation::Retransmission { state: event.state, error: event.err.unwrap_or(0), skb: event.skbaddr }
            }
            Event::TcpRetransmitSynack(_) => Observation::SynAckRetransmission,
            Event::TcpCongStateSet(event) => Observation::CongState(event.cong_state),
            Event::InetSockSetState(event) => {
                Observation::State { protocol: event.protocol, old: event.oldstate, new: event.newstate }
            }
            Event::TcpDestroySock(_) => Observation::Destroyed,
            Event::TcpSendReset(event) => Observation::ResetSent { reason: event.reason.unwrap_or(0) },
            Event::TcpReceiveReset(_) => Observation::ResetReceived,
            Event::TcpRcvSpaceAdjust(_) => Observation::DataTaken,
            Event::TcpInfo(event) => Observation::Snapshot(event.snapshot),
            Event::Owner(event) => Observation::Owner { pid: event.pid, uid: event.uid },
        }
    }

    /// Which event it is of.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match self {
            Observation::Probe(_) => EventKind::TcpProbe,
            Observation::Retransmission { .. } => EventKind::TcpRetransmitSkb,
            Observation::SynAckRetransmission => EventKind::TcpRetransmitSynack,
            Observation::CongState(_) => EventKind::TcpCongStateSet,
            Observation::State { .. } => EventKind::InetSockSetState,
            Observation::Destroyed => EventKind::TcpDestroySock,
            Observation::ResetSent { .. } => EventKind::TcpSendReset,
            Observation::ResetReceived => EventKind::TcpReceiveReset,
            Observation::DataTaken => EventKind::TcpRcvSpaceAdjust,
            Observation::Snapshot(_) => EventKind::TcpInfo,
            Observation::Owner { .. } => EventKind::Owner,
        }
    }
}

/// Looks at the events of each connection of a [`FlowTable`](super::FlowTable), in about the order of their time. What it keeps
/// of a connection stands in the table, and is handed to it when the connection leaves.
///
/// Two observers, as a pair, are one: `FlowTable::new((a, b), limit)`.
pub trait Observer {
    /// What is kept of each connection.
    type State;

    /// Names of the fields that it looks at: for a [`Projection`](crate::file::block::Projection).
    fn fields() -> Vec<&'static str>;

    /// Whether an event of this kind begins a connection that was not seen before; any other event is only of use where its
    /// connection is known. Of itself what carries data, or tries to.
    #[must_use]
    fn opens(kind: EventKind) -> bool {
        matches!(kind, EventKind::TcpProbe | EventKind::TcpRetransmitSkb)
    }

    /// A connection is seen for the first time.
    fn open(&mut self, connection: &Connection) -> Self::State;

    /// Something happened on a connection at `time`, nanoseconds in the trace's clock.
    fn event(&mut self, state: &mut Self::State, time: u64, seen: &Observation);

    /// Something is told of a connection in words; beside the [`Observation`] of the same event, if its connection was known then.
    fn label(&mut self, _state: &mut Self::State, _label: &Label) {}

    /// A connection leaves: it was closed, or is the one longest without an event of too many, or the trace ends.
    fn close(&mut self, connection: &Connection, state: Self::State);
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    type State = (A::State, B::State);

    fn fields() -> Vec<&'static str> {
        let mut fields = A::fields();
        fields.extend(B::fields());
        fields
    }

    fn opens(kind: EventKind) -> bool {
        A::opens(kind) || B::opens(kind)
    }

    fn open(&mut self, connection: &Connection) -> Self::State {
        (self.0.open(connection), self.1.open(connection))
    }

    #[inline]
    fn event(&mut self, state: &mut Self::State, time: u64, seen: &Observation) {
        self.0.event(&mut state.0, time, seen);
        self.1.event(&mut state.1, time, seen);
    }

    fn label(&mut self, state: &mut Self::State, label: &Label) {
        self.0.label(&mut state.0, label);
        self.1.label(&mut state.1, label);
    }

    fn close(&mut self, connection: &Connection, state: Self::State) {
        self.0.close(connection, state.0);
        self.1.close(connection, state.1);
    }
}
