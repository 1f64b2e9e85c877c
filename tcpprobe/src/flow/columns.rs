//! Observations out of columns: no record is made, and a connection is looked up once a block.

use std::sync::Arc;

use super::observer::{Observation, Probe};
use crate::event::EventKind;
use crate::file::Batch;
use crate::file::block::{Block, Columns, Row};

/// The columns of one kind of event that observations are made of.
#[derive(Debug)]
enum Source<'a> {
    Probe(Columns<'a, 8>),
    Retransmission(Columns<'a, 2>),
    CongState(Columns<'a, 1>),
    State(Columns<'a, 3>),
    /// What says nothing but that it happened.
    Plain(Observation),
    /// An event that nobody observes.
    Nothing,
}

impl<'a> Source<'a> {
    fn new(block: &'a Block, layout: usize, kind: EventKind) -> Self {
        match kind {
            EventKind::TcpProbe => {
                // Before 4.18 the payload length had another name.
                let data_len = if block.column(layout, "data_len").is_some() { "data_len" } else { "length" };
                let names = [data_len, "snd_nxt", "snd_una", "snd_cwnd", "ssthresh", "snd_wnd", "srtt", "rcv_wnd"];
                Source::Probe(block.columns(layout, names))
            }
            EventKind::TcpRetransmitSkb => Source::Retransmission(block.columns(layout, ["state", "err"])),
            EventKind::TcpRetransmitSynack => Source::Plain(Observation::SynAckRetransmission),
            EventKind::TcpCongStateSet => Source::CongState(block.columns(layout, ["cong_state"])),
            EventKind::InetSockSetState => Source::State(block.columns(layout, ["protocol", "oldstate", "newstate"])),
            EventKind::TcpDestroySock => Source::Plain(Observation::Destroyed),
            EventKind::TcpSendReset => Source::Plain(Observation::ResetSent),
            EventKind::TcpReceiveReset => Source::Plain(Observation::ResetReceived),
            EventKind::TcpRcvSpaceAdjust => Source::Plain(Observation::DataTaken),
            EventKind::Other => Source::Nothing,
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    fn observation(&self, row: &Row) -> Option<Observation> {
        Some(match self {
            Source::Probe(columns) => {
                let [data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd] = columns.get(row);
                Observation::Probe(Probe {
                    data_len: data_len as u16,
                    snd_nxt: snd_nxt as u32,
                    snd_una: snd_una as u32,
                    snd_cwnd: snd_cwnd as u32,
                    ssthresh: ssthresh as u32,
                    snd_wnd: snd_wnd as u32,
                    srtt: srtt as u32,
                    rcv_wnd: rcv_wnd as u32,
                })
            }
            Source::Retransmission(columns) => {
                let [state, error] = columns.get(row);
                Observation::Retransmission { state: state as u8, error: (error as u32).cast_signed() }
            }
            Source::CongState(columns) => Observation::CongState(columns.get(row)[0] as u8),
            Source::State(columns) => {
                let [protocol, old, new] = columns.get(row);
                Observation::State { protocol: protocol as u16, old: old as u8, new: new as u8 }
            }
            Source::Plain(observation) => *observation,
            Source::Nothing => return None,
        })
    }
}

/// The slot that an identity was found in: valid as long as the same connection is in it, and no cookie has changed hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub slot: u32,
    pub id: u64,
    pub moves: u32,
}

/// A block of a batch.
#[derive(Debug)]
struct View<'a> {
    block: &'a Block,
    /// By layout.
    sources: Vec<Source<'a>>,
    /// By identity.
    found: Vec<Option<Found>>,
}

impl<'a> View<'a> {
    fn new(block: &'a Block) -> Self {
        let layouts = block.schema().layouts().iter().enumerate();
        View {
            block,
            sources: layouts.map(|(at, layout)| Source::new(block, at, layout.kind)).collect(),
            found: vec![None; block.keys()],
        }
    }
}

/// A batch, and how far it was observed.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    views: Vec<View<'a>>,
    order: std::slice::Iter<'a, (u32, u32)>,
}

/// An event of a batch.
pub(super) struct Seen<'c, 'a> {
    pub time: u64,
    pub block: &'a Block,
    pub key: u32,
    pub observation: Observation,
    pub found: &'c mut Option<Found>,
}

impl<'a> Cursor<'a> {
    pub fn new(batch: &'a Batch) -> Self {
        let views = batch.blocks().iter().map(Arc::as_ref).map(View::new).collect();
        Cursor { views, order: batch.order().iter() }
    }

    /// The next event that anybody observes.
    #[inline]
    pub fn next_seen(&mut self) -> Option<Seen<'_, 'a>> {
        loop {
            let &(block, row) = self.order.next()?;
            let view = &self.views[block as usize];
            let row = &view.block.rows()[row as usize];
            let Some(observation) = view.sources[view.block.layout_of(row)].observation(row) else { continue };
            let (time, key, block_of) = (row.time, row.key, view.block);
            let found = &mut self.views[block as usize].found[key as usize];
            return Some(Seen { time, block: block_of, key, observation, found });
        }
    }
}
