//! The panel of retransmissions: a lane for each connection that has any.

use super::from_flows::Connection;
use super::panel::{Content, Lane, Panel};

pub fn panel(connections: &[Connection]) -> Panel {
    let some = connections.iter().filter(|one| one.retransmissions() > 0);
    let mut lanes = some.peekable();
    // `tcp_retransmit_skb()` sends an skb again, of as many segments as the device takes at once.
    let remarks = lanes.peek().map(|_| "one may be of several segments").into_iter().collect();
    let lane = |one: &Connection| Lane { row: one.row, total: one.retransmissions(), bars: one.retransmission_bars() };
    Panel {
        name: "Retransmissions by connection",
        unit: None,
        remarks,
        if_empty: "none",
        content: Content::Lanes(lanes.map(lane).collect()),
    }
}
