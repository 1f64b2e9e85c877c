//! The language of filters, and what becomes of a filter: a part for the kernel, and a residual that makes it exact.
//!
//! # Grammar
//!
//! ```text
//! filter  = [ any ]                                 nothing but blanks: every event
//! any     = all { "||" all }
//! all     = not { "&&" not }                        binds closer than ||, as in the kernel
//! not     = { "!" } ( "(" any ")" | term )          binds closest: !sport == 80 is !(sport == 80)
//! term    = field compare value
//!         | field "in" "{" value { "," value } "}"  one of them
//! compare = "==" | "!=" | "<" | "<=" | ">" | ">="
//!         | "&"                                     a bit in common, on the bits that the field has
//!         | "~"                                     text that fits a pattern: * ? [a-z] [!a-z] \
//! value   = number | range | time | address | name | '"' text '"' | "'" text "'"
//! number  = [ "-" ] digits | "0x" hexadecimal digits
//! range   = number "-" number | time "-" time       with == != in, both ends included
//! time    = digits [ "." digits ] ( "us" | "ms" | "s" )
//! address = IPv4 | IPv6 | IPv4 "/" length | IPv6 "/" length | address "-" address
//! ```
//!
//! # Fields
//!
//! - Every number and text of any event, by the kernel's name for it, the common ones (`common_pid`) too; `CPU` and
//!   `comm`, the CPU and the task that the event interrupted. Text goes with `==`, `!=`, `~` and `in`.
//! - Addresses: `saddr` or `src` is the socket's own, `daddr`, `dest` or `dst` the peer's, however the event stores
//!   them; `addr`, `host` and `net` are either. They go with `==`, `!=` and `in`, and may stand in quotes. A
//!   v4-mapped address (`::ffff:10.0.0.1`) is the IPv4 address, in the filter as in the event, and an IPv6 prefix
//!   has no IPv4 address in it.
//! - Ports: `sport`, `dport`, and `port` for either, also where an event has them in its socket addresses only.
//! - `family` is the socket's: an IPv4 connection of a dual-stack socket is `AF_INET6`.
//! - Names stand for numbers: states (`state == ESTABLISHED`, `newstate`, `oldstate`, `cong_state`), families
//!   (`AF_INET`, `ipv4`, `inet`, and so on), `protocol`, and what the event's `print fmt` names.
//!   Times are for `srtt` and `rtt_us`, which count microseconds.
//! - Kernel pointers (`skaddr`, `skbaddr`, `req`) are the opaque ids that a stored trace has in their place: filter
//!   by them when reading. The kernel is never asked about them, and [`Filter::check_capture`] refuses them, except
//!   for a comparison with 0, "there is none".
//!
//! `!=` is always the opposite of `==`: `port != 22` is "neither port is 22", `addr != 10.0.0.0/8` "neither end is in
//! 10.0.0.0/8". Every other comparison with `port` is "either end".
//!
//! # What an event does not say
//!
//! A term is true, false, or **unknown**: of a field that the event lacks (or has of another type, or without the name
//! that the term gives a number), of an address whose family is neither, of `comm` where the recording does not know it.
//! `!` of unknown is unknown; `&&` is false if a side is false, else unknown if a side is unknown; `||` is true if a side
//! is true, else unknown if a side is unknown (Kleene's logic). An event passes unless the whole is **false**.
//!
//! So a term about a field that an event lacks does not exclude it, at any depth: of `sport == 80 && srtt > 20ms`, a
//! retransmission passes if its port is 80; so it does of `sport == 80 && !(srtt > 20ms)`; of
//! `sport == 80 || srtt > 20ms`, every retransmission passes.
//!
//! A comparison that no value of a field could meet is false, and one that every value meets is true, also where the
//! event does not say: `snd_cwnd == 4294967296` is false (and an error of [`Filter::check`]), `port >= 0` is true.
//!
//! An event that names its socket (`skaddr`, `sk`) and not its ends has the ends that other events told of that socket, where
//! the reader joins them ([`Context::ends`], [`crate::event::sockets`]): `sport == 80` leaves out what is of a socket with
//! another port, or of one that nobody has told. An end that an event does tell is taken as it is: a socket that connects and
//! has no port yet has port 0.
//!
//! # What the kernel gets
//!
//! [`Filter::compile`] gives for one event a filter for the kernel, which passes at least all events that the whole
//! passes, and a residual for those, such that both together are exactly the whole. The kernel gets all that it
//! evaluates rightly, `kernel.rs` says what that is. It gets less where that would be too long (4095 characters, 64
//! terms): then the residual has the rest.

mod ast;
mod bind;
mod error;
mod help;
mod joined;
mod kernel;
mod lex;
mod names;
mod parse;
mod pattern;
mod program;
mod ranges;
mod record;
mod tree;
mod value;

use std::borrow::Cow;
use std::fmt;

use crate::event::{Side, Socket};
use crate::kernel::format::Format;

pub use error::FilterError;
pub use help::HELP;
pub use joined::Joined;
pub use pattern::glob;

use ast::Expr;
use program::Program;
use tree::Tree;

/// A filter that was read, not yet bound to any event.
///
/// ```
/// use tcpprobe::filter::Filter;
/// let filter = Filter::parse("addr == 10.0.0.0/8 && port in {80, 443}")?;
/// assert_eq!(filter.text(), "addr == 10.0.0.0/8 && port in {80, 443}");
/// assert!(Filter::parse("")?.is_all());
/// # Ok::<(), tcpprobe::filter::FilterError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
    expr: Option<Expr>,
}

/// What is known of an event beside its fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'c> {
    /// The CPU that recorded it.
    pub cpu: u32,
    /// The task that was interrupted; `None` is unknown. Not asked of the idle task, whose name is `swapper/CPU`.
    pub comm: Option<&'c str>,
    /// Its process id, for typed events; a record has it itself. `None` is unknown.
    pub pid: Option<i32>,
    /// The ends of its socket, for an event that names the socket and not its ends.
    pub ends: Ends,
}

/// What is known of the ends of a socket beside what its event says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ends {
    /// Nobody looked for them: a term about them is unknown, as one about any field that an event lacks.
    #[default]
    Unasked,
    /// No other event told them: a term about them is false, and so is its opposite. The event is of no socket that the filter
    /// is about.
    Unknown,
    /// Other events told them.
    Of(Socket),
}

impl<'c> Context<'c> {
    /// The name of the task with this id, as the kernel's filters have it: the idle task, which traces print as
    /// `<idle>`, is `swapper/CPU` (`init_idle()`, `kernel/sched/core.c`).
    fn comm_of(&self, pid: Option<i32>) -> Option<Cow<'c, [u8]>> {
        match pid {
            Some(0) => Some(format!("swapper/{}", self.cpu).into_bytes().into()),
            _ => self.comm.map(|comm| comm.as_bytes().into()),
        }
    }
}

/// A filter for one event, from [`Filter::compile`].
#[derive(Debug, Clone)]
pub struct Compiled {
    /// What to write to the event's `filter` file; `None`: the kernel is to record every event.
    pub kernel: Option<String>,
    /// What to ask of each event that the kernel recorded; `None`: all of them pass.
    pub residual: Option<Predicate>,
    /// Fields of terms that are unknown of all these events, as written, each once, in the order of the text.
    pub missing: Vec<String>,
}

/// A condition on records of one event. `Display` gives it in the language of filters.
#[derive(Debug, Clone)]
pub struct Predicate {
    program: Program<record::Slot>,
    text: String,
}

impl Filter {
    /// Reads a filter. The text may have at most 8 KiB, 512 values, and 64 parentheses in one another.
    ///
    /// # Errors
    /// With the place and what to write instead, when the text is not of the grammar or a value does not suit its
    /// field. Whether the events have the fields is for [`Filter::check`] to say.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Filter { text: text.to_owned(), expr: parse::parse(text)? })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it passes every event, having no terms.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.expr.is_none()
    }

    /// The events that pass both.
    ///
    /// ```
    /// use tcpprobe::filter::Filter;
    /// let both = Filter::parse("sport == 80 || dport == 80")?.and(&Filter::parse("protocol == 6")?);
    /// assert_eq!(both.text(), "(sport == 80 || dport == 80) && protocol == 6");
    /// # Ok::<(), tcpprobe::filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn and(&self, other: &Filter) -> Filter {
        let text = |filter: &Filter| match filter.expr {
            Some(Expr::Any(_)) => format!("({})", filter.text),
            _ => filter.text.clone(),
        };
        match (&self.expr, &other.expr) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(one), Some(two)) => Filter {
                text: format!("{} && {}", text(self), text(other)),
                expr: Some(Expr::All(vec![one.clone(), two.clone()])),
            },
        }
    }

    /// Takes out the terms `field == NAME` and `field in {NAME, …}` that all must meet, for what no event has: of whole connections.
    /// Gives the names of each.
    ///
    /// ```
    /// use tcpprobe::filter::Filter;
    /// let mut filter = Filter::parse("sport == 80 && limit in {timeout, policer}")?;
    /// assert_eq!(filter.take_names("limit")?, [["timeout", "policer"]]);
    /// assert!(filter.take_names("limit")?.is_empty() && !filter.is_all());
    /// # Ok::<(), tcpprobe::filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    /// For a term about `field` that compares otherwise, or that is not joined to the others by `&&` alone.
    pub fn take_names(&mut self, field: &str) -> Result<Vec<Vec<String>>, FilterError> {
        let taken = self.take_sides(|side| matches!(side, Expr::Term(term) if term.field == field), &[field])?;
        let terms = taken.into_iter().filter_map(|side| if let Expr::Term(term) = side { Some(term) } else { None });
        terms.map(ast::Term::names).collect()
    }

    /// Takes out what all must meet and is about `fields` alone, for what is known of whole connections beside their events. Text
    /// of one word needs no quotes in it.
    ///
    /// ```
    /// use tcpprobe::filter::Filter;
    /// let mut filter = Filter::parse("sport == 80 && (unit ~ \"nginx*\" || uid == 33)")?;
    /// assert!(!filter.take_about(&["unit", "uid"])?.is_all());
    /// assert!(filter.take_about(&["unit", "uid"])?.is_all() && !filter.is_all());
    /// # Ok::<(), tcpprobe::filter::FilterError>(())
    /// ```
    ///
    /// # Errors
    /// For a term about one of `fields` that is joined to others than such by `||` or `!`.
    pub fn take_about(&mut self, fields: &[&str]) -> Result<Filter, FilterError> {
        let is_about = |side: &Expr| {
            let mut is = true;
            side.each_term(&mut |term| is &= fields.contains(&term.field.as_str()));
            is
        };
        let taken = self.take_sides(is_about, fields)?;
        let taken = taken.into_iter().map(Expr::names_as_text).collect();
        Ok(Filter { text: self.text.clone(), expr: joined(taken) })
    }

    /// Takes out the sides that `is_taken`; none of the others may be about one of `fields`.
    fn take_sides(&mut self, is_taken: impl Fn(&Expr) -> bool, fields: &[&str]) -> Result<Vec<Expr>, FilterError> {
        let sides = self.expr.take().map(Expr::sides).unwrap_or_default();
        let (taken, rest): (Vec<Expr>, Vec<Expr>) = sides.into_iter().partition(is_taken);
        let mut misplaced = None;
        rest.iter().for_each(|side| {
            side.each_term(&mut |term| {
                let is_one = fields.contains(&term.field.as_str());
                misplaced = misplaced.take().or(is_one.then(|| (term.field_span, term.field.clone())));
            });
        });
        if let Some((span, field)) = misplaced {
            let message = format!("{field} is of whole connections, and stands beside other terms only");
            return Err(FilterError::new(span, message).hint("join it to the others by &&"));
        }
        self.expr = joined(rest);
        Ok(taken)
    }

    /// Checks it against the events it is meant for.
    ///
    /// # Errors
    /// For the first term whose field none of the events has, whose value is not of the type of the field, which no
    /// value of the field could meet, or which asks for a family of 4 or 6, where a version of IP was meant.
    pub fn check<'f>(&self, formats: impl IntoIterator<Item = &'f Format>) -> Result<(), FilterError> {
        let Some(expr) = &self.expr else { return Ok(()) };
        bind::check(&formats.into_iter().collect::<Vec<_>>(), expr)
    }

    /// Checks it against the events that are to be captured through it: as [`Filter::check`], and no term may be
    /// about a kernel pointer, except for a comparison with 0.
    ///
    /// # Errors
    /// As [`Filter::check`], and for the first such term.
    pub fn check_capture(&self, formats: &[Format]) -> Result<(), FilterError> {
        self.check(formats)?;
        let Some(expr) = &self.expr else { return Ok(()) };
        bind::check_opaque(&formats.iter().collect::<Vec<_>>(), expr)
    }

    /// Whether the ports and addresses that it asks for are told of the events of `format`, by themselves or by their sockets.
    /// Of others its terms about them are unknown.
    #[must_use]
    pub fn can_hold(&self, format: &Format) -> bool {
        let mut can = true;
        let has_port = bind::Layout::port(format, Side::Local).is_some();
        let has_address = bind::Layout::address(format, Side::Local).is_some();
        if let Some(expr) = &self.expr {
            expr.each_term(&mut |term| {
                can &= match ast::Subject::of(&term.field) {
                    ast::Subject::Port(_) => has_port,
                    ast::Subject::Address(_) => has_address,
                    ast::Subject::Field => true,
                }
            });
        }
        can
    }

    /// Splits it between the kernel and user space for the events of `format`.
    ///
    /// ```
    /// # use tcpprobe::{filter::Filter, kernel::format::Format};
    /// # let text = include_str!("../../../fixtures/formats/6.18.44-fc-v669/events/tcp/tcp_probe/format");
    /// # let tcp_probe = Format::parse("tcp", text).unwrap();
    /// let filter = Filter::parse("dport == 443 && daddr == 192.168.1.0/24 && state == ESTABLISHED")?;
    /// let compiled = filter.compile(&tcp_probe);
    /// assert_eq!(compiled.kernel.as_deref(), Some("dport == 443"));
    /// assert_eq!(compiled.residual.map(|r| r.to_string()).as_deref(), Some("daddr == 192.168.1.0/24"));
    /// assert_eq!(compiled.missing, ["state"]);
    /// # Ok::<(), tcpprobe::filter::FilterError>(())
    /// ```
    #[must_use]
    pub fn compile(&self, format: &Format) -> Compiled {
        let mut missing: Vec<String> = Vec::new();
        let condition = self.bind(format, &mut |field| {
            if !missing.iter().any(|known| known == field) {
                missing.push(field.to_owned());
            }
        });
        let (kernel, residual) = kernel::split(&condition);
        let residual = (!residual.is_true()).then(|| Predicate::new(&residual));
        Compiled { kernel, residual, missing }
    }

    /// The whole filter as a condition on records of `format`, for those who read what was recorded without it.
    #[must_use]
    pub fn predicate(&self, format: &Format) -> Predicate {
        Predicate::new(&self.bind(format, &mut |_| ()))
    }

    fn bind<L: bind::Layout>(&self, layout: &L, missing: &mut impl FnMut(&str)) -> Tree<bind::Literal<L::Slot>> {
        match &self.expr {
            None => Tree::Constant(true),
            Some(expr) => bind::bind(layout, expr, false, &mut |term| missing(&term.field)),
        }
    }
}

/// The text it was read from.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Predicate {
    fn new(condition: &Tree<bind::Literal<record::Slot>>) -> Self {
        // Nothing is the text of "every event"; "no event" is what no event meets.
        let text = match condition {
            Tree::Constant(true) => String::new(),
            Tree::Constant(false) => kernel::NEVER.to_owned(),
            condition => condition.map(&kernel::literal_text).to_string(),
        };
        Predicate { program: Program::new(condition), text }
    }

    /// Whether it asks for the name of the task: [`Context::comm`].
    #[must_use]
    pub fn asks_comm(&self) -> bool {
        self.program.slots().any(|slot| matches!(slot, record::Slot::Comm))
    }

    /// Whether it asks for ends that the event may not tell itself: [`Context::ends`].
    #[must_use]
    pub fn asks_ends(&self) -> bool {
        self.program.slots().any(record::Slot::may_lack_ends)
    }

    /// Whether the event in `record` passes. A record that is too short for a field does not say what is in it.
    #[must_use]
    #[inline]
    pub fn matches(&self, record: &[u8], context: &Context<'_>) -> bool {
        self.program.run(&record::RecordFields { record, context })
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
/// All of these.
fn joined(mut sides: Vec<Expr>) -> Option<Expr> {
    if sides.len() > 1 { Some(Expr::All(sides)) } else { sides.pop() }
}
