//! What is shown: the rows that are chosen, in their order, which is selected, and what the user is about to do. It knows no
//! terminal, and asks for what it lacks.

use std::collections::HashMap;
use std::mem;

use tcpprobe::diagnose::{Diagnosis, Stretch};

use super::choice::Choice;
use super::feed::Standing;
use super::row::{self, Headline, Key, Row, SortKey};
use crate::exit;

/// The longest filter that is typed.
const FILTER_MAX: usize = 500;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// So many rows down, or up.
    Move(i64),
    /// So many screens.
    Page(i64),
    First,
    Last,
    /// Sorts by the next column to the right, or to the left.
    Sort(bool),
    Reverse,
    /// Begins to type a filter.
    Filter,
    Type(char),
    Erase,
    EraseAll,
    /// Takes what is typed, or shows a connection.
    Enter,
    /// Goes back: from help, from typing, from a connection, from a filter.
    Back,
    Pause,
    Help,
    Suspend,
    Quit,
}

/// What is typed into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typing {
    pub text: String,
    /// Why it is no filter yet.
    pub error: Option<String>,
}

/// What is known of the connection that is shown in full.
#[derive(Debug, Clone, Default)]
pub struct Details {
    pub history: Vec<Stretch>,
    pub diagnosis: Option<Diagnosis>,
}

/// A job, as the title tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLine {
    pub name: String,
    pub standing: Standing,
}

/// What is shown.
#[derive(Debug, Default)]
pub struct Model {
    /// All of the last tick.
    all: Vec<Row>,
    /// Those that are chosen, in their order: places in `all`.
    rows: Vec<usize>,
    pub sort: SortOrder,
    choice: Choice,
    filter: String,
    pub typing: Option<Typing>,
    selected: Option<Key>,
    /// The place of the selected row, for when it is gone.
    place: usize,
    /// The first row on the screen, and how many there are room for.
    offset: usize,
    height: usize,
    pub is_paused: bool,
    pub is_help: bool,
    /// The connection that is shown in full.
    pub details_of: Option<Key>,
    pub details: Details,
    headlines: HashMap<Key, Headline>,
    pub jobs: Vec<JobLine>,
    pub events_per_s: f64,
    pub is_over: bool,
}

/// How rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortOrder {
    pub by: SortKey,
    pub is_reversed: bool,
}

impl Default for SortOrder {
    fn default() -> Self {
        SortOrder { by: SortKey::Rate, is_reversed: false }
    }
}

impl Model {
    /// With a filter to begin with, which must be right.
    pub fn new(filter: &str, by: SortKey) -> Result<Self, exit::Failure> {
        let sort = SortOrder { by, is_reversed: false };
        Ok(Model { choice: Choice::parse(filter)?, filter: filter.to_owned(), sort, height: 1, ..Model::default() })
    }

    /// Takes in a tick, unless it stands still.
    pub fn take(&mut self, rows: Vec<Row>, jobs: Vec<JobLine>, events_per_s: f64) {
        self.jobs = jobs;
        self.events_per_s = events_per_s;
        if self.is_paused {
            return;
        }
        self.all = rows;
        self.headlines.clear();
        self.choose();
    }

    /// The connections whose headline is needed and not known.
    pub fn asks(&self) -> Vec<Key> {
        let rows: Box<dyn Iterator<Item = &Row>> = match self.choice.asks_limits() {
            true => Box::new(self.all.iter()),
            false => Box::new(self.shown().map(|(row, _)| row)),
        };
        rows.map(|row| row.key).filter(|key| !self.headlines.contains_key(key)).collect()
    }

    /// Takes in headlines; none is one that stays unknown until the next tick.
    pub fn answer(&mut self, headlines: impl IntoIterator<Item = (Key, Headline)>) {
        self.headlines.extend(headlines);
        if self.choice.asks_limits() {
            self.choose();
        }
    }

    pub fn headline(&self, key: Key) -> Option<&Headline> {
        self.headlines.get(&key)
    }

    /// Says how many rows there is room for.
    pub fn resize(&mut self, height: usize) {
        self.height = height.max(1);
        self.scroll();
    }

    /// The rows on the screen; whether each is the selected one.
    pub fn shown(&self) -> impl Iterator<Item = (&Row, bool)> {
        let rows = self.chosen().skip(self.offset).take(self.height);
        rows.map(|row| (row, self.selected == Some(row.key)))
    }

    /// All rows that are chosen, in their order.
    pub fn chosen(&self) -> impl ExactSizeIterator<Item = &Row> {
        self.rows.iter().map(|&at| &self.all[at])
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// The row of the connection that is shown in full, if it is there.
    pub fn details_row(&self) -> Option<&Row> {
        self.all.iter().find(|row| Some(row.key) == self.details_of)
    }

    /// Whether there is a column for jobs.
    pub fn has_jobs(&self) -> bool {
        self.jobs.len() > 1
    }

    /// Does what was asked for.
    pub fn act(&mut self, action: Action) {
        if self.typing.is_some() {
            return self.edit(action);
        }
        match action {
            Action::Quit => self.is_over = true,
            Action::Help => self.is_help = !self.is_help,
            Action::Back if self.is_help => self.is_help = false,
            Action::Back if self.details_of.is_some() => self.close(),
            Action::Back => self.set_filter(""),
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Move(by) => self.go(self.place as i64 + by),
            Action::Page(by) => self.go(self.place as i64 + by * self.height as i64),
            Action::First => self.go(0),
            Action::Last => self.go(i64::MAX),
            Action::Sort(is_right) => {
                self.sort = SortOrder { by: self.sort.by.step(is_right), is_reversed: false };
                self.choose();
            }
            Action::Reverse => {
                self.sort.is_reversed = !self.sort.is_reversed;
                self.choose();
            }
            Action::Filter => {
                self.close();
                self.typing = Some(Typing { text: self.filter.clone(), error: None });
            }
            Action::Enter if self.details_of.is_some() => self.close(),
            Action::Enter => {
                self.details_of = self.selected;
                self.details = Details::default();
            }
            Action::Type(_) | Action::Erase | Action::EraseAll | Action::Suspend => {}
        }
    }

    fn close(&mut self) {
        self.details_of = None;
        self.details = Details::default();
    }

    /// While a filter is typed, it holds as soon as it is one.
    fn edit(&mut self, action: Action) {
        let Some(mut typing) = self.typing.take() else { return };
        match action {
            Action::Type(letter) if typing.text.len() + letter.len_utf8() <= FILTER_MAX => typing.text.push(letter),
            Action::Erase => {
                typing.text.pop();
            }
            Action::EraseAll => typing.text.clear(),
            Action::Enter if typing.error.is_none() => return,
            // What held last stays.
            Action::Back => return,
            Action::Quit => self.is_over = true,
            _ => {}
        }
        typing.error = match Choice::parse(&typing.text) {
            Ok(choice) => {
                (self.choice, self.filter) = (choice, typing.text.clone());
                self.choose();
                None
            }
            Err(failure) => Some(exit::line(&failure.into())),
        };
        self.typing = Some(typing);
    }

    fn set_filter(&mut self, filter: &str) {
        if let Ok(choice) = Choice::parse(filter) {
            (self.choice, self.filter) = (choice, filter.to_owned());
            self.choose();
        }
    }

    /// Finds what is chosen anew, and the selected row in it.
    fn choose(&mut self) {
        let mut all = mem::take(&mut self.all);
        row::sort(&mut all, self.sort.by, self.sort.is_reversed);
        let chosen = all.iter().enumerate().filter(|(_, row)| self.choice.fits(row, self.headlines.get(&row.key)));
        self.rows = chosen.map(|(at, _)| at).collect();
        self.all = all;
        let place = self.selected.and_then(|key| self.chosen().position(|row| row.key == key));
        match place {
            Some(place) => {
                self.place = place;
                self.scroll();
            }
            // What was selected is gone; who never moved stays at the top.
            None => self.go(self.place as i64),
        }
    }

    fn go(&mut self, place: i64) {
        let last = self.rows.len().saturating_sub(1);
        self.place = usize::try_from(place.max(0)).unwrap_or(usize::MAX).min(last);
        self.selected = self.rows.get(self.place).map(|&at| self.all[at].key);
        self.scroll();
    }

    /// Keeps the selected row on the screen.
    fn scroll(&mut self) {
        let top = (self.place + 1).saturating_sub(self.height);
        self.offset = self.offset.clamp(top, self.place).min(self.rows.len().saturating_sub(self.height));
    }
}
