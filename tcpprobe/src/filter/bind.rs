//! Terms bound to the fields of one kind of event.

use super::ast::{Expr, Op, Subject, Term, Value};
use super::error::{FilterError, Span};
use super::names;
use super::ranges::Ranges;
use super::tree::Tree;
use crate::event::Side;

/// The 128-bit addresses that there are.
pub(super) const ADDRESSES: (u128, u128) = (0, u128::MAX);

/// Longest name of a task (`TASK_COMM_LEN` with its NUL).
const COMM_BYTES_MAX: usize = 15;

/// Numbers of IP's versions, and the names of the families that they are not.
const IP_VERSIONS: [(i128, &str); 2] = [(4, "ipv4"), (6, "ipv6")];

/// Names that an error lists.
const LISTED_MAX: usize = 12;

/// Fields that count microseconds, in all events that have them (`include/trace/events/tcp.h`).
const TIMES: [&str; 2] = ["srtt", "rtt_us"];

/// Where the fields of one kind of event are.
pub(super) trait Layout {
    /// How a value is found in an event.
    type Slot: Clone;

    /// The field `name`, which is neither an address nor a port.
    fn field(&self, name: &str) -> Option<Field<Self::Slot>>;
    fn port(&self, side: Side) -> Option<Number<Self::Slot>>;
    fn address(&self, side: Side) -> Option<Address<Self::Slot>>;
    /// The names for numbers that the event itself gives for `field`.
    fn symbols(&self, field: &str) -> Vec<(&str, i128)>;
    /// The names of all fields.
    fn names(&self) -> Vec<&str>;
}

/// A field that is neither address nor port.
pub(super) enum Field<S> {
    Number(Number<S>),
    Text(Text<S>),
    /// Something that no term can speak of, such as an array of numbers.
    Other,
}

/// What the kernel may be asked of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// Everything.
    All,
    /// Comparisons; `&` is accepted and never true (`filter_pred_cpu()`).
    Comparisons,
    /// Nothing.
    Nothing,
}

/// A field that is a number.
#[derive(Debug, Clone)]
pub(super) struct Number<S> {
    /// As the kernel calls it.
    pub name: String,
    pub slot: S,
    /// Least and greatest value that it can have.
    pub domain: (i128, i128),
    pub kernel: Asks,
    /// A kernel pointer: stored traces have an opaque id in its place.
    pub opaque: bool,
}

/// The address of one end.
#[derive(Debug, Clone)]
pub(super) struct Address<S> {
    pub side: Side,
    pub slot: S,
    /// The kernel has a field `family`.
    pub family: bool,
    /// The kernel has the IPv4 address as a field of four bytes, right where `family` is `AF_INET`.
    pub split: bool,
}

/// A field that is text.
#[derive(Debug, Clone)]
pub(super) struct Text<S> {
    /// As the kernel calls it.
    pub name: String,
    pub slot: S,
}

/// A term about one field, negated or not. Of an event that does not say, it is taken for true.
#[derive(Debug, Clone)]
pub(super) enum Literal<S> {
    /// The number is in the set.
    Number { field: Number<S>, set: Ranges<i128> },
    /// The number has a bit in common with the mask, or none if `negated`.
    Mask { field: Number<S>, mask: u64, negated: bool },
    /// The address is in the set.
    Address { field: Address<S>, set: Ranges<u128> },
    /// The text is this one (or fits it as a pattern), or is not if `negated`.
    Text { field: Text<S>, text: String, is_pattern: bool, negated: bool },
}

/// Why a term says nothing about a kind of event.
pub(super) enum Misfit {
    /// The event has no such field.
    Missing,
    /// It has, but of another type, or without that name for a number.
    Wrong(FilterError),
}

/// `expr` (its opposite if `negated`) for events of `layout`, with the negations in the terms.
///
/// In Kleene's three-valued logic "is not false" passes through `&&` and `||`, and `!` leaves unknown as it is:
/// with every `!` moved into the terms, a term that is unknown can be taken for true at once. `unbound` hears of
/// each term about a field that the event lacks.
pub(super) fn bind<L: Layout>(
    layout: &L,
    expr: &Expr,
    negated: bool,
    unbound: &mut impl FnMut(&Term),
) -> Tree<Literal<L::Slot>> {
    match expr {
        Expr::Not(inner) => bind(layout, inner, !negated, unbound),
        Expr::Any(list) | Expr::All(list) => {
            let any = matches!(expr, Expr::Any(_)) != negated;
            let sides: Vec<_> = list.iter().map(|side| bind(layout, side, negated, unbound)).collect();
            if any { Tree::any(sides) } else { Tree::all(sides) }
        }
        Expr::Term(term) => bind_term(layout, term, negated).unwrap_or_else(|_| {
            unbound(term);
            Tree::Constant(true)
        }),
    }
}

/// One term, as [`bind`].
pub(super) fn bind_term<L: Layout>(layout: &L, term: &Term, negated: bool) -> Result<Tree<Literal<L::Slot>>, Misfit> {
    let negated = negated != (term.op == Op::NotEqual);
    match Subject::of(&term.field) {
        Subject::Address(sides) => {
            let set = address_set(term);
            let set = if negated { set.complement(ADDRESSES) } else { set };
            let one = |field| {
                Ok(match set.as_slice() {
                    [] => Tree::Constant(false),
                    [ADDRESSES] => Tree::Constant(true),
                    _ => Tree::Leaf(Literal::Address { field, set: set.clone() }),
                })
            };
            of_sides(sides, negated, |side| layout.address(side).map(one))
        }
        Subject::Port(sides) => {
            of_sides(sides, negated, |side| layout.port(side).map(|field| number(layout, field, term, negated)))
        }
        Subject::Field => match layout.field(&term.field) {
            None => Err(Misfit::Missing),
            Some(Field::Number(field)) => number(layout, field, term, negated),
            Some(Field::Text(field)) => text(&field, term, negated),
            Some(Field::Other) => {
                let message = format!("{} is neither a number nor a text", term.field);
                Err(Misfit::Wrong(FilterError::new(term.field_span, message)))
            }
        },
    }
}

/// The same term about one end or both: about either if it is not negated, about both if it is.
fn of_sides<S>(
    sides: &[Side],
    negated: bool,
    one: impl Fn(Side) -> Option<Result<Tree<Literal<S>>, Misfit>>,
) -> Result<Tree<Literal<S>>, Misfit> {
    let found: Vec<_> = sides.iter().map(|&side| one(side)).collect();
    if found.iter().all(Option::is_none) {
        return Err(Misfit::Missing);
    }
    // An end that the event does not tell is unknown.
    let known = found.into_iter().map(|end| end.unwrap_or(Ok(Tree::Constant(true))));
    let known = known.collect::<Result<Vec<_>, _>>()?;
    Ok(if negated { Tree::all(known) } else { Tree::any(known) })
}

fn address_set(term: &Term) -> Ranges<u128> {
    Ranges::new(term.values.iter().flat_map(|(value, _)| {
        match value {
            Value::Addresses(set) => set.as_slice(),
            _ => &[],
        }
        .iter()
        .copied()
    }))
}

fn number<L: Layout>(
    layout: &L,
    field: Number<L::Slot>,
    term: &Term,
    negated: bool,
) -> Result<Tree<Literal<L::Slot>>, Misfit> {
    if term.op == Op::Glob {
        let message = format!("~ compares text, and {} is a number", term.field);
        return Err(Misfit::Wrong(FilterError::new(term.op_span, message).hint("write ==")));
    }
    let mut ranges = Vec::with_capacity(term.values.len());
    for (value, span) in &term.values {
        ranges.push(numbers(layout, &field, term, value, *span).map_err(Misfit::Wrong)?);
    }
    let Some(&(value, _)) = ranges.first() else { return Err(Misfit::Missing) };
    let set = match term.op {
        Op::Equal | Op::NotEqual | Op::Glob => Ranges::new(ranges),
        Op::Less => Ranges::new([(i128::MIN, value - 1)]),
        Op::LessEqual => Ranges::new([(i128::MIN, value)]),
        Op::Greater => Ranges::new([(value + 1, i128::MAX)]),
        Op::GreaterEqual => Ranges::new([(value, i128::MAX)]),
        Op::Mask => return Ok(mask(field, value, negated)),
    };
    let set = if negated { set.complement(field.domain) } else { set.within(field.domain) };
    Ok(if set.is_empty() {
        Tree::Constant(false)
    } else if set.as_slice() == [field.domain] {
        Tree::Constant(true)
    } else {
        Tree::Leaf(Literal::Number { field, set })
    })
}

/// A mask works on the bits that the field has, as in the kernel.
fn mask<S>(field: Number<S>, mask: i128, negated: bool) -> Tree<Literal<S>> {
    let width = field.domain.1 - field.domain.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the width of a field is at most 64 bits"
    )]
    match (mask & width) as u64 {
        0 => Tree::Constant(negated),
        mask => Tree::Leaf(Literal::Mask { field, mask, negated }),
    }
}

/// The numbers that a value of a term stands for.
fn numbers<L: Layout>(
    layout: &L,
    field: &Number<L::Slot>,
    term: &Term,
    value: &Value,
    span: Span,
) -> Result<(i128, i128), FilterError> {
    let name = match value {
        Value::Numbers(low, high) => return Ok((*low, *high)),
        Value::Micros(low, high) if TIMES.contains(&term.field.as_str()) => return Ok((*low, *high)),
        Value::Micros(..) => {
            let message = format!("{} is not a time; those are {}", term.field, TIMES.join(" and "));
            return Err(FilterError::new(span, message));
        }
        Value::Addresses(_) => {
            let error = FilterError::new(span, format!("{} is not an address", term.field));
            return Err(error.hint("addresses go with saddr, daddr, or addr for either"));
        }
        Value::Name(name) | Value::Text(name) => name,
    };
    if matches!(value, Value::Text(_)) && name.parse::<i128>().is_ok() {
        let error = FilterError::new(span, format!("{} is a number, and numbers stand without quotes", term.field));
        return Err(error.hint(format!("write {} {} {name}", term.field, term.op.symbol())));
    }
    let symbols = layout.symbols(&field.name);
    let own = symbols.iter().find(|(symbol, _)| symbol.eq_ignore_ascii_case(name)).map(|&(_, number)| number);
    if let Some(number) = own.or_else(|| names::number_of(&field.name, name)) {
        return Ok((number, number));
    }
    let error = FilterError::new(span, format!("{name} is not a name for a value of {}", term.field));
    let known = names::known(&field.name);
    let mut all: Vec<&str> = Vec::new();
    for &(symbol, _) in symbols.iter().chain(&known) {
        if !all.contains(&symbol) {
            all.push(symbol);
        }
    }
    Err(match (names::nearest(name, all.iter().copied()), all.len()) {
        (Some(near), _) => error.hint(format!("did you mean {near}?")),
        (None, 0) => error.hint("it is a number"),
        (None, 1..=LISTED_MAX) => error.hint(format!("one of {}", all.join(" "))),
        (None, _) => error,
    })
}

fn text<S: Clone>(field: &Text<S>, term: &Term, negated: bool) -> Result<Tree<Literal<S>>, Misfit> {
    let wrong = |span, message: String| Misfit::Wrong(FilterError::new(span, message));
    if !matches!(term.op, Op::Equal | Op::NotEqual | Op::Glob) {
        return Err(wrong(term.op_span, format!("{} is text, and goes with == != ~", term.field)));
    }
    let mut sides = Vec::with_capacity(term.values.len());
    for (value, span) in &term.values {
        let Value::Text(text) = value else {
            return Err(wrong(*span, format!("{} is text, and text stands in quotes", term.field)));
        };
        let is_pattern = term.op == Op::Glob;
        sides.push(Tree::Leaf(Literal::Text { field: field.clone(), text: text.clone(), is_pattern, negated }));
    }
    Ok(if negated { Tree::all(sides) } else { Tree::any(sides) })
}

/// Checks that some layout has each field of `expr`, of the right type and with room for the values.
pub(super) fn check<L: Layout>(layouts: &[&L], expr: &Expr) -> Result<(), FilterError> {
    let mut result = Ok(());
    expr.each_term(&mut |term| {
        if result.is_ok() {
            result = check_term(layouts, term);
        }
    });
    result
}

fn check_term<L: Layout>(layouts: &[&L], term: &Term) -> Result<(), FilterError> {
    let mut wrong = None;
    let mut never = None;
    for layout in layouts {
        match bind_term(*layout, term, false) {
            Ok(bound) => match never_met(*layout, term, &bound) {
                None => return Ok(()),
                error => never = error,
            },
            Err(Misfit::Wrong(error)) => wrong = wrong.or(Some(error)),
            Err(Misfit::Missing) => {}
        }
    }
    Err(never.or(wrong).unwrap_or_else(|| no_such_field(layouts, term)))
}

/// The error for a term that no value of the field can meet, or that was hardly meant.
fn never_met<L: Layout>(layout: &L, term: &Term, bound: &Tree<Literal<L::Slot>>) -> Option<FilterError> {
    let (least, greatest) = match (Subject::of(&term.field), layout.field(&term.field)) {
        (Subject::Port(_), _) => (0, 0xffff),
        (Subject::Field, Some(Field::Number(field))) => field.domain,
        (Subject::Field, Some(Field::Text(text))) if text.name == "comm" => return too_long(term),
        _ => return None,
    };
    if term.field == "family" && matches!(term.op, Op::Equal | Op::NotEqual) {
        let version = |value: &Value| IP_VERSIONS.iter().find(|(number, _)| *value == Value::Numbers(*number, *number));
        let found = term.values.iter().find_map(|(value, span)| Some((version(value)?, *span)));
        if let Some((&(number, name), span)) = found {
            let message = format!("{number} is a version of IP, and no socket's family");
            return Some(FilterError::new(span, message).hint(format!("write {name}")));
        }
    }
    let outside = |(value, _): &&(Value, Span)| match *value {
        // A mask may be written with the sign, whatever the field.
        Value::Numbers(low, _) if term.op == Op::Mask => low > greatest - least,
        Value::Numbers(low, high) | Value::Micros(low, high) => high < least || greatest < low,
        _ => false,
    };
    let never = || matches!(bound, Tree::Constant(false)).then(|| term.values.first()).flatten();
    let (_, span) = term.values.iter().find(outside).or_else(never)?;
    Some(FilterError::new(*span, format!("{} is {least} to {greatest}", term.field)))
}

/// The error for a name that no task can have.
fn too_long(term: &Term) -> Option<FilterError> {
    let (text, span) = term.values.iter().find_map(|(value, span)| match value {
        Value::Text(text) if text.len() > COMM_BYTES_MAX && term.op != Op::Glob => Some((text, *span)),
        _ => None,
    })?;
    let error = FilterError::new(span, format!("the kernel keeps {COMM_BYTES_MAX} bytes of the name of a task"));
    Some(match text.get(..COMM_BYTES_MAX) {
        Some(kept) => error.hint(format!("write \"{kept}\"")),
        None => error,
    })
}

fn no_such_field<L: Layout>(layouts: &[&L], term: &Term) -> FilterError {
    let error = FilterError::new(term.field_span, format!("no event of these has the field {}", term.field));
    let words = Subject::WORDS.iter().map(|&(word, _)| word).chain(["CPU", "comm"]);
    let names = layouts.iter().flat_map(|layout| layout.names()).chain(words);
    if let Some(name) = names::of_others(&term.field) {
        return error.hint(format!("write {name}"));
    }
    match names::nearest(&term.field, names).filter(|near| *near != term.field) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error,
    }
}

/// The error for a pointer in a filter of a capture: only a reader can tell what its opaque id is.
pub(super) fn check_opaque<L: Layout>(layouts: &[&L], expr: &Expr) -> Result<(), FilterError> {
    let mut result = Ok(());
    expr.each_term(&mut |term| {
        let opaque = |layout: &&L| matches!(layout.field(&term.field), Some(Field::Number(field)) if field.opaque);
        let null = term.values.iter().all(|(value, _)| *value == Value::Numbers(0, 0));
        if result.is_ok() && !null && layouts.iter().any(opaque) {
            let message = format!("{} is a kernel pointer, known only by the id it has in the trace", term.field);
            result = Err(FilterError::new(term.field_span, message).hint("filter when you read the trace"));
        }
    });
    result
}
