//! The events of one kind while a block is filled: what changed, and to what.

use std::ops::Range;

use super::bits::put_varint;
use super::column::{ColumnEncoder, zigzag};
use super::encode::Timed;
use super::identity::{Identities, Key};
use super::schema::{Layout, Part, WORD};
use super::table::Values;
use crate::event::EventReader;

/// Columns whose changes are told together, a bit each.
pub const GROUP: usize = 32;
/// The pointer that is number 0 of every list and is not listed.
pub const NULL: u64 = 0;

/// One column, taken out of a word.
#[derive(Debug)]
struct Lane {
    shift: u32,
    mask: u64,
    /// What changed: in the first events of identities, and in all others.
    firsts: Vec<u32>,
    others: Vec<u32>,
    /// The distinct values, where the field is a pointer.
    pointers: Option<Values>,
}

impl Lane {
    fn new(part: &Part) -> Self {
        Lane {
            shift: 8 * (part.offset % WORD) as u32,
            mask: u64::MAX >> (64 - 8 * part.size),
            firsts: Vec::new(),
            others: Vec::new(),
            pointers: part.pointer.then(Values::default),
        }
    }

    /// What is told of the change to the word `now` from `before`, of which only this column is regarded.
    #[inline]
    fn tell(&mut self, before: u64, now: u64) -> u32 {
        match &mut self.pointers {
            Some(_) if now == NULL => 0,
            Some(pointers) => pointers.number(now) + 1,
            None => {
                let value = |word: u64| (word >> self.shift & self.mask) as u32;
                zigzag(value(now).wrapping_sub(value(before)))
            }
        }
    }

    #[inline]
    fn differs(&self, differ: u64) -> bool {
        differ >> self.shift & self.mask != 0
    }

    fn clear(&mut self) {
        self.firsts.clear();
        self.others.clear();
        self.pointers.iter_mut().for_each(Values::clear);
    }
}

/// A word of a record and the columns in it.
#[derive(Debug)]
struct Word {
    at: usize,
    /// The bits that belong to its columns.
    mask: u64,
    lanes: Range<usize>,
}

/// What is told of up to [`GROUP`] columns.
#[derive(Debug)]
struct Group {
    words: Vec<Word>,
    lanes: Vec<Lane>,
    /// For each event, which columns changed: a bit each.
    changes: Vec<u32>,
}

impl Group {
    fn new(parts: &[Part]) -> Self {
        let mut group = Group { words: Vec::new(), lanes: Vec::new(), changes: Vec::new() };
        for parts in parts.chunk_by(|a, b| a.offset / WORD == b.offset / WORD) {
            let first = group.lanes.len();
            group.lanes.extend(parts.iter().map(Lane::new));
            let mask = group.lanes[first..].iter().fold(0, |mask, lane| mask | lane.mask << lane.shift);
            group.words.push(Word { at: parts[0].offset / WORD, mask, lanes: first..group.lanes.len() });
        }
        group
    }

    /// Adds a record, told from the last one of its identity, which differs from it in these bits.
    fn push(&mut self, differ: &[u64], last: &mut [u64]) {
        let mut changes = 0;
        for word in &self.words {
            let differ = differ.get(word.at).map_or(0, |differ| differ & word.mask);
            if differ != 0 {
                changes |= tell_word(&mut self.lanes, word, differ, last);
            }
        }
        self.changes.push(changes);
    }

    /// Adds the first record of an identity, told from that of the identity before it.
    #[cold]
    fn push_first(&mut self, before: &[u64], now: &[u64]) {
        let mut changes = 0u32;
        for word in &self.words {
            let (before, now) = (before[word.at] & word.mask, now[word.at] & word.mask);
            for (lane, at) in self.lanes[word.lanes.clone()].iter_mut().zip(word.lanes.start..) {
                if lane.differs(before ^ now) {
                    let told = lane.tell(before, now);
                    lane.firsts.push(told);
                    changes |= 1 << at;
                }
            }
        }
        self.changes.push(changes);
    }
}

/// Keeps what is told of the columns in a word that differs in these bits; says which columns they are.
#[inline(never)]
fn tell_word(lanes: &mut [Lane], word: &Word, differ: u64, last: &mut [u64]) -> u32 {
    let before = last[word.at];
    let now = before ^ differ;
    last[word.at] = now;
    let mut changes = 0;
    for (at, lane) in word.lanes.clone().zip(&mut lanes[word.lanes.clone()]) {
        if lane.differs(differ) {
            let told = lane.tell(before, now);
            lane.others.push(told);
            changes |= 1 << at;
        }
    }
    changes
}

/// The rows of one kind of event.
#[derive(Debug)]
pub struct Rows {
    /// Makes typed events of its records.
    pub reader: EventReader,
    groups: Vec<Group>,
    /// The words of the first record of the identity that appeared last.
    newest: Vec<u64>,
    /// The words of a record that ends within one.
    padded: Vec<[u8; WORD]>,
    /// In which bits a record differs from the last one of its identity.
    differ: Vec<u64>,
    /// The identity of each row.
    pub keys: Vec<u32>,
    scratch: Vec<u32>,
}

impl Rows {
    pub fn new(layout: &Layout) -> Self {
        Rows {
            reader: EventReader::new(&layout.format),
            groups: layout.columns.chunks(GROUP).map(Group::new).collect(),
            padded: vec![[0; WORD]; layout.masks.len()],
            differ: vec![0; layout.masks.len()],
            newest: vec![0; layout.masks.len()],
            keys: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Adds records that have all fixed fields.
    pub fn push(&mut self, index: usize, layout: &Layout, records: &[Timed<'_>], identities: &mut Identities) {
        for (_, record) in records {
            let (fixed, tail) = record.split_at(layout.size);
            let words = match fixed.as_chunks() {
                (words, []) => words,
                (whole, rest) => {
                    pad(whole, rest, &mut self.padded);
                    &self.padded
                }
            };
            let tail = if layout.dynamic { tail } else { &[] };
            let (number, first) = identities.number(index, layout, words, tail, &mut self.differ);
            self.keys.push(number);
            let last = identities.last_mut(number, words.len());
            if first {
                self.groups.iter_mut().for_each(|group| group.push_first(&self.newest, last));
                self.newest.copy_from_slice(last);
            } else {
                self.groups.iter_mut().for_each(|group| group.push(&self.differ, last));
            }
        }
    }

    /// Appends the columns to `out`; `keys` are the identities of the block, `index` is the kind, `id` turns a
    /// pointer into what is stored.
    pub fn put(
        &mut self,
        index: usize,
        keys: &[Key],
        encoder: &mut ColumnEncoder,
        id: impl Fn(u64) -> u64,
        out: &mut Vec<u8>,
    ) {
        let mut next = vec![0u32; keys.len()];
        for group in &self.groups {
            // Which lanes changed, ordered by identity: each socket has its own pattern.
            let mut start = 0;
            for (place, key) in next.iter_mut().zip(keys).filter(|(_, key)| key.layout == index) {
                *place = start;
                start += key.rows;
            }
            self.scratch.resize(self.keys.len(), 0);
            for (&key, &changes) in self.keys.iter().zip(&group.changes) {
                let place = &mut next[key as usize];
                self.scratch[*place as usize] = changes;
                *place += 1;
            }
            encoder.encode(&self.scratch, out);
            for lane in &group.lanes {
                if let Some(pointers) = &lane.pointers {
                    put_pointers(pointers, encoder, &id, out);
                }
                self.scratch.clear();
                self.scratch.extend_from_slice(&lane.firsts);
                self.scratch.extend_from_slice(&lane.others);
                put_varint(out, self.scratch.len() as u64);
                encoder.encode(&self.scratch, out);
            }
        }
    }

    pub fn clear(&mut self) {
        self.keys.clear();
        self.newest.fill(0);
        for group in &mut self.groups {
            group.changes.clear();
            group.lanes.iter_mut().for_each(Lane::clear);
        }
    }
}

/// Appends the distinct pointers as ids, turned into planes of bytes.
fn put_pointers(pointers: &Values, encoder: &mut ColumnEncoder, id: impl Fn(u64) -> u64, out: &mut Vec<u8>) {
    let ids: Vec<[u8; 8]> = pointers.list().iter().map(|&pointer| id(pointer).to_le_bytes()).collect();
    let planes: Vec<u8> = (0..8).flat_map(|plane| ids.iter().map(move |id| id[plane])).collect();
    encoder.encode_bytes(&planes, out);
}

/// Fills `words` with the fixed part of a record, which ends within the last of them.
#[inline]
fn pad(whole: &[[u8; WORD]], rest: &[u8], words: &mut [[u8; WORD]]) {
    words[..whole.len()].copy_from_slice(whole);
    words[whole.len()][..rest.len()].copy_from_slice(rest);
}
