//! A filter as it was written: terms, joined by `!`, `&&` and `||`.

use super::error::{FilterError, Span};
use super::ranges::Ranges;
use crate::event::Side;

/// Joined terms. `&&` and `||` with any number of sides, so that depth comes from parentheses alone.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Any(Vec<Expr>),
    All(Vec<Expr>),
    Not(Box<Expr>),
    Term(Term),
}

impl Expr {
    /// What all must be met of it.
    pub fn sides(self) -> Vec<Expr> {
        match self {
            Expr::All(list) => list.into_iter().flat_map(Expr::sides).collect(),
            one => vec![one],
        }
    }

    /// With text instead of names: what stands beside fields that are text, and have no names for their values.
    pub fn names_as_text(self) -> Expr {
        let all = |list: Vec<Expr>| list.into_iter().map(Expr::names_as_text).collect();
        let text = |(value, span)| match value {
            Value::Name(name) => (Value::Text(name), span),
            other => (other, span),
        };
        match self {
            Expr::Any(list) => Expr::Any(all(list)),
            Expr::All(list) => Expr::All(all(list)),
            Expr::Not(inner) => Expr::Not(Box::new(inner.names_as_text())),
            Expr::Term(term) => Expr::Term(Term { values: term.values.into_iter().map(text).collect(), ..term }),
        }
    }

    /// Calls `visit` for each term, in the order of the text.
    pub fn each_term<'e>(&'e self, visit: &mut impl FnMut(&'e Term)) {
        match self {
            Expr::Any(list) | Expr::All(list) => list.iter().for_each(|e| e.each_term(visit)),
            Expr::Not(inner) => inner.each_term(visit),
            Expr::Term(term) => visit(term),
        }
    }
}

/// `field op value`, or `field in {value, ...}`, which is `==` with several values.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// As written; [`Subject::of`] says what it stands for.
    pub field: String,
    pub field_span: Span,
    pub op: Op,
    pub op_span: Span,
    /// At least one; exactly one unless `op` is [`Op::Equal`].
    pub values: Vec<(Value, Span)>,
}

impl Term {
    /// The names that it compares its field with.
    pub fn names(self) -> Result<Vec<String>, FilterError> {
        let field = self.field;
        let hint = || format!("write {field} == NAME, or {field} in {{NAME, NAME}}");
        if self.op != Op::Equal {
            let message = format!("{field} is a name, which is equal to another or is not");
            return Err(FilterError::new(self.op_span, message).hint(hint()));
        }
        let name = |(value, span): (Value, Span)| match value {
            Value::Name(name) | Value::Text(name) => Ok(name),
            _ => Err(FilterError::new(span, format!("{field} is a name")).hint(hint())),
        };
        self.values.into_iter().map(name).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// `&`: a bit in common.
    Mask,
    /// `~`: a pattern with `*`, `?` and `[...]`.
    Glob,
}

impl Op {
    pub fn symbol(self) -> &'static str {
        match self {
            Op::Equal => "==",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessEqual => "<=",
            Op::Greater => ">",
            Op::GreaterEqual => ">=",
            Op::Mask => "&",
            Op::Glob => "~",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number (both ends the same) or a range of numbers, both ends in it.
    Numbers(i128, i128),
    /// The same with a unit of time, in microseconds.
    Micros(i128, i128),
    /// An address, a prefix or a range, as 128 bits; IPv4 as its v4-mapped form.
    Addresses(Ranges<u128>),
    /// A word that may be a name for a number: `ESTABLISHED`.
    Name(String),
    /// What stood between quotes.
    Text(String),
}

/// What the left side of a term stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The address of one end, or of either.
    Address(&'static [Side]),
    /// The port of one end, or of either.
    Port(&'static [Side]),
    /// A field like any other.
    Field,
}

impl Subject {
    /// Every word that is an address or a port, whatever fields an event has.
    pub const WORDS: [(&'static str, Subject); 15] = {
        const SOURCE: &[Side] = &[Side::Local];
        const DESTINATION: &[Side] = &[Side::Peer];
        const EITHER: &[Side] = &[Side::Local, Side::Peer];
        [
            ("saddr", Subject::Address(SOURCE)),
            ("daddr", Subject::Address(DESTINATION)),
            ("src", Subject::Address(SOURCE)),
            ("dest", Subject::Address(DESTINATION)),
            ("dst", Subject::Address(DESTINATION)),
            ("saddr_v6", Subject::Address(SOURCE)),
            ("daddr_v6", Subject::Address(DESTINATION)),
            ("saddrv6", Subject::Address(SOURCE)),
            ("daddrv6", Subject::Address(DESTINATION)),
            ("addr", Subject::Address(EITHER)),
            ("host", Subject::Address(EITHER)),
            ("net", Subject::Address(EITHER)),
            ("sport", Subject::Port(SOURCE)),
            ("dport", Subject::Port(DESTINATION)),
            ("port", Subject::Port(EITHER)),
        ]
    };

    pub fn of(word: &str) -> Subject {
        Self::WORDS.iter().find(|(name, _)| *name == word).map_or(Subject::Field, |&(_, subject)| subject)
    }
}
