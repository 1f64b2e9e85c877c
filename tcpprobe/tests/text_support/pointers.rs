//! Events without their pointers.

use tcpprobe::event::Event;

/// The event without the addresses in it, which the kernel's text has hashed or not at all.
pub fn without_pointers(mut event: Event) -> Event {
    match &mut event {
        Event::TcpProbe(probe) => (probe.skbaddr, probe.skaddr) = (0, 0),
        Event::TcpRetransmitSkb(retransmit) => (retransmit.skbaddr, retransmit.skaddr) = (0, 0),
        Event::TcpSendReset(reset) => (reset.skbaddr, reset.socket.skaddr) = (0, 0),
        Event::TcpRetransmitSynack(synack) => (synack.req, synack.socket.skaddr) = (0, 0),
        Event::TcpCongStateSet(set) => set.socket.skaddr = 0,
        Event::InetSockSetState(set) => set.socket.skaddr = 0,
        Event::TcpDestroySock(destroy) => destroy.socket.skaddr = 0,
        Event::TcpReceiveReset(reset) => reset.socket.skaddr = 0,
        Event::TcpRcvSpaceAdjust(adjust) => adjust.socket.skaddr = 0,
        _ => {}
    }
    event
}
