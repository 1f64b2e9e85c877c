//! Tokens to terms. The grammar is in the documentation of [`super`].

use super::ast::{Expr, Op, Term, Value};
use super::error::{FilterError, Span};
use super::lex::{Token, tokens};
use super::names;
use super::value::{is_unit, typed, value};

/// Most bytes in a filter.
pub(super) const TEXT_BYTES_MAX: usize = 8192;
/// Most values (a term has one, a set several) in a filter.
pub(super) const VALUES_MAX: usize = 512;
/// Most parentheses in one another.
pub(super) const DEPTH_MAX: usize = 64;

const COMPARISONS: &str = "one of == != < <= > >= & ~ in";
/// Signs of arithmetic that may stand in words.
const ARITHMETIC: [char; 4] = ['-', '*', '/', '%'];

/// The expression in `text`, `None` where there is nothing but blanks.
pub(super) fn parse(text: &str) -> Result<Option<Expr>, FilterError> {
    if text.len() > TEXT_BYTES_MAX {
        let length = text.chars().count();
        let span = Span { start: length.min(TEXT_BYTES_MAX) - 1, length: 1 };
        return Err(FilterError::new(span, format!("the filter is longer than {TEXT_BYTES_MAX} bytes")));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, values: 0, last: None };
    let expr = parser.any()?;
    match parser.peek() {
        None => Ok(Some(expr)),
        Some(_) => Err(parser.unexpected()),
    }
}

struct Parser<'t> {
    tokens: Vec<(Token<'t>, Span)>,
    at: usize,
    depth: usize,
    values: usize,
    /// Field and comparison of the last term, for hints.
    last: Option<(&'t str, Op)>,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.at).map(|&(token, _)| token)
    }

    /// Place of the next token, of the last one at the end.
    fn span(&self) -> Span {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(Span { start: 0, length: 1 }, |&(_, span)| span)
    }

    /// Takes the next token if it is `token`.
    fn accept(&mut self, token: Token<'_>) -> bool {
        let taken = self.peek() == Some(token);
        self.at += usize::from(taken);
        taken
    }

    fn any(&mut self) -> Result<Expr, FilterError> {
        self.joined(Token::Or, Self::all, Expr::Any)
    }

    fn all(&mut self) -> Result<Expr, FilterError> {
        self.joined(Token::And, Self::unary, Expr::All)
    }

    fn joined(
        &mut self,
        by: Token<'_>,
        side: fn(&mut Self) -> Result<Expr, FilterError>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expr, FilterError> {
        let first = side(self)?;
        if self.peek() != Some(by) {
            return Ok(first);
        }
        let mut list = vec![first];
        while self.accept(by) {
            list.push(side(self)?);
        }
        Ok(join(list))
    }

    /// A term or a parenthesis, after any number of `!`.
    fn unary(&mut self) -> Result<Expr, FilterError> {
        let mut negated = false;
        while self.accept(Token::Not) {
            negated = !negated;
        }
        let inner = match self.peek() {
            Some(Token::Open) => self.parenthesis()?,
            Some(Token::Word(word)) => Expr::Term(self.term(word)?),
            _ => return Err(self.no_term()),
        };
        Ok(if negated { Expr::Not(Box::new(inner)) } else { inner })
    }

    fn parenthesis(&mut self) -> Result<Expr, FilterError> {
        let open = self.span();
        if self.depth == DEPTH_MAX {
            return Err(FilterError::new(open, format!("more than {DEPTH_MAX} parentheses in one another")));
        }
        self.at += 1;
        self.depth += 1;
        let inner = self.any()?;
        self.depth -= 1;
        if self.accept(Token::Close) {
            return Ok(inner);
        }
        Err(match self.peek() {
            None => FilterError::new(open, "this ( is never closed"),
            Some(_) => self.unexpected(),
        })
    }

    fn term(&mut self, field: &'t str) -> Result<Term, FilterError> {
        let field_span = self.span();
        self.check_field(field, field_span)?;
        self.at += 1;
        let op_span = self.span();
        let Some(next) = self.peek() else { return Err(no_comparison(field, field_span)) };
        let (op, is_set) = match next {
            Token::Compare(op) => (op, false),
            Token::Word(word) if word.eq_ignore_ascii_case("in") => (Op::Equal, true),
            Token::Word(word) if word.eq_ignore_ascii_case("not") => {
                let hint = format!("write !({field} in {{...}})");
                return Err(FilterError::new(op_span, "not is not a word of filters").hint(hint));
            }
            Token::Word(word) if other_language(word, op_span).is_some() => {
                return Err(no_comparison(field, field_span));
            }
            Token::Word(word) | Token::Quoted(word) => return Err(self.word_for_comparison(field, word, op_span)),
            Token::SetOpen => {
                return Err(
                    FilterError::new(op_span, "a set needs the word in").hint(format!("write {field} in {{...}}"))
                );
            }
            _ => return Err(no_comparison(field, field_span)),
        };
        self.at += 1;
        let values = if is_set { self.set(field, op_span)? } else { vec![self.value(field, op, op_span)?] };
        self.last = Some((field, op));
        Ok(Term { field: field.to_owned(), field_span, op, op_span, values })
    }

    /// Refuses words that cannot name a field, and the words of other languages.
    fn check_field(&self, word: &str, span: Span) -> Result<(), FilterError> {
        let joins_terms = !matches!(self.tokens.get(self.at + 1), Some((Token::Compare(_), _)));
        if let (Some(error), true) = (other_language(word, span), joins_terms) {
            return Err(error);
        }
        let mut letters = word.bytes();
        if letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        {
            return Ok(());
        }
        let error = FilterError::new(span, format!("{word} is not the name of a field, and a term begins with one"));
        let begins_as_field = word.starts_with(|c: char| c.is_ascii_alphabetic());
        Err(match (names::of_others(word), self.last) {
            (Some(name), _) => error.hint(format!("write {name}")),
            _ if begins_as_field && word.contains(ARITHMETIC) => error.hint("there is no arithmetic in filters"),
            (None, Some((field, _))) => error.hint(format!("write {field} == {word}")),
            (None, None) => error,
        })
    }

    /// The error for a word where a comparison should be.
    fn word_for_comparison(&self, field: &str, word: &str, span: Span) -> FilterError {
        if word.len() == 1 && word.contains(ARITHMETIC) {
            return FilterError::new(span, "there is no arithmetic in filters").hint("write the result");
        }
        let error = FilterError::new(span, format!("a comparison must stand between {field} and {word}"));
        let after = match self.tokens.get(self.at + 1) {
            Some(&(Token::Word(after), span)) if other_language(after, span).is_none() => Some(after),
            Some(&(Token::Quoted(after), _)) => Some(after),
            _ => None,
        };
        match (after, names::of_tcpdump(field, word)) {
            (Some(value), Some(name)) => error.hint(format!("write {name} == {value}")),
            // The word was meant as a comparison: eq, is, contains.
            (Some(_), None) => error.hint(COMPARISONS),
            (None, _) => error.hint(format!("write {} == {word}", names::of_others(field).unwrap_or(field))),
        }
    }

    fn value(&mut self, field: &str, op: Op, after: Span) -> Result<(Value, Span), FilterError> {
        let span = self.span();
        let value = match self.peek() {
            Some(Token::Word(word)) => value(word, span)?,
            Some(Token::Quoted(text)) => Value::Text(text.to_owned()),
            Some(Token::SetOpen) => {
                let term =
                    if op == Op::NotEqual { format!("!({field} in {{...}})") } else { format!("{field} in {{...}}") };
                return Err(FilterError::new(after, "a set goes with the word in").hint(format!("write {term}")));
            }
            _ => return Err(FilterError::new(after, "a value must follow here")),
        };
        self.at += 1;
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(FilterError::new(span, format!("more than {VALUES_MAX} values in one filter")));
        }
        Ok((typed(field, op, value, span)?, span))
    }

    fn set(&mut self, field: &str, word_in: Span) -> Result<Vec<(Value, Span)>, FilterError> {
        let open = self.span();
        if !self.accept(Token::SetOpen) {
            let error = FilterError::new(word_in, "a set in braces must follow in");
            return Err(error.hint(format!("write {field} in {{80, 443}}, with the values that you mean")));
        }
        let mut values = Vec::new();
        let mut before = open;
        loop {
            values.push(self.value(field, Op::Equal, before)?);
            before = self.span();
            if self.accept(Token::SetClose) {
                return Ok(values);
            }
            if !self.accept(Token::Comma) {
                return Err(match self.peek() {
                    None => FilterError::new(open, "this { is never closed"),
                    Some(_) => FilterError::new(before, "a comma or } must stand here"),
                });
            }
        }
    }

    /// The error for a place where a term should begin.
    fn no_term(&self) -> FilterError {
        let span = self.span();
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|&(token, _)| token);
        match (before, self.peek()) {
            (Some(Token::Open), Some(Token::Close)) => FilterError::new(span, "there is nothing in these parentheses"),
            (_, None) => FilterError::new(span, "a term must follow here"),
            (_, Some(Token::Compare(_))) => FilterError::new(span, "a field must stand before the comparison"),
            (_, Some(Token::Quoted(_))) => FilterError::new(span, "a term begins with a field, as in comm == \"curl\""),
            (_, Some(_)) => FilterError::new(span, "a term must stand here, as in sport == 80"),
        }
    }

    /// The error for a token after a complete term.
    fn unexpected(&self) -> FilterError {
        let span = self.span();
        let (field, op) = self.last.unwrap_or(("port", Op::Equal));
        match self.peek() {
            Some(Token::Close) => FilterError::new(span, "this ) closes nothing"),
            Some(Token::Comma) if op != Op::Equal => {
                FilterError::new(span, "a comma stands in sets only").hint("write numbers without commas")
            }
            Some(Token::Comma) => {
                FilterError::new(span, "a list of values is a set").hint(format!("write {field} in {{80, 443}}"))
            }
            Some(Token::Compare(Op::Mask)) => {
                FilterError::new(span, "& tests bits of a number").hint("write && between terms")
            }
            Some(Token::Compare(_)) if op == Op::Mask => {
                FilterError::new(span, format!("{field} & is a comparison already: true where a bit is in common"))
                    .hint("leave out what follows")
            }
            Some(Token::Compare(_)) => {
                FilterError::new(span, "comparisons do not follow one another").hint("write && between two terms")
            }
            Some(Token::Word(word)) => other_language(word, span).unwrap_or_else(|| {
                let error = FilterError::new(span, format!("&& or || must stand before {word}"));
                match self.at.checked_sub(1).map(|before| self.tokens[before].0) {
                    _ if word.starts_with('-') => error.hint("write a range without blanks: 8000-8100"),
                    Some(Token::Word(number)) if is_unit(word) => error.hint(format!("write {number}{word}")),
                    _ => error,
                }
            }),
            _ => FilterError::new(span, "&& or || must stand here"),
        }
    }
}

fn other_language(word: &str, span: Span) -> Option<FilterError> {
    let symbol = match word.to_ascii_lowercase().as_str() {
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        _ => return None,
    };
    Some(FilterError::new(span, format!("{word} is not a word of filters")).hint(format!("write {symbol}")))
}

fn no_comparison(field: &str, span: Span) -> FilterError {
    FilterError::new(span, format!("a comparison must follow {field}")).hint(COMPARISONS)
}
