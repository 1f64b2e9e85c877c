//! Words of a `print fmt`: C tokens, as far as these expressions have them.

use super::Unsupported;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An identifier or keyword.
    Name(&'a str),
    /// An integer or character constant: its bits, and whether it is unsigned and 8 bytes long.
    Number { bits: u64, unsigned: bool, long: bool },
    /// A string constant, its escapes resolved; neighbours are joined.
    Text(Vec<u8>),
    /// An operator or bracket.
    Sign(&'static str),
    /// Nothing follows.
    End,
}

/// Longest first, so that the first match is the right one.
const SIGNS: [&str; 32] = [
    "->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "{", "}", "[", "]", ",", "?", ":", "+", "-", "*",
    "/", "%", "&", "|", "^", "!", "~", "<", ">", ".", ";",
];

/// Walks the tokens, one ahead.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    ahead: Token<'a>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self, Unsupported> {
        let mut lexer = Lexer { rest: text, ahead: Token::End };
        lexer.next()?;
        Ok(lexer)
    }

    /// The next token, not taken yet.
    pub(super) fn peek(&self) -> &Token<'a> {
        &self.ahead
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Result<Token<'a>, Unsupported> {
        let ahead = self.scan()?;
        Ok(std::mem::replace(&mut self.ahead, ahead))
    }

    /// Takes the next token if it is this sign.
    pub(super) fn accept(&mut self, sign: &str) -> Result<bool, Unsupported> {
        let found = matches!(&self.ahead, Token::Sign(s) if *s == sign);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    /// Takes this sign, or fails.
    pub(super) fn expect(&mut self, sign: &'static str) -> Result<(), Unsupported> {
        if self.accept(sign)? { Ok(()) } else { Err(Unsupported::new(format!("no '{sign}' where one should be"))) }
    }

    fn scan(&mut self) -> Result<Token<'a>, Unsupported> {
        self.rest = self.rest.trim_start();
        let Some(&first) = self.rest.as_bytes().first() else { return Ok(Token::End) };
        match first {
            b'"' => self.text(),
            b'\'' => self.character(),
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(Token::Name(self.word())),
            _ => {
                let sign = SIGNS.into_iter().find(|sign| self.rest.starts_with(sign));
                let sign = sign.ok_or_else(|| Unsupported::new("a character that is no C".to_owned()))?;
                self.rest = &self.rest[sign.len()..];
                Ok(Token::Sign(sign))
            }
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn number(&mut self) -> Result<Token<'a>, Unsupported> {
        let word = self.word();
        let digits = word.trim_end_matches(['u', 'U', 'l', 'L']);
        let suffix = word[digits.len()..].to_ascii_lowercase();
        let (radix, digits) = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
            [b'0', _, ..] => (8, &digits[1..]),
            _ => (10, digits),
        };
        let bits = u64::from_str_radix(digits, radix).map_err(|_| Unsupported::new(format!("the number {word}")))?;
        // C11 6.4.4.1: the first of these types that the value fits.
        let long = suffix.contains('l') || bits > u64::from(u32::MAX) || (radix == 10 && bits > i32::MAX as u64);
        let top = if long { i64::MAX as u64 } else { i32::MAX as u64 };
        Ok(Token::Number { bits, unsigned: suffix.contains('u') || bits > top, long })
    }

    fn character(&mut self) -> Result<Token<'a>, Unsupported> {
        self.rest = &self.rest[1..];
        let byte = self.byte(b'\'')?;
        match byte {
            Some(byte) if self.rest.starts_with('\'') => {
                self.rest = &self.rest[1..];
                Ok(Token::Number { bits: i64::from(byte.cast_signed()).cast_unsigned(), unsigned: false, long: false })
            }
            _ => Err(Unsupported::new("a character constant that is not one".to_owned())),
        }
    }

    fn text(&mut self) -> Result<Token<'a>, Unsupported> {
        let mut text = Vec::new();
        while self.rest.starts_with('"') {
            self.rest = &self.rest[1..];
            while let Some(byte) = self.byte(b'"')? {
                text.push(byte);
            }
            self.rest = self.rest[1..].trim_start();
        }
        Ok(Token::Text(text))
    }

    /// The next byte of a constant, its escape resolved; `None` at the closing quote, which stays.
    fn byte(&mut self, quote: u8) -> Result<Option<u8>, Unsupported> {
        let open = || Unsupported::new("a constant without its closing quote".to_owned());
        let bytes = self.rest.as_bytes();
        match *bytes.first().ok_or_else(open)? {
            byte if byte == quote => Ok(None),
            b'\\' => {
                let (byte, length) = escape(&bytes[1..]).ok_or_else(open)?;
                self.rest = self.rest.get(1 + length..).ok_or_else(open)?;
                Ok(Some(byte))
            }
            byte if byte.is_ascii() => {
                self.rest = &self.rest[1..];
                Ok(Some(byte))
            }
            _ => Err(Unsupported::new("a constant that is not ASCII".to_owned())),
        }
    }
}

/// The byte that an escape stands for, and its length after the backslash.
fn escape(bytes: &[u8]) -> Option<(u8, usize)> {
    let plain = match *bytes.first()? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        b'v' => 11,
        b'a' => 7,
        b'x' => return digits(&bytes[1..], 16, 2).map(|(byte, length)| (byte, 1 + length)),
        b'0'..=b'7' => return digits(bytes, 8, 3),
        other => other,
    };
    Some((plain, 1))
}

fn digits(bytes: &[u8], radix: u32, most: usize) -> Option<(u8, usize)> {
    let length = bytes.iter().take(most).take_while(|b| char::from(**b).is_digit(radix)).count();
    let text = std::str::from_utf8(&bytes[..length]).ok()?;
    Some((u8::from_str_radix(text, radix).ok()?, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Token<'_>>, Unsupported> {
        let mut lexer = Lexer::new(text)?;
        let mut tokens = Vec::new();
        while *lexer.peek() != Token::End {
            tokens.push(lexer.next()?);
        }
        Ok(tokens)
    }

    fn number(bits: u64, unsigned: bool, long: bool) -> Token<'static> {
        Token::Number { bits, unsigned, long }
    }

    #[test]
    fn tokens() {
        let found = all(r#""a\t\"%d\x41\101" "\n", REC->x[1] << '\'' >= 0x8UL"#).unwrap();
        let mut expected = vec![Token::Text(b"a\t\"%dAA\n".to_vec()), Token::Sign(","), Token::Name("REC")];
        expected.extend([Token::Sign("->"), Token::Name("x"), Token::Sign("["), number(1, false, false)]);
        expected.extend([Token::Sign("]"), Token::Sign("<<"), number(39, false, false), Token::Sign(">=")]);
        expected.push(number(8, true, true));
        assert_eq!(found, expected);
    }

    #[test]
    fn types_of_constants() {
        let check = |text, expected| assert_eq!(all(text).unwrap(), vec![expected], "{text}");
        check("2147483647", number(2_147_483_647, false, false));
        check("2147483648", number(2_147_483_648, false, true));
        check("0xffffffff", number(0xffff_ffff, true, false));
        check("0xffffffffffffffff", number(u64::MAX, true, true));
        check("010", number(8, false, false));
        check("'F'", number(70, false, false));
    }

    #[test]
    fn not_c() {
        for text in [
            "\"abc",
            "'ab'",
            "'",
            "''",
            "\"\\",
            "\"\\x\"",
            "'\\",
            "9z",
            "0x",
            "99999999999999999999",
            "@",
            "é",
            "\"é\"",
        ] {
            assert!(all(text).is_err(), "{text}");
        }
    }
}
