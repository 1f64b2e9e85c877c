//! The panel of retransmissions: a lane for each connection that has any.

use super::from_flows::Connection;
use super::panel::{Content, Lane, Panel};

pub fn panel(connections: &[Connection]) -> Panel {
    let some = connections.iter().filter(|one| one.retransmissions() > 0);
    let lane = |one: &Connection| Lane { row: one.row, total: one.retransmissions(), bars: one.retransmission_bars() };
    Panel {
        name: "Retransmissions by connection",
        unit: None,
        remarks: Vec::new(),
        if_empty: "none",
        content: Content::Lanes(some.map(lane).collect()),
    }
}
