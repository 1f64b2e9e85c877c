//! Observations out of columns: no record is made, and a connection is looked up once a block.

use std::sync::Arc;

use super::label::Label;
use super::observer::{Observation, Probe};
use crate::event::{EventKind, SNAPSHOT_FIELDS, Snapshot};
use crate::file::Batch;
use crate::file::block::{Block, Columns, Row};

/// The columns of one kind of event that observations are made of.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for each event of a block's schema, and a box would cost each event"
)]
enum Source<'a> {
    Probe(Columns<'a, 8>),
    Retransmission(Columns<'a, 3>),
    CongState(Columns<'a, 1>),
    State(Columns<'a, 3>),
    Reset(Columns<'a, 1>),
    Snapshot(Columns<'a, 7>),
    Owner(Columns<'a, 2>),
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
            EventKind::TcpRetransmitSkb => Source::Retransmission(block.columns(layout, ["state", "err", "skbaddr"])),
            EventKind::TcpRetransmitSynack => Source::Plain(Observation::SynAckRetransmission),
            EventKind::TcpCongStateSet => Source::CongState(block.columns(layout, ["cong_state"])),
            EventKind::InetSockSetState => Source::State(block.columns(layout, ["protocol", "oldstate", "newstate"])),
            EventKind::TcpDestroySock => Source::Plain(Observation::Destroyed),
            EventKind::TcpSendReset => Source::Reset(block.columns(layout, ["reason"])),
            EventKind::TcpReceiveReset => Source::Plain(Observation::ResetReceived),
            EventKind::TcpRcvSpaceAdjust => Source::Plain(Observation::DataTaken),
            EventKind::TcpInfo => Source::Snapshot(block.columns(layout, SNAPSHOT_FIELDS)),
            EventKind::Owner => Source::Owner(block.columns(layout, ["pid", "uid"])),
            EventKind::Other => Source::Nothing,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
    fn observation(&self, row: &Row) -> Option<Observation> {
        Some(match self {
            Source::Probe(columns) => Observation::Probe(probe(columns.get(row))),
            Source::Retransmission(columns) => {
                let [state, error, skb] = columns.get(row);
                Observation::Retransmission { state: state as u8, error: (error as u32).cast_signed(), skb }
            }
            Source::CongState(columns) => Observation::CongState(columns.get(row)[0] as u8),
            Source::State(columns) => {
                let [protocol, old, new] = columns.get(row);
                Observation::State { protocol: protocol as u16, old: old as u8, new: new as u8 }
            }
            Source::Reset(columns) => Observation::ResetSent { reason: columns.get(row)[0] as u32 },
            Source::Snapshot(columns) => Observation::Snapshot(Snapshot::of(columns.get(row))),
            Source::Owner(columns) => {
                let [pid, uid] = columns.get(row);
                Observation::Owner { pid: (pid as u32).cast_signed(), uid: uid as u32 }
            }
            Source::Plain(observation) => *observation,
            Source::Nothing => return None,
        })
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "each value comes from a field of its own size")]
fn probe([data_len, snd_nxt, snd_una, snd_cwnd, ssthresh, snd_wnd, srtt, rcv_wnd]: [u64; 8]) -> Probe {
    Probe {
        data_len: data_len as u16,
        snd_nxt: snd_nxt as u32,
        snd_una: snd_una as u32,
        snd_cwnd: snd_cwnd as u32,
        ssthresh: ssthresh as u32,
        snd_wnd: snd_wnd as u32,
        srtt: srtt as u32,
        rcv_wnd: rcv_wnd as u32,
    }
}

/// The slot that an identity was found in: valid as long as the same connection is in it, and no cookie has changed hands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub slot: u32,
    pub id: u64,
    pub moves: u32,
}

/// What is known of an identity of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    layout: u32,
    pub found: Option<Found>,
}

/// A block of a batch.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub block: &'a Block,
    rows: &'a [Row],
    /// By layout.
    sources: Vec<Source<'a>>,
    pub identities: Vec<Identity>,
}

impl<'a> View<'a> {
    fn new(block: &'a Block) -> Self {
        let layouts = block.schema().layouts().iter().enumerate();
        let identity = |layout: usize| Identity { layout: layout as u32, found: None };
        View {
            block,
            rows: block.rows(),
            sources: layouts.map(|(at, layout)| Source::new(block, at, layout.kind)).collect(),
            identities: block.identities().map(|known| identity(known.layout)).collect(),
        }
    }

    /// The tcp_probe in `row`, where it is one, and the slot that its identity was found in.
    #[inline(always)]
    pub fn probe(&self, row: &Row) -> Option<(Probe, Option<Found>)> {
        let identity = &self.identities[row.key as usize];
        let Some(Source::Probe(columns)) = self.sources.get(identity.layout as usize) else { return None };
        Some((probe(columns.get(row)), identity.found))
    }

    /// What is in `row`; `None` of an event that nobody observes.
    pub fn observation(&self, row: &Row) -> Option<Observation> {
        let identity = &self.identities[row.key as usize];
        self.sources.get(identity.layout as usize)?.observation(row)
    }

    /// What `row` tells in words.
    #[cold]
    pub fn label(&self, row: &Row) -> Option<Label> {
        let layout = &self.block.schema().layouts()[self.block.layout_of(row)];
        let mut buffer = Vec::new();
        Label::read(layout.kind, &layout.format, self.block.record(row, &mut buffer).bytes)
    }
}

/// A batch, and how far it was observed.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    views: Vec<View<'a>>,
    order: std::slice::Iter<'a, (u32, u32)>,
}

impl<'a> Cursor<'a> {
    pub fn new(batch: &'a Batch) -> Self {
        let views = batch.blocks().iter().map(Arc::as_ref).map(View::new).collect();
        Cursor { views, order: batch.order().iter() }
    }

    /// The next event, and its block.
    #[inline]
    pub fn next_row(&mut self) -> Option<(&mut View<'a>, &'a Row)> {
        let &(block, row) = self.order.next()?;
        let view = &mut self.views[block as usize];
        let row = &view.rows[row as usize];
        Some((view, row))
    }
}
