//! What the kernel is asked: the part of a filter that it evaluates, and evaluates rightly.
//!
//! Source: `kernel/trace/trace_events_filter.c`, and trials on 6.18. What is accepted there and misjudged, and so
//! never written here:
//! - `saddr` of 28 and `saddr_v6` of 16 bytes match nothing, by any comparison. On 5.10 the first event through such
//!   a filter is a kernel panic (seen: a call of the null pointer that `select_comparison_fn()` gives for that size).
//! - A value is cut to the width of its field: `sport == 65616` is `sport == 80`, `sport < 65536` is never true.
//! - `CPU & 1` is never true.
//! - `comm ~ "*x"` compares the end of the 16 bytes, not of the name; `comm ~ "*x*"` may look behind its end;
//!   `comm ~ "1*"` has no star, for its first character is a digit; `comm ~ "!x"` is a negation.
//! - A filter of `0` is no filter.
//!
//! Pointers are not asked for either, for another reason: whoever may filter by the kernel's addresses can find
//! them out.

use std::net::IpAddr;

use super::bind::{ADDRESSES, Asks, Literal, Number};
use super::ranges::Ranges;
use super::tree::Tree;
use super::value::{MAPPED, address_of};
use crate::event::Side;

/// Most characters in a filter: what is written must be shorter than a page (seen on 6.18: 4095 are accepted, 4096
/// are not).
const CHARS_MAX: usize = 4095;
/// Most terms in a filter. A term costs every event 2.1 ns in the kernel, which is 135 ns for as many; to record
/// the event and leave it out later costs about the same (measured on 6.18: 110 ns in the kernel alone).
const TERMS_MAX: usize = 64;
/// Longest text in a term (`MAX_FILTER_STR_VAL` with its NUL).
const TEXT_BYTES_MAX: usize = 255;

/// A condition that no event meets: the type of an event is unsigned.
pub(super) const NEVER: &str = "common_type < 0";

/// What may still be written.
#[derive(Debug, Clone, Copy)]
struct Budget {
    chars: usize,
    terms: usize,
}

impl Budget {
    /// What is left after `condition`, with room for joining it to others; `None` if it is too large.
    fn without(self, condition: &Tree<String>) -> Option<Budget> {
        const JOIN_CHARS: usize = " && ()".len();
        if condition.leaves() == 0 {
            return Some(self);
        }
        Some(Budget {
            chars: self.chars.checked_sub(condition.to_string().len() + JOIN_CHARS)?,
            terms: self.terms.checked_sub(condition.leaves())?,
        })
    }
}

/// Splits a condition into the filter that the kernel gets (`None`: nothing), and what is to be evaluated on the
/// events that pass it, `Constant(true)` if nothing is.
pub(super) fn split<S: Clone>(condition: &Tree<Literal<S>>) -> (Option<String>, Tree<Literal<S>>) {
    // The join's room is taken off for the whole too, where nothing is joined.
    let budget = Budget { chars: CHARS_MAX, terms: TERMS_MAX };
    match part(condition, budget) {
        (Tree::Constant(true), residual) => (None, residual),
        (Tree::Constant(false), _) => (Some(NEVER.to_owned()), Tree::Constant(true)),
        (kernel, residual) => (Some(kernel.to_string()), residual),
    }
}

/// `(kernel, residual)` with `kernel && residual` equal to `condition`, and `kernel` within the budget.
fn part<S: Clone>(condition: &Tree<Literal<S>>, budget: Budget) -> (Tree<String>, Tree<Literal<S>>) {
    match condition {
        Tree::Constant(value) => (Tree::Constant(*value), Tree::Constant(true)),
        Tree::Leaf(literal) => match asked(literal) {
            Some((kernel, exact)) if budget.without(&kernel).is_some() => {
                (kernel, if exact { Tree::Constant(true) } else { condition.clone() })
            }
            Some(_) => (hull(literal), condition.clone()),
            None => (Tree::Constant(true), condition.clone()),
        },
        Tree::All(sides) => part_of_all(sides, budget),
        Tree::Any(sides) => part_of_any(sides, budget).unwrap_or_else(|| (Tree::Constant(true), condition.clone())),
    }
}

/// Each side for itself; where there is not room for all, the short ones.
fn part_of_all<S: Clone>(sides: &[Tree<Literal<S>>], budget: Budget) -> (Tree<String>, Tree<Literal<S>>) {
    let mut order: Vec<usize> = (0..sides.len()).collect();
    order.sort_by_cached_key(|&at| size(&sides[at]));
    let mut left = budget;
    let mut parts: Vec<(Tree<String>, Tree<Literal<S>>)> = Vec::new();
    parts.resize_with(sides.len(), || (Tree::Constant(true), Tree::Constant(true)));
    for at in order {
        let (kernel, residual) = part(&sides[at], left);
        match left.without(&kernel) {
            Some(less) => {
                left = less;
                parts[at] = (kernel, residual);
            }
            None => parts[at].1 = sides[at].clone(),
        }
    }
    let (kernel, residual): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    (Tree::all(kernel), Tree::all(residual))
}

/// Terms that a condition would take, about.
fn size<S>(condition: &Tree<Literal<S>>) -> usize {
    match condition {
        Tree::Constant(_) => 0,
        Tree::Any(sides) | Tree::All(sides) => sides.iter().map(size).sum(),
        Tree::Leaf(Literal::Number { set, .. }) => set.as_slice().len(),
        Tree::Leaf(Literal::Address { set, .. }) => set.as_slice().len(),
        Tree::Leaf(Literal::Mask { .. } | Literal::Text { .. }) => 1,
    }
}

/// All sides or none: the residual is needed whole unless no side leaves one. `None` if a side asks nothing.
fn part_of_any<S: Clone>(sides: &[Tree<Literal<S>>], budget: Budget) -> Option<(Tree<String>, Tree<Literal<S>>)> {
    let mut left = budget;
    let mut exact = true;
    let mut list: Vec<Tree<String>> = Vec::with_capacity(sides.len());
    for side in sides {
        let (kernel, residual) = part(side, left);
        if kernel.is_true() {
            return None;
        }
        left = left.without(&kernel)?;
        exact &= residual.is_true();
        // `family != 2` comes once from each end.
        let flat = if let Tree::Any(inner) = kernel { inner } else { vec![kernel] };
        flat.into_iter().for_each(|new| {
            if !list.contains(&new) {
                list.push(new)
            }
        });
    }
    let residual = if exact { Tree::Constant(true) } else { Tree::any(sides.to_vec()) };
    Some((Tree::any(list), residual))
}

/// What the kernel can say about a literal, and whether that is all: a condition that is met wherever the literal
/// is. `None`: nothing.
fn asked<S>(literal: &Literal<S>) -> Option<(Tree<String>, bool)> {
    let condition = match literal {
        Literal::Number { field, set } if field.kernel != Asks::Nothing => (number_text(field, set), true),
        Literal::Mask { field, mask, negated } if field.kernel == Asks::All => {
            (mask_text(field, *mask, *negated), true)
        }
        Literal::Text { field, text, is_pattern, negated } if kernel_reads(text, *is_pattern) => {
            (text_text(&field.name, text, *is_pattern, *negated), true)
        }
        Literal::Address { field, set } if field.family => {
            // The four bytes are right for IPv4 sockets alone; others may hold a v4-mapped address, which the
            // kernel cannot see. All that holds of those is that they are not IPv4 sockets.
            let v4 = set.within(MAPPED);
            let of_v4 = if v4.is_empty() {
                Tree::Constant(false)
            } else if field.split {
                split_address_text(field.side, &v4)
            } else {
                return None;
            };
            (Tree::any([Tree::Leaf("family != 2".to_owned()), of_v4]), false)
        }
        _ => return None,
    };
    (!condition.0.is_true()).then_some(condition)
}

/// The least range around a set that is too large to ask for.
fn hull<S>(literal: &Literal<S>) -> Tree<String> {
    match literal {
        Literal::Number { field, set } => number_text(field, &Ranges::new(set.hull())),
        _ => Tree::Constant(true),
    }
}

/// Whether the kernel compares this text rightly.
fn kernel_reads(text: &str, is_pattern: bool) -> bool {
    let plain = text.len() <= TEXT_BYTES_MAX && text.bytes().all(|b| matches!(b, b' '..=b'~') && !b"'\"".contains(&b));
    let bare = text.strip_suffix('*').unwrap_or(text);
    let special = bare.contains(['*', '?', '[', '\\']) || bare.is_empty();
    plain && (!is_pattern || !(special || bare.starts_with(|c: char| c.is_ascii_digit() || c == '!')))
}

/// A literal as the language of filters has it, for people.
pub(super) fn literal_text<S>(literal: &Literal<S>) -> Tree<String> {
    match literal {
        Literal::Number { field, set } => number_text(field, set),
        Literal::Mask { field, mask, negated } => mask_text(field, *mask, *negated),
        Literal::Text { field, text, is_pattern, negated } => text_text(&field.name, text, *is_pattern, *negated),
        Literal::Address { field, set } => address_text(field.side.address(), set),
    }
}

fn text_text(name: &str, text: &str, is_pattern: bool, negated: bool) -> Tree<String> {
    let quote = if text.contains('"') { '\'' } else { '"' };
    Tree::Leaf(match (is_pattern, negated) {
        (true, true) => format!("!({name} ~ {quote}{text}{quote})"),
        (true, false) => format!("{name} ~ {quote}{text}{quote}"),
        (false, true) => format!("{name} != {quote}{text}{quote}"),
        (false, false) => format!("{name} == {quote}{text}{quote}"),
    })
}

fn mask_text<S>(field: &Number<S>, mask: u64, negated: bool) -> Tree<String> {
    // A mask with the highest bit of a signed field is a negative number to the kernel.
    let mask = match i128::from(mask) {
        mask if mask > field.domain.1 => mask - (field.domain.1 - field.domain.0 + 1),
        mask => mask,
    };
    Tree::Leaf(bits_text(&field.name, mask, negated))
}

fn bits_text(name: &str, mask: i128, negated: bool) -> String {
    if negated { format!("!({name} & {mask})") } else { format!("{name} & {mask}") }
}

/// A set of numbers as comparisons, by its ranges or by the gaps between them, whichever are fewer.
fn number_text<S>(field: &Number<S>, set: &Ranges<i128>) -> Tree<String> {
    let (name, (least, greatest)) = (&field.name, field.domain);
    let leaf = |op: &str, number: i128| Tree::Leaf(format!("{name} {op} {number}"));
    let inside = Tree::any(set.as_slice().iter().map(|&(low, high)| match (low == least, high == greatest) {
        (true, true) => Tree::Constant(true),
        _ if low == high => leaf("==", low),
        (true, false) => leaf("<", high + 1),
        (false, true) => leaf(">", low - 1),
        (false, false) => Tree::all([leaf(">=", low), leaf("<=", high)]),
    }));
    let gaps = set.complement(field.domain);
    let outside = Tree::all(gaps.as_slice().iter().map(|&(low, high)| match (low == least, high == greatest) {
        (true, true) => Tree::Constant(false),
        _ if low == high => leaf("!=", low),
        (true, false) => leaf(">", high),
        (false, true) => leaf("<", low),
        (false, false) => Tree::any([leaf("<", low), leaf(">", high)]),
    }));
    if outside.leaves() < inside.leaves() { outside } else { inside }
}

/// A set of addresses for people: prefixes and ranges, or what is left out if that is less.
fn address_text(name: &str, set: &Ranges<u128>) -> Tree<String> {
    let (inside, outside) = (address_ranges(set), address_ranges(&set.complement(ADDRESSES)));
    let (list, negated) = if outside.len() < inside.len() { (outside, true) } else { (inside, false) };
    let joined = list.join(", ");
    Tree::Leaf(match (list.len(), negated) {
        (1, true) => format!("{name} != {joined}"),
        (1, false) => format!("{name} == {joined}"),
        (_, true) => format!("!({name} in {{{joined}}})"),
        (_, false) => format!("{name} in {{{joined}}}"),
    })
}

fn address_ranges(set: &Ranges<u128>) -> Vec<String> {
    let domains = [(0, MAPPED.0 - 1), MAPPED, (MAPPED.1 + 1, u128::MAX)];
    let pieces = domains.map(|domain| set.within(domain));
    pieces.iter().flat_map(|piece| piece.as_slice()).map(|&(low, high)| range_text(low, high)).collect()
}

fn range_text(low: u128, high: u128) -> String {
    let first = address_of(low);
    let bits = if first.is_ipv4() { 32 } else { 128 };
    let free = (high - low).count_ones();
    let is_prefix = (high - low).leading_zeros() + free == 128 && low & (high - low) == 0;
    match (low == high, is_prefix) {
        (true, _) => first.to_string(),
        // A prefix with v4-mapped addresses in it says less than the range.
        (_, true) if first.is_ipv4() || !(low..=high).contains(&MAPPED.0) => format!("{first}/{}", bits - free),
        _ => format!("{first}-{}", address_of(high)),
    }
}

/// A set of IPv4 addresses as conditions on a field of four bytes, which is a little-endian number to the kernel.
fn split_address_text(side: Side, set: &Ranges<u128>) -> Tree<String> {
    let inside = Tree::any(prefixes(set).into_iter().map(|prefix| prefix_text(side, prefix)));
    let outside = prefixes(&set.complement(MAPPED)).into_iter().map(|prefix| not_prefix_text(side, prefix));
    let outside = Tree::all(outside);
    if outside.leaves() < inside.leaves() { outside } else { inside }
}

/// `(address, length)` of the prefixes that make up a set of IPv4 addresses.
fn prefixes(set: &Ranges<u128>) -> Vec<(u32, u32)> {
    let mut list = Vec::new();
    for &(low, high) in set.as_slice() {
        let (IpAddr::V4(low), IpAddr::V4(high)) = (address_of(low), address_of(high)) else { continue };
        let (mut low, high) = (u64::from(low.to_bits()), u64::from(high.to_bits()));
        while low <= high {
            let mut free = (low | 1 << 32).trailing_zeros();
            while low + (1 << free) - 1 > high {
                free -= 1;
            }
            #[expect(clippy::cast_possible_truncation, reason = "low is at most high, which was 32 bits")]
            list.push((low as u32, 32 - free));
            low += 1 << free;
        }
    }
    list
}

/// The bits of a prefix that are 1, each as the kernel's number, and all those that are 0 as one number.
fn prefix_bits((address, length): (u32, u32)) -> (Vec<u32>, u32) {
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    let ones = (0..32).map(|bit| 1 << bit).filter(|bit| address & mask & bit != 0);
    (ones.map(u32::swap_bytes).collect(), (!address & mask).swap_bytes())
}

/// The kernel has no "masked and equal", but each bit can be asked for.
fn prefix_text(side: Side, prefix: (u32, u32)) -> Tree<String> {
    let name = side.address();
    if prefix.1 == 32 {
        return Tree::Leaf(format!("{name} == {}", prefix.0.swap_bytes()));
    }
    let (ones, zeros) = prefix_bits(prefix);
    let set = ones.into_iter().map(|bit| Tree::Leaf(bits_text(name, bit.into(), false)));
    let clear = (zeros != 0).then(|| Tree::Leaf(bits_text(name, zeros.into(), true)));
    Tree::all(set.chain(clear))
}

fn not_prefix_text(side: Side, prefix: (u32, u32)) -> Tree<String> {
    let name = side.address();
    if prefix.1 == 32 {
        return Tree::Leaf(format!("{name} != {}", prefix.0.swap_bytes()));
    }
    let (ones, zeros) = prefix_bits(prefix);
    let clear = ones.into_iter().map(|bit| Tree::Leaf(bits_text(name, bit.into(), true)));
    let set = (zeros != 0).then(|| Tree::Leaf(bits_text(name, zeros.into(), false)));
    Tree::any(clear.chain(set))
}
