//! Connections made of any events.

use tcpprobe::event::Event;
use tcpprobe::flow::{Collect, Collector, Curves, Flow, Limits, Metric};

const LIMITS: Limits = Limits { connections: 3, open: 4, bins: 8, bins_total: 1 << 10 };

/// Every event counts once, what is kept has the limits that it was given, and totals do not depend on curves.
pub fn check(events: &[(u64, Event)]) {
    let collect = |collect| {
        let mut flows = Collector::new(collect, LIMITS);
        events.iter().for_each(|(time, event)| flows.push(*time, event));
        flows
    };
    let (flows, without) = (collect(Collect::All), collect(Collect::Nothing));
    // The others tell of connections, and are not summed.
    let is_summed = |event: &Event| matches!(event, Event::TcpProbe(_) | Event::TcpRetransmitSkb(_));
    let times = events.iter().filter(|(_, event)| is_summed(event)).map(|(time, _)| *time);
    assert_eq!(flows.time_range(), times.clone().min().zip(times.clone().max()));
    assert_eq!(flows.events(), times.count() as u64);
    assert_eq!(
        flows.all().iter().map(|flow| flow.totals.events).sum::<u64>() + flows.untracked().events,
        flows.events()
    );
    assert!(flows.all().len() <= LIMITS.connections);
    assert_eq!(flows.top(usize::MAX).len(), flows.all().len());
    assert_eq!(flows.untracked(), without.untracked());
    assert!(flows.all().iter().map(|flow| flow.totals).eq(without.all().iter().map(|flow| flow.totals)));
    assert!(flows.all().is_sorted_by(|a, b| a.connection.id < b.connection.id));
    for flow in flows.all() {
        holds_its_events(&flow, flow.curves.expect("there is room for them"));
    }
}

/// Bins follow one another, within the times of the connection and the limit, and hold first and last among all values.
fn holds_its_events(flow: &Flow<'_>, curves: &Curves) {
    let span = flow.totals.first_time..=flow.totals.last_time;
    let marks = curves.retransmissions.bins();
    assert!(marks.len() <= LIMITS.bins && marks.is_sorted_by(|a, b| a.last_time < b.first_time));
    assert_eq!(curves.retransmissions.count(), flow.totals.retransmissions);
    for metric in [Metric::SndCwnd, Metric::Ssthresh, Metric::Srtt, Metric::InFlight, Metric::SndWnd, Metric::RcvWnd] {
        let bins: Vec<_> = curves.bins(metric).collect();
        assert!(bins.len() <= LIMITS.bins && bins.is_sorted_by(|a, b| a.last_time < b.first_time));
        for bin in bins {
            assert!(span.contains(&bin.first_time) && span.contains(&bin.last_time));
            let holds = |value| bin.range.is_some_and(|(min, max)| (min..=max).contains(&value));
            assert!(bin.first.into_iter().chain(bin.last).all(holds));
            assert_eq!(curves.at(metric, bin.last_time), bin.last);
        }
    }
}
