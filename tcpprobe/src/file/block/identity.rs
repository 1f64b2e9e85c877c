//! What the events of a block are about: their kind and the fields that stay the same for a socket.

use std::ops::Range;

use super::schema::{Layout, WORD};
use super::table::{Numbering, mix};

/// One identity: its kind and identity fields.
#[derive(Debug, Clone)]
pub struct Key {
    /// Index of the layout.
    pub layout: usize,
    /// Number of events.
    pub rows: u32,
    /// Where its last record begins in [`Identities::last`].
    last: usize,
    /// Its dynamic part in [`Identities::tails`].
    tail: Range<usize>,
}

/// The identities of a block, numbered in the order in which they appear.
#[derive(Debug, Default)]
pub struct Identities {
    numbering: Numbering,
    /// All of them, by number.
    pub keys: Vec<Key>,
    /// The words of the last record of each; of its columns whoever adds records keeps them up to date.
    pub last: Vec<u64>,
    tails: Vec<u8>,
}

impl Identities {
    /// The number of the identity of the record with these words and this dynamic part, with this row counted; and
    /// whether it is new.
    #[inline]
    pub fn number(&mut self, index: usize, layout: &Layout, record: &[[u8; WORD]], tail: &[u8]) -> (u32, bool) {
        let hash = match layout.hashed.is_empty() || layout.dynamic {
            true => {
                let words = record.iter().map(|word| u64::from_le_bytes(*word)).zip(&layout.masks);
                hash_bytes(words.fold(index as u64, |hash, (word, mask)| mix(hash ^ (word & mask))), tail)
            }
            false => {
                let words = layout.hashed.iter().map(|&at| u64::from_le_bytes(record[at]));
                words.fold(index as u64, |hash, word| mix(hash ^ word))
            }
        };
        let (keys, last, tails) = (&self.keys, &self.last, &self.tails);
        let is = |number: u32| {
            let key = &keys[number as usize];
            if key.layout != index {
                return false;
            }
            let known = &last[key.last..][..layout.masks.len()];
            // All words, for that is quicker than to leave some out: the processor compares several at once.
            let words = known.iter().zip(record).zip(&layout.masks);
            let differ =
                words.fold(0, |differ, ((known, word), mask)| differ | (known ^ u64::from_le_bytes(*word)) & mask);
            differ == 0 && (!layout.dynamic || tails[key.tail.clone()] == *tail)
        };
        let (number, new) = self.numbering.number(hash, is);
        if new {
            self.add(index, record, tail);
        }
        self.keys[number as usize].rows += 1;
        (number, new)
    }

    #[cold]
    fn add(&mut self, layout: usize, record: &[[u8; WORD]], tail: &[u8]) {
        let start = self.tails.len();
        self.tails.extend_from_slice(tail);
        self.keys.push(Key { layout, rows: 0, last: self.last.len(), tail: start..self.tails.len() });
        self.last.extend(record.iter().map(|word| u64::from_le_bytes(*word)));
    }

    /// Where the last record of an identity begins in [`Identities::last`].
    #[inline]
    pub fn place(&self, number: u32) -> usize {
        self.keys[number as usize].last
    }

    /// The last record of an identity, of `words` words.
    pub fn last_of(&self, number: u32, words: usize) -> &[u64] {
        &self.last[self.place(number)..][..words]
    }

    /// A record of the identity with everything else 0, its dynamic part behind it, pointers as ids.
    pub fn template(&self, key: &Key, layout: &Layout, id: impl Fn(u64) -> u64) -> Vec<u8> {
        let mut words: Vec<u64> =
            self.last[key.last..].iter().zip(&layout.masks).map(|(word, mask)| word & mask).collect();
        for part in layout.identity.iter().filter(|part| part.pointer) {
            let word = &mut words[part.offset / WORD];
            *word = id(*word);
        }
        let mut record: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        record.truncate(layout.size);
        record.extend_from_slice(&self.tails[key.tail.clone()]);
        record
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.numbering.clear();
        self.keys.clear();
        self.tails.clear();
        self.last.clear();
    }
}

fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(seed, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
}
