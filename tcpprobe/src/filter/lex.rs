//! A filter's text as tokens.

use super::ast::Op;
use super::error::{FilterError, Span};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A field, number, address or name: the parser knows which by the place.
    Word(&'t str),
    /// What stands between quotes, without them.
    Quoted(&'t str),
    Compare(Op),
    And,
    Or,
    Not,
    Open,
    Close,
    SetOpen,
    SetClose,
    Comma,
}

/// All tokens of `text`, each with its place.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, Span)>, FilterError> {
    let mut lexer = Lexer { rest: text, at: 0 };
    let mut list = Vec::new();
    while let Some(token) = lexer.next()? {
        list.push(token);
    }
    Ok(list)
}

struct Lexer<'t> {
    rest: &'t str,
    /// Characters before `rest`.
    at: usize,
}

/// Longest first, so that `<=` is not taken for `<`.
const SYMBOLS: [(&str, Token<'static>); 16] = [
    ("==", Token::Compare(Op::Equal)),
    ("!=", Token::Compare(Op::NotEqual)),
    ("<=", Token::Compare(Op::LessEqual)),
    (">=", Token::Compare(Op::GreaterEqual)),
    ("&&", Token::And),
    ("||", Token::Or),
    ("<", Token::Compare(Op::Less)),
    (">", Token::Compare(Op::Greater)),
    ("&", Token::Compare(Op::Mask)),
    ("~", Token::Compare(Op::Glob)),
    ("!", Token::Not),
    ("(", Token::Open),
    (")", Token::Close),
    ("{", Token::SetOpen),
    ("}", Token::SetClose),
    (",", Token::Comma),
];

/// What people write in other languages, what is wrong with it, and what to write here.
const MISTAKES: [(&str, &str, &str); 13] = [
    ("===", "=== is not a comparison", "write =="),
    ("!==", "!== is not a comparison", "write !="),
    ("==~", "==~ is not a comparison", "write ~"),
    ("=~", "=~ is not a comparison", "write ~"),
    ("=<", "=< is not a comparison", "write <="),
    ("=>", "=> is not a comparison", "write >="),
    ("<>", "<> is not a comparison", "write !="),
    ("<<", "there is no arithmetic in filters", "write the result"),
    (">>", "there is no arithmetic in filters", "write the result"),
    ("!~", "!~ is not a comparison", "write ! before the term: !(comm ~ \"x*\")"),
    ("|", "a single | joins nothing", "write ||"),
    ("=", "a single = compares nothing", "write =="),
    ("+", "there is no arithmetic in filters", "write the result"),
];

/// What stands for quotes elsewhere, and what editors make of them.
const OTHER_QUOTES: &str = "“”„‘’`´«»";

/// Characters of words. Wide, so that `fe80::1%eth0` or `10.0.0.1:80` is one word and one error.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/-%[]*?µμ".contains(c)
}

impl<'t> Lexer<'t> {
    /// Takes `bytes` bytes off the text.
    fn take(&mut self, bytes: usize) -> (&'t str, Span) {
        let (taken, rest) = self.rest.split_at(bytes);
        let span = Span { start: self.at, length: taken.chars().count() };
        self.rest = rest;
        self.at += span.length;
        (taken, span)
    }

    fn next(&mut self) -> Result<Option<(Token<'t>, Span)>, FilterError> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.take(blank);
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        if is_word(first) {
            let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
            let (word, span) = self.take(end);
            return Ok(Some((Token::Word(word), span)));
        }
        if first == '"' || first == '\'' {
            return self.quoted(first).map(Some);
        }
        let doubled = ["==", "||"].iter().any(|double| self.rest.starts_with(double));
        let mistake = MISTAKES.iter().find(|(symbol, ..)| {
            // A symbol of one character is a mistake only where it is not the half of a right one.
            self.rest.starts_with(symbol) && !(doubled && symbol.len() == 1)
        });
        if let Some(&(symbol, message, hint)) = mistake {
            return Err(FilterError::new(self.take(symbol.len()).1, message).hint(hint));
        }
        match SYMBOLS.iter().find(|(symbol, _)| self.rest.starts_with(symbol)) {
            Some(&(symbol, token)) => Ok(Some((token, self.take(symbol.len()).1))),
            None => {
                let error =
                    FilterError::new(self.take(first.len_utf8()).1, format!("{first:?} has no meaning in a filter"));
                Err(if OTHER_QUOTES.contains(first) { error.hint("text stands between \" or '") } else { error })
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<(Token<'t>, Span), FilterError> {
        match self.rest[1..].find(quote) {
            Some(length) => {
                let (text, span) = self.take(length + 2);
                Ok((Token::Quoted(&text[1..=length]), span))
            }
            None => Err(FilterError::new(self.take(1).1, format!("the text that begins here has no closing {quote}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Token<'_>> {
        tokens(text).unwrap().into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn words_are_wide() {
        use Token::{And, Compare, Not, Word};
        assert_eq!(
            kinds("sport==80&&!saddr!=2001:db8::/32"),
            [
                Word("sport"),
                Compare(Op::Equal),
                Word("80"),
                And,
                Not,
                Word("saddr"),
                Compare(Op::NotEqual),
                Word("2001:db8::/32")
            ]
        );
        assert_eq!(kinds("x&8000-8100"), [Word("x"), Compare(Op::Mask), Word("8000-8100")]);
        assert_eq!(kinds("'a b' \"c'd\""), [Token::Quoted("a b"), Token::Quoted("c'd")]);
        assert_eq!(kinds(" \t\n"), []);
    }

    #[test]
    fn places_are_in_characters() {
        let list = tokens("comm == \"é\" || sport < 1").unwrap();
        assert_eq!(list[2], (Token::Quoted("é"), Span { start: 8, length: 3 }));
        assert_eq!(list[3], (Token::Or, Span { start: 12, length: 2 }));
    }

    #[test]
    fn other_languages() {
        for (symbol, _, hint) in MISTAKES {
            let text = format!("sport {symbol} 80");
            let error = tokens(&text).unwrap_err();
            assert_eq!((error.column, error.hint.as_deref()), (7, Some(hint)), "{text}");
        }
        assert_eq!(tokens("é == 1").unwrap_err().to_string(), "filter, column 1: 'é' has no meaning in a filter");
        assert_eq!(tokens("comm == \"x").unwrap_err().column, 9);
    }
}
