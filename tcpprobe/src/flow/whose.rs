//! Whose each connection of a trace is: an observer that keeps nothing else.

use std::sync::Arc;

use super::connection::Connection;
use super::label::Label;
use super::observer::{Observation, Observer};
use crate::event::Owner;

/// What was told of a connection in words: the last of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Whose it was in the end; `None` where nothing was told of it.
    pub owner: Option<Arc<Owner>>,
    /// The name of its congestion control; `None` where no snapshot told it.
    pub congestion_control: Option<Arc<str>>,
}

impl Told {
    /// Takes in what is told.
    pub fn learn(&mut self, label: &Label) {
        match label {
            Label::Owner(owner) => self.owner = Some(owner.clone()),
            Label::CongestionControl(name) => self.congestion_control = Some(name.clone()),
        }
    }
}

/// Gives what was told of each connection to a closure, when the connection leaves.
#[derive(Debug)]
pub struct Whose<F>(pub F);

impl<F: FnMut(&Connection, Told)> Observer for Whose<F> {
    type State = Told;

    fn fields() -> Vec<&'static str> {
        vec!["pid", "uid"]
    }

    fn open(&mut self, _: &Connection) -> Told {
        Told::default()
    }

    fn event(&mut self, _: &mut Told, _: u64, _: &Observation) {}

    fn label(&mut self, told: &mut Told, label: &Label) {
        told.learn(label);
    }

    fn close(&mut self, connection: &Connection, told: Told) {
        (self.0)(connection, told);
    }
}
