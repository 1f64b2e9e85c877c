//! The panel of retransmissions: a lane for each connection that has any, or for each cause of a single one's.

use super::Scene;
use super::from_flows::{Cause, Connection};
use super::limits::sort_of_cause;
use super::panel::{Bar, Content, Ink, Lane, Panel};
use crate::units::grouped;

/// `tcp_retransmit_skb()` sends an skb again, of as many segments as the device takes at once.
const REMARK: &str = "one may be of several segments";

pub fn panel(scene: &Scene) -> Panel {
    let (name, lanes) = match scene.connections {
        [one] if one.causes().next().is_some() => ("Retransmissions by cause", by_cause(one)),
        all => {
            let some = all.iter().filter(|one| one.retransmissions() > 0);
            ("Retransmissions by connection", some.map(by_connection).collect())
        }
    };
    Panel {
        name,
        of: None,
        unit: None,
        keys: Vec::new(),
        remarks: if lanes.is_empty() { Vec::new() } else { vec![REMARK.to_owned()] },
        if_empty: "none",
        content: Content::Lanes(lanes),
    }
}

fn by_connection(one: &Connection) -> Lane {
    let label = grouped(one.retransmissions());
    Lane { ink: Ink::Row(one.row), label, bars: one.retransmission_bars(), spans: Vec::new() }
}

fn by_cause(one: &Connection) -> Vec<Lane> {
    let lane = |cause: Cause| {
        let bars: Vec<Bar> = one.causes().filter(|(other, _)| *other == cause).map(|(_, bar)| bar).collect();
        let count: u64 = bars.iter().map(|bar| bar.count).sum();
        let label = format!("{} {}", cause.name().replace('_', " "), grouped(count));
        Lane { ink: Ink::Sort(sort_of_cause(cause)), label, bars, spans: Vec::new() }
    };
    let lanes = Cause::ALL.into_iter().map(lane);
    lanes.filter(|lane| !lane.bars.is_empty()).collect()
}
