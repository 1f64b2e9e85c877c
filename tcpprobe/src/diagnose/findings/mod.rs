//! What is worth saying and takes no time: a finding each, with its page and its rule.

mod black_hole;
mod both_ends;
mod bufferbloat;
mod ecn;
mod lost_again;
mod mtu;
mod reordering;
mod reset;
mod spurious;
mod unscaled_window;
mod zero_window;

use super::Diagnosis;

/// Something worth saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name in `--json`.
    pub name: &'static str,
    /// In words, with numbers.
    pub text: String,
}

impl Finding {
    fn new(name: &'static str, text: impl Into<String>) -> Self {
        Finding { name, text: text.into() }
    }
}

/// The rules, in the order in which they are told.
const RULES: [fn(&Diagnosis) -> Option<Finding>; 11] = [
    reset::find,
    black_hole::find,
    mtu::find,
    unscaled_window::find,
    zero_window::find,
    bufferbloat::find,
    ecn::find,
    reordering::find,
    spurious::find,
    lost_again::find,
    both_ends::find,
];

pub(super) fn all(found: &Diagnosis) -> Vec<Finding> {
    RULES.iter().filter_map(|rule| rule(found)).collect()
}
