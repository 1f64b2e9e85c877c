//! Texts of a column, each once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_buffer::NullBuffer;
use foldhash::fast::RandomState;

use crate::Error;

/// Texts, each once.
#[derive(Debug, Default)]
pub struct Texts {
    list: Vec<Box<str>>,
    places: HashMap<Box<str>, i32, RandomState>,
}

impl Texts {
    /// The place of a text.
    pub fn place(&mut self, text: &str) -> i32 {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        let place = self.list.len() as i32;
        self.list.push(text.into());
        self.places.insert(text.into(), place);
        place
    }

    /// All of them, by their places.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.list.iter().map(|text| &**text)
    }
}

/// The place of no text.
pub(crate) const NONE: i32 = -1;

/// The texts of a batch, and for each row which it has.
#[derive(Debug, Default)]
pub(crate) struct Words {
    texts: Texts,
    rows: Vec<i32>,
}

impl Words {
    /// The place of a text.
    pub fn place(&mut self, text: &str) -> i32 {
        self.texts.place(text)
    }

    /// The next row has the text at this place.
    #[inline]
    pub fn push(&mut self, place: Option<i32>) {
        self.rows.push(place.unwrap_or(NONE));
    }

    /// The next row has this text.
    pub fn push_text(&mut self, text: Option<&str>) {
        let place = text.map(|text| self.place(text));
        self.push(place);
    }

    /// All rows.
    pub fn finish(self) -> Result<ArrayRef, Error> {
        column(&self.texts, self.rows)
    }
}

/// A column of rows that have the texts at these places, or [`NONE`].
pub(crate) fn column(texts: &Texts, mut rows: Vec<i32>) -> Result<ArrayRef, Error> {
    let valid = rows.contains(&NONE).then(|| {
        let valid = NullBuffer::from_iter(rows.iter().map(|&place| place != NONE));
        rows.iter_mut().for_each(|place| *place = (*place).max(0));
        valid
    });
    let texts = StringArray::from_iter_values(texts.iter());
    Ok(Arc::new(DictionaryArray::try_new(Int32Array::new(rows.into(), valid), Arc::new(texts))?))
}
