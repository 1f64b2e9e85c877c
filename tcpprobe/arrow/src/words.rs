//! Texts of a column, each once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use foldhash::fast::RandomState;

use crate::Error;

/// The texts of a batch, and for each row which it has.
#[derive(Debug, Default)]
pub struct Words {
    list: Vec<Box<str>>,
    places: HashMap<Box<str>, i32, RandomState>,
    rows: Vec<Option<i32>>,
}

impl Words {
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

    /// The next row has the text at this place.
    #[inline]
    pub fn push(&mut self, place: Option<i32>) {
        self.rows.push(place);
    }

    /// The next row has this text.
    pub fn push_text(&mut self, text: Option<&str>) {
        let place = text.map(|text| self.place(text));
        self.rows.push(place);
    }

    /// All rows.
    pub fn finish(self) -> Result<ArrayRef, Error> {
        let texts = StringArray::from_iter_values(self.list.iter());
        let keys = if self.rows.iter().all(Option::is_some) {
            self.rows.iter().flatten().copied().collect::<Vec<i32>>().into()
        } else {
            Int32Array::from(self.rows)
        };
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(texts))?))
    }
}
