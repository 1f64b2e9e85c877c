//! A file or stream as it is read: gzip undone, text as UTF-8.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

/// Where what reads an input tells that it is not whole; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Damage(Rc<RefCell<Option<String>>>);

impl Damage {
    /// Notes what is wrong; the first that was holds.
    pub fn tell(&self, words: String) {
        self.0.borrow_mut().get_or_insert(words);
    }

    pub fn words(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

/// What [`sniff`](super::sniff()) made of a file or stream.
pub struct Input<'a> {
    reader: Box<dyn Read + 'a>,
    damage: Damage,
}

impl<'a> Input<'a> {
    pub(super) fn new(reader: impl Read + 'a, damage: Damage) -> Self {
        Input { reader: Box::new(reader), damage }
    }

    /// In words, what was wrong with what was read so far: a gzip stream that is cut, for one. Known at its end.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        self.damage.words()
    }

    /// The same, to be asked when the input was read by somebody else.
    pub fn damage_later(&self) -> impl FnOnce() -> Option<String> + use<> {
        let damage = self.damage.clone();
        move || damage.words()
    }

    pub(super) fn shared_damage(&self) -> Damage {
        self.damage.clone()
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("damage", &self.damage).finish_non_exhaustive()
    }
}
