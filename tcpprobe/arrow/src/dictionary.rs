//! Values of a column that are in its dictionary once, and in its pages by their places.

use std::collections::{HashMap, HashSet};

use arrow_array::{Array, StringArray};
use arrow_buffer::NullBuffer;
use foldhash::fast::RandomState;
use parquet::basic::Encoding;

use crate::hybrid;
use crate::words::Texts;

/// Bytes of texts from which on a dictionary takes no more: what is new is in the pages.
const TEXT_BYTES: usize = 1 << 20;
/// A dictionary of numbers takes no more than these.
const IDS_MAX: usize = 1 << 14;
/// So many numbers tell whether they repeat.
const TRIAL: usize = 1 << 10;
/// Texts that are longer are no least or greatest ones: readers keep those in memory.
const RANGE_BYTES: usize = 64;

/// Numbers far from each other, of which there are few.
#[derive(Default)]
pub struct IdDictionary {
    places: HashMap<i64, u32, RandomState>,
    list: Vec<i64>,
    /// There are many: they are in the pages.
    is_closed: bool,
}

impl IdDictionary {
    /// Writes a page's numbers.
    pub fn encode(&mut self, ids: &[i64], page: &mut Vec<u8>) -> Encoding {
        self.is_closed |= self.are_many(ids);
        if self.is_closed {
            ids.iter().for_each(|id| page.extend_from_slice(&id.to_le_bytes()));
            return Encoding::PLAIN;
        }
        let places: Vec<u32> = ids.iter().map(|&id| self.place(id)).collect();
        put_places(&places, self.list.len(), page);
        Encoding::RLE_DICTIONARY
    }

    fn place(&mut self, id: i64) -> u32 {
        let next = self.list.len() as u32;
        let place = *self.places.entry(id).or_insert(next);
        if place == next {
            self.list.push(id);
        }
        place
    }

    /// Whether most of them are new each time.
    fn are_many(&self, ids: &[i64]) -> bool {
        let trial = &ids[..ids.len().min(TRIAL)];
        let mut seen: HashSet<i64, RandomState> = HashSet::default();
        let new = trial.iter().filter(|id| !self.places.contains_key(id) && seen.insert(**id));
        self.list.len() >= IDS_MAX || trial.len() == TRIAL && new.count() > TRIAL / 2
    }

    /// The dictionary's own page, and how many values it has.
    pub fn page(&self) -> (Vec<u8>, usize) {
        (self.list.iter().flat_map(|id| id.to_le_bytes()).collect(), self.list.len())
    }
}

/// Texts.
#[derive(Default)]
pub struct TextDictionary {
    dictionary: Texts,
    bytes: usize,
    is_closed: bool,
    /// Those of the page that waits, where the dictionary is closed.
    of_page: Texts,
    /// Places in the one or the other, of the page that waits.
    waiting: Vec<u32>,
    /// The least and the greatest; none where one is too long.
    range: Option<(Box<str>, Box<str>)>,
    has_long: bool,
}

impl TextDictionary {
    /// Adds rows that have the texts with these keys, but for those that are null.
    pub fn push(&mut self, texts: &StringArray, keys: &[i32], nulls: Option<&NullBuffer>) {
        let mut places: Vec<Option<u32>> = vec![None; texts.len()];
        let mut one = |key: i32| {
            let Some(slot) = usize::try_from(key).ok().and_then(|key| places.get_mut(key)) else { return };
            let place = *slot.get_or_insert_with(|| self.place(texts.value(key as usize)));
            self.waiting.push(place);
        };
        match nulls {
            None => keys.iter().for_each(|&key| one(key)),
            Some(nulls) => nulls.valid_indices().for_each(|at| one(keys[at])),
        }
    }

    fn place(&mut self, text: &str) -> u32 {
        let known = if self.is_closed { &mut self.of_page } else { &mut self.dictionary };
        let before = known.iter().len();
        let place = known.place(text).cast_unsigned();
        if known.iter().len() > before {
            self.bytes += text.len() + 4;
            self.widen(text);
        }
        place
    }

    fn widen(&mut self, text: &str) {
        self.has_long |= text.len() > RANGE_BYTES;
        match &mut self.range {
            range if self.has_long => *range = None,
            range @ None => *range = Some((text.into(), text.into())),
            Some((least, _)) if text < &**least => *least = text.into(),
            Some((_, greatest)) if text > &**greatest => *greatest = text.into(),
            Some(_) => {}
        }
    }

    /// Writes the rows that wait.
    pub fn encode(&mut self, page: &mut Vec<u8>) -> Encoding {
        let encoding = if self.is_closed {
            let list: Vec<&str> = self.of_page.iter().collect();
            self.waiting.iter().for_each(|&place| put_text(page, list[place as usize]));
            self.of_page = Texts::default();
            Encoding::PLAIN
        } else {
            put_places(&self.waiting, self.dictionary.iter().len(), page);
            Encoding::RLE_DICTIONARY
        };
        self.waiting.clear();
        self.is_closed |= self.bytes > TEXT_BYTES;
        encoding
    }

    /// The dictionary's own page, and how many values it has.
    pub fn page(&self) -> (Vec<u8>, usize) {
        let mut page = Vec::new();
        self.dictionary.iter().for_each(|text| put_text(&mut page, text));
        (page, self.dictionary.iter().len())
    }

    /// The least and the greatest of all; none where one is too long.
    pub fn range(&self) -> Option<(&str, &str)> {
        self.range.as_ref().map(|(least, greatest)| (&**least, &**greatest))
    }
}

/// A text after its length: Parquet's plain encoding.
fn put_text(page: &mut Vec<u8>, text: &str) {
    page.extend_from_slice(&(text.len() as u32).to_le_bytes());
    page.extend_from_slice(text.as_bytes());
}

/// Places in a dictionary of so many values, after the width of each.
fn put_places(places: &[u32], count: usize, page: &mut Vec<u8>) {
    let width = (usize::BITS - count.saturating_sub(1).leading_zeros()).max(1);
    page.push(width as u8);
    hybrid::encode(places, width, page);
}
