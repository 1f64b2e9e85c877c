//! Evaluates a condition: tests in a row, each of which says where to go on.

use super::bind::Literal;
use super::pattern::fits;
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
    fn text(&self, slot: &Self::Slot) -> Option<&[u8]>;
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
    test: Test,
    /// The result of the test at which the literal is true.
    wanted: bool,
    if_true: u32,
    if_false: u32,
}

#[derive(Debug, Clone)]
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
            Tree::Leaf(literal) => return self.push(literal, if_true, if_false),
            Tree::Any(sides) => (sides, true),
            Tree::All(sides) => (sides, false),
        };
        let mut sides: Vec<&Tree<Literal<S>>> = sides.iter().collect();
        sides.sort_by_key(|side| cost(side));
        let next = if any { if_false } else { if_true };
        sides.into_iter().rev().fold(next, |next, side| match any {
            true => self.add(side, if_true, next),
            false => self.add(side, next, if_false),
        })
    }

    fn push(&mut self, literal: &Literal<S>, if_true: u32, if_false: u32) -> u32 {
        let (slot, test, wanted) = match literal {
            Literal::Number { field, set } => {
                // Fewer ranges are faster: a set of one gap is the opposite of one range.
                let gaps = set.complement(field.domain);
                let by_gaps = gaps.as_slice().len() < set.as_slice().len();
                let bits = raw_bits(if by_gaps { &gaps } else { set }.as_slice(), field.domain);
                let test = match bits[..] {
                    [(low, high)] => Test::Number(low, high - low),
                    _ => Test::Numbers(bits.into()),
                };
                (&field.slot, test, !by_gaps)
            }
            Literal::Mask { field, mask, negated } => (&field.slot, Test::Mask(*mask), !negated),
            Literal::Address { field, set } => {
                let gaps = set.complement(super::bind::ADDRESSES);
                let by_gaps = gaps.as_slice().len() < set.as_slice().len();
                let test = match if by_gaps { &gaps } else { set }.as_slice() {
                    &[(low, high)] => Test::Address(low, high - low),
                    ranges => Test::Addresses(ranges.into()),
                };
                (&field.slot, test, !by_gaps)
            }
            Literal::Text { field, text, is_pattern: false, negated } => {
                (&field.slot, Test::Text(text.as_str().into()), !negated)
            }
            Literal::Text { field, text, is_pattern: true, negated } => {
                (&field.slot, Test::Pattern(text.as_str().into()), !negated)
            }
        };
        self.nodes.push(Node { slot: slot.clone(), test, wanted, if_true, if_false });
        u32::try_from(self.nodes.len() - 1).unwrap_or(PASS)
    }
}

impl<S> Program<S> {
    /// Whether the condition is met. A literal about something that the event does not say counts as true.
    #[inline]
    pub fn run<F: Fields<Slot = S>>(&self, event: &F) -> bool {
        let mut at = self.first;
        while let Some(node) = self.nodes.get(at as usize) {
            let met = node.test.result(event, &node.slot).is_none_or(|result| result == node.wanted);
            at = if met { node.if_true } else { node.if_false };
        }
        at == PASS
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
            Test::Text(text) => event.text(slot)? == text.as_bytes(),
            Test::Pattern(pattern) => fits(event.text(slot)?, pattern.as_bytes()),
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
