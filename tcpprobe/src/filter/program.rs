//! Evaluates a condition: tests in a row, each of which says where to go on.

use std::borrow::Cow;

use super::bind::{ADDRESSES, Literal};
use super::pattern::fits;
use super::ranges::{Int, Ranges};
use super::tree::Tree;

/// What a test asks of one event.
pub(super) trait Fields {
    /// How a value is found.
    type Slot;

    /// The bits of a number, zero-extended; `None` if the event does not say.
    fn number(&self, slot: &Self::Slot) -> Option<u64>;
    /// An address of 128 bits, IPv4 as its v4-mapped form.
    fn address(&self, slot: &Self::Slot) -> Option<u128>;
    /// A text without its NUL.
    fn text(&self, slot: &Self::Slot) -> Option<Cow<'_, [u8]>>;
    /// Whether a test of what the event does not say has failed, and its opposite too.
    fn denies(&self, slot: &Self::Slot) -> bool;
}

/// A condition ready to be evaluated on events whose fields are found by `S`.
#[derive(Debug, Clone)]
pub(super) struct Program<S> {
    nodes: Vec<Node<S>>,
    first: u32,
}

/// Index of a node, or one of these.
const PASS: u32 = u32::MAX;
const DROP: u32 = u32::MAX - 1;

#[derive(Debug, Clone)]
struct Node<S> {
    slot: S,
    /// Where the same test is made a second time, as for the other end of the connection. One node is faster than two:
    /// what costs time is a jump that was not foreseen.
    other: Option<Other<S>>,
    test: Test,
    /// The result of the test at which the literal is true.
    wanted: bool,
    if_true: u32,
    if_false: u32,
}

#[derive(Debug, Clone)]
struct Other<S> {
    slot: S,
    /// One of both is enough.
    any: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Lowest, and how far the highest is from it.
    Number(u64, u64),
    Numbers(Box<[(u64, u64)]>),
    Mask(u64),
    Address(u128, u128),
    Addresses(Box<[(u128, u128)]>),
    Text(Box<str>),
    Pattern(Box<str>),
}

impl<S: Clone> Program<S> {
    pub fn new(condition: &Tree<Literal<S>>) -> Self {
        let mut program = Program { nodes: Vec::with_capacity(condition.leaves()), first: PASS };
        program.first = program.add(condition, PASS, DROP);
        program
    }

    /// Adds the nodes of `condition`, the last first, and returns where to begin.
    fn add(&mut self, condition: &Tree<Literal<S>>, if_true: u32, if_false: u32) -> u32 {
        let (sides, any) = match condition {
            Tree::Constant(true) => return if_true,
            Tree::Constant(false) => return if_false,
            Tree::Leaf(literal) => {
                let (slot, test, wanted) = test(literal);
                return self.push(Node { slot, other: None, test, wanted, if_true, if_false });
            }
            Tree::Any(sides) => (sides, true),
            Tree::All(sides) => (sides, false),
        };
        let mut sides: Vec<&Tree<Literal<S>>> = sides.iter().collect();
        sides.sort_by_key(|side| cost(side));
        let mut next = if any { if_false } else { if_true };
        while let Some(side) = sides.pop() {
            let (if_true, if_false) = if any { (if_true, next) } else { (next, if_false) };
            next = match sides.last().and_then(|before| pair(before, side, any)) {
                Some((slot, other, test, wanted)) => {
                    sides.pop();
                    self.push(Node { slot, other: Some(other), test, wanted, if_true, if_false })
                }
                None => self.add(side, if_true, if_false),
            };
        }
        next
    }

    fn push(&mut self, node: Node<S>) -> u32 {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(PASS)
    }
}

/// Two literals with the same test, as one.
fn pair<S: Clone>(one: &Tree<Literal<S>>, two: &Tree<Literal<S>>, any: bool) -> Option<(S, Other<S>, Test, bool)> {
    let (Tree::Leaf(one), Tree::Leaf(two)) = (one, two) else { return None };
    let ((slot, test, wanted), (other, other_test, other_wanted)) = (test(one), test(two));
    (test == other_test && wanted == other_wanted).then_some((slot, Other { slot: other, any }, test, wanted))
}

/// Where and what to test for a literal, and which result makes it true.
fn test<S: Clone>(literal: &Literal<S>) -> (S, Test, bool) {
    match literal {
        Literal::Number { field, set } => {
            let (ranges, wanted) = fewest(set, field.domain);
            let bits = raw_bits(ranges.as_slice(), field.domain);
            let test = match bits[..] {
                [(low, high)] => Test::Number(low, high - low),
                _ => Test::Numbers(bits.into()),
            };
            (field.slot.clone(), test, wanted)
        }
        Literal::Mask { field, mask, negated } => (field.slot.clone(), Test::Mask(*mask), !negated),
        Literal::Address { field, set } => {
            let (ranges, wanted) = fewest(set, ADDRESSES);
            let test = match ranges.as_slice() {
                &[(low, high)] => Test::Address(low, high - low),
                ranges => Test::Addresses(ranges.into()),
            };
            (field.slot.clone(), test, wanted)
        }
        Literal::Text { field, text, is_pattern, negated } => {
            let text = text.as_str().into();
            (field.slot.clone(), if *is_pattern { Test::Pattern(text) } else { Test::Text(text) }, !negated)
        }
    }
}

/// The set, or what it leaves out if that has fewer ranges; and whether it is the set.
fn fewest<T: Int>(set: &Ranges<T>, domain: (T, T)) -> (Ranges<T>, bool) {
    let gaps = set.complement(domain);
    if gaps.as_slice().len() < set.as_slice().len() { (gaps, false) } else { (set.clone(), true) }
}

impl<S> Program<S> {
    /// Where the tests look.
    pub fn slots(&self) -> impl Iterator<Item = &S> {
        self.nodes
            .iter()
            .flat_map(|node| std::iter::once(&node.slot).chain(node.other.as_ref().map(|other| &other.slot)))
    }

    /// Whether the condition is met. A literal about something that the event does not say counts as true, unless it is
    /// denied ([`Fields::denies`]).
    #[inline]
    pub fn run<F: Fields<Slot = S>>(&self, event: &F) -> bool {
        let mut at = self.first;
        while let Some(node) = self.nodes.get(at as usize) {
            let mut met = node.is_met(event, &node.slot);
            if let Some(other) = &node.other {
                let too = node.is_met(event, &other.slot);
                met = if other.any { met | too } else { met & too };
            }
            at = if met { node.if_true } else { node.if_false };
        }
        at == PASS
    }
}

impl<S> Node<S> {
    #[inline]
    fn is_met<F: Fields<Slot = S>>(&self, event: &F, slot: &S) -> bool {
        self.test.result(event, slot).map_or_else(|| !event.denies(slot), |result| result == self.wanted)
    }
}

impl Test {
    #[inline]
    fn result<F: Fields>(&self, event: &F, slot: &F::Slot) -> Option<bool> {
        Some(match self {
            Test::Number(low, width) => event.number(slot)?.wrapping_sub(*low) <= *width,
            Test::Numbers(ranges) => within(ranges, event.number(slot)?),
            Test::Mask(mask) => event.number(slot)? & mask != 0,
            Test::Address(low, width) => event.address(slot)?.wrapping_sub(*low) <= *width,
            Test::Addresses(ranges) => within(ranges, event.address(slot)?),
            Test::Text(text) => *event.text(slot)? == *text.as_bytes(),
            Test::Pattern(pattern) => fits(&event.text(slot)?, pattern.as_bytes()),
        })
    }
}

/// Whether `value` is in one of the ascending ranges.
fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|&(low, _)| low <= value);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, high)| value <= high)
}

/// A set of numbers as a set of the bits that stand for them in a field of that domain.
fn raw_bits(set: &[(i128, i128)], domain: (i128, i128)) -> Vec<(u64, u64)> {
    let wrap = domain.1 - domain.0 + 1;
    let negative = set.iter().map(|&(low, high)| (low + wrap, high.min(-1) + wrap)).filter(|&(low, high)| {
        // Only what was below zero.
        low <= high && low > domain.1
    });
    let positive = set.iter().map(|&(low, high)| (low.max(0), high)).filter(|&(low, high)| low <= high);
    let bits = |number: i128| u64::try_from(number).unwrap_or(u64::MAX);
    positive.chain(negative).map(|(low, high)| (bits(low), bits(high))).collect()
}

/// Orders tests: the cheap ones first, for whichever order `&&` and `||` are evaluated in, the result is the same.
fn cost<S>(condition: &Tree<Literal<S>>) -> usize {
    match condition {
        Tree::Constant(_) => 0,
        Tree::Any(sides) | Tree::All(sides) => sides.iter().map(cost).sum(),
        Tree::Leaf(Literal::Number { .. } | Literal::Mask { .. }) => 1,
        Tree::Leaf(Literal::Address { .. }) => 2,
        Tree::Leaf(Literal::Text { .. }) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_ranges_as_bits() {
        let s8 = (-128, 127);
        assert_eq!(raw_bits(&[(-128, -1)], s8), [(128, 255)]);
        assert_eq!(raw_bits(&[(-2, 3)], s8), [(0, 3), (254, 255)]);
        assert_eq!(raw_bits(&[(5, 127)], s8), [(5, 127)]);
        assert_eq!(raw_bits(&[(0, 255)], (0, 255)), [(0, 255)]);
        let s64 = (i128::from(i64::MIN), i128::from(i64::MAX));
        assert_eq!(raw_bits(&[(-1, -1)], s64), [(u64::MAX, u64::MAX)]);
    }

    #[test]
    fn many_ranges() {
        let ranges = [(1u64, 3), (7, 7), (10, u64::MAX)];
        let inside: Vec<u64> = (0..12).filter(|&n| within(&ranges, n)).collect();
        assert_eq!(inside, [1, 2, 3, 7, 10, 11]);
    }
}
