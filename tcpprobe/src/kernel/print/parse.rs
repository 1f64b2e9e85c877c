//! The arguments of a `print fmt`: from C to [`Expr`].

use super::Unsupported;
use super::expr::{Expr, Shape};
use super::lex::{Lexer, Token};
use super::number::{Binary, IntType, Number};
use crate::kernel::format::{Field, Format, Kind};
use crate::kernel::names;

/// Most operands of one expression; bounds the recursion over its value.
const OPERANDS_MAX: usize = 256;
/// Most expressions and operands in one another; bounds the recursion over its text, of some kilobytes of stack each.
const DEPTH_MAX: usize = 64;
/// Most entries of one table of names; the kernel's longest, of drop reasons, has some 130.
const TABLE_MAX: usize = 4096;

/// Operators, the loosest first.
const PRECEDENCE: [&[(&str, Binary)]; 10] = [
    &[("||", Binary::LogicalOr)],
    &[("&&", Binary::LogicalAnd)],
    &[("|", Binary::Or)],
    &[("^", Binary::Xor)],
    &[("&", Binary::And)],
    &[("==", Binary::Eq), ("!=", Binary::Ne)],
    &[("<=", Binary::Le), (">=", Binary::Ge), ("<", Binary::Lt), (">", Binary::Gt)],
    &[("<<", Binary::Shl), (">>", Binary::Shr)],
    &[("+", Binary::Add), ("-", Binary::Sub)],
    &[("*", Binary::Mul), ("/", Binary::Div), ("%", Binary::Rem)],
];

/// The number that a name in a `print fmt` stands for.
pub(super) fn constant(name: &str) -> Option<u64> {
    // Names that the kernel leaves unresolved in its format files (`include/net/tcp_states.h`).
    let state = name.strip_prefix("TCP_")?;
    names::STATES.iter().zip(1..).find(|(known, _)| **known == state).map(|(_, value)| value)
}

fn unsupported<T>(what: impl Into<String>) -> Result<T, Unsupported> {
    Err(Unsupported::new(what.into()))
}

/// Splits `print fmt` into its format string and arguments.
pub(super) fn parse(format: &Format) -> Result<(Vec<u8>, Vec<Expr>), Unsupported> {
    let mut parser = Parser { lexer: Lexer::new(&format.print_fmt)?, format, operands: 0, depth: 0 };
    let Token::Text(text) = parser.lexer.next()? else { return unsupported("no format string") };
    let mut arguments = Vec::new();
    while parser.lexer.accept(",")? {
        parser.operands = 0;
        arguments.push(parser.expression()?);
    }
    match parser.lexer.peek() {
        Token::End => Ok((text, arguments)),
        _ => unsupported("something after the last argument"),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    format: &'a Format,
    operands: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// What `parse` reads of what is in something else.
    fn nested(&mut self, parse: fn(&mut Self) -> Result<Expr, Unsupported>) -> Result<Expr, Unsupported> {
        if self.depth == DEPTH_MAX {
            return unsupported("an expression of more than 64 levels");
        }
        self.depth += 1;
        let expr = parse(self)?;
        self.depth -= 1;
        Ok(expr)
    }

    fn expression(&mut self) -> Result<Expr, Unsupported> {
        self.nested(Self::choice)
    }

    fn choice(&mut self) -> Result<Expr, Unsupported> {
        let question = self.binary(0)?;
        if !self.lexer.accept("?")? {
            return Ok(question);
        }
        let yes = self.expression()?;
        self.lexer.expect(":")?;
        let no = self.expression()?;
        if yes.shape() != no.shape() {
            return unsupported("?: between values of different kinds");
        }
        Ok(Expr::Choice(number(question)?, Box::new(yes), Box::new(no)))
    }

    /// Operands joined by operators of this level and those that bind closer. One call for each operand, not for each level:
    /// what is nested must fit on a thread's stack.
    fn binary(&mut self, level: usize) -> Result<Expr, Unsupported> {
        let mut left = self.unary()?;
        while let Some((found, op)) = self.operator().filter(|(found, _)| *found >= level) {
            self.lexer.next()?;
            let right = self.binary(found + 1)?;
            left = Expr::Binary(op, number(left)?, number(right)?);
        }
        Ok(left)
    }

    /// The operator that is next, with its level.
    fn operator(&self) -> Option<(usize, Binary)> {
        let Token::Sign(sign) = self.lexer.peek() else { return None };
        let of_level =
            |operators: &[(&str, Binary)]| operators.iter().find(|(known, _)| known == sign).map(|(_, op)| *op);
        PRECEDENCE.iter().enumerate().find_map(|(level, operators)| Some((level, of_level(operators)?)))
    }

    fn unary(&mut self) -> Result<Expr, Unsupported> {
        self.nested(Self::operand)
    }

    fn operand(&mut self) -> Result<Expr, Unsupported> {
        self.operands += 1;
        if self.operands > OPERANDS_MAX {
            return unsupported("an expression of more than 256 operands");
        }
        if self.lexer.accept("!")? {
            return Ok(Expr::Not(number(self.unary()?)?));
        }
        if self.lexer.accept("-")? {
            return Ok(Expr::Negate(number(self.unary()?)?));
        }
        if self.lexer.accept("~")? {
            return Ok(Expr::Complement(number(self.unary()?)?));
        }
        if self.lexer.accept("+")? {
            return Ok(*number(self.unary()?)?);
        }
        if self.lexer.accept("&")? {
            return match self.unary()? {
                Expr::Integer(field) | Expr::Bytes(field) => Ok(Expr::Bytes(field)),
                Expr::Element(field, _, index) if index.constant() == Some(0) => Ok(Expr::Bytes(field)),
                _ => unsupported("the address of something that is no field"),
            };
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Expr, Unsupported> {
        let mut value = self.primary()?;
        while self.lexer.accept("[")? {
            let index = number(self.expression()?)?;
            self.lexer.expect("]")?;
            let Expr::Bytes(field) = value else { return unsupported("[] on something that is no array") };
            let kind = element_type(&field)?;
            value = Expr::Element(field, kind, index);
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<Expr, Unsupported> {
        match self.lexer.next()? {
            Token::Number { bits, unsigned, long } => {
                let kind = IntType { size: if long { 8 } else { 4 }, signed: !unsigned };
                Ok(Expr::Constant(Number::new(bits, kind)))
            }
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Name("REC") => {
                self.lexer.expect("->")?;
                let field = self.field()?;
                Ok(match field.kind {
                    Kind::Integer | Kind::Pointer => Expr::Integer(field),
                    Kind::Array => Expr::Bytes(field),
                    // The word itself, not what it leads to.
                    Kind::DataLoc | Kind::RelLoc => {
                        Expr::Integer(Field { kind: Kind::Integer, signed: false, ..field })
                    }
                })
            }
            Token::Name(name) if *self.lexer.peek() == Token::Sign("(") => {
                self.lexer.next()?;
                let value = self.call(name)?;
                self.lexer.expect(")")?;
                Ok(value)
            }
            Token::Name(name) => match constant(name) {
                Some(value) => Ok(Expr::Constant(Number::new(value, IntType::INT))),
                None => unsupported(format!("the name {name}")),
            },
            Token::Sign("(") => self.bracket(),
            Token::Sign(sign) => unsupported(format!("'{sign}' where a value should be")),
            Token::End => unsupported("an argument is missing"),
        }
    }

    /// After `(`: a cast, or an expression in brackets.
    fn bracket(&mut self) -> Result<Expr, Unsupported> {
        let Some(cast) = self.cast()? else {
            let value = self.expression()?;
            self.lexer.expect(")")?;
            return Ok(value);
        };
        let value = self.unary()?;
        match cast {
            // An address stays what it is; what it is said to point to are the elements that [] finds there.
            Type::Pointer(to, signed) => Ok(match value {
                Expr::Bytes(field) => Expr::Bytes(Field { ctype: to, signed, ..field }),
                value if value.shape() != Shape::Number => value,
                value => Expr::Cast(IntType::U64, Box::new(value)),
            }),
            Type::Bool => Ok(Expr::Bool(number(value)?)),
            Type::Int(kind) => Ok(Expr::Cast(kind, number(value)?)),
        }
    }

    /// A type and its `)`, if these are what follows.
    fn cast(&mut self) -> Result<Option<Type>, Unsupported> {
        let mut words = Vec::new();
        while let Token::Name(name) = self.lexer.peek() {
            if !is_type_word(name) && words.last() != Some(&"struct") {
                break;
            }
            words.push(*name);
            self.lexer.next()?;
        }
        if words.is_empty() {
            return Ok(None);
        }
        let mut pointer = false;
        while self.lexer.accept("*")? {
            if pointer {
                words.push("*");
            }
            pointer = true;
        }
        self.lexer.expect(")")?;
        if !pointer {
            return integer_type(&words).map(Some);
        }
        let signed = matches!(integer_type(&words), Ok(Type::Int(IntType { signed: true, .. })));
        Ok(Some(Type::Pointer(words.join(" "), signed)))
    }

    /// A call, its `(` taken and its `)` left.
    fn call(&mut self, name: &str) -> Result<Expr, Unsupported> {
        match name {
            "__print_symbolic" | "__print_symbolic_u64" => {
                let value = number(self.expression()?)?;
                Ok(Expr::Symbolic(value, self.table()?))
            }
            "__print_flags" | "__print_flags_u64" => {
                let value = number(self.expression()?)?;
                self.lexer.expect(",")?;
                let Token::Text(delimiter) = self.lexer.next()? else {
                    return unsupported("flags without a delimiter");
                };
                Ok(Expr::Flags(value, delimiter, self.table()?))
            }
            "__get_str" | "__get_rel_str" => Ok(Expr::Str(self.field()?)),
            "__get_dynamic_array" | "__get_rel_dynamic_array" | "__get_sockaddr" | "__get_rel_sockaddr" => {
                Ok(Expr::Bytes(self.field()?))
            }
            "__get_dynamic_array_len" | "__get_rel_dynamic_array_len" => Ok(Expr::Length(self.field()?)),
            "__print_hex" | "__print_hex_str" => {
                let array = bytes(self.expression()?)?;
                self.lexer.expect(",")?;
                Ok(Expr::Hex(array, number(self.expression()?)?, name == "__print_hex"))
            }
            "__print_array" => {
                let array = bytes(self.expression()?)?;
                self.lexer.expect(",")?;
                let count = number(self.expression()?)?;
                self.lexer.expect(",")?;
                let size = number(self.expression()?)?;
                match size.constant() {
                    None | Some(1 | 2 | 4 | 8) => Ok(Expr::Array(array, count, size)),
                    Some(_) => unsupported("an array of elements that are no integers"),
                }
            }
            "sizeof" => self.size_of(),
            _ => unsupported(format!("the function {name}()")),
        }
    }

    fn size_of(&mut self) -> Result<Expr, Unsupported> {
        let size = if *self.lexer.peek() == Token::Name("REC") {
            match self.unary()? {
                Expr::Integer(field) | Expr::Bytes(field) => u64::from(field.size),
                Expr::Element(_, kind, _) => u64::from(kind.size),
                _ => return unsupported("sizeof of something that is no field"),
            }
        } else {
            let mut words = Vec::new();
            while let Token::Name(name) = self.lexer.peek() {
                words.push(*name);
                self.lexer.next()?;
            }
            if self.lexer.accept("*")? {
                8
            } else {
                match integer_type(&words)? {
                    Type::Int(kind) => u64::from(kind.size),
                    Type::Bool => 1,
                    Type::Pointer(..) => 8,
                }
            }
        };
        Ok(Expr::Constant(Number::new(size, IntType::U64)))
    }

    /// `, { 1, "ONE" }, { 2, "TWO" }` up to the closing bracket.
    fn table(&mut self) -> Result<Vec<(u64, Vec<u8>)>, Unsupported> {
        let mut table = Vec::new();
        while self.lexer.accept(",")? {
            self.lexer.expect("{")?;
            let before = self.operands;
            let key = self.expression()?.constant();
            self.operands = before;
            let Some(key) = key else { return unsupported("a name for a value that is not constant") };
            self.lexer.expect(",")?;
            let Token::Text(name) = self.lexer.next()? else { return unsupported("a value without a name") };
            self.lexer.expect("}")?;
            if table.len() == TABLE_MAX {
                return unsupported("a table of more than 4096 names");
            }
            table.push((key, name));
        }
        Ok(table)
    }

    fn field(&mut self) -> Result<Field, Unsupported> {
        let Token::Name(name) = self.lexer.next()? else { return unsupported("a field without a name") };
        match self.format.field(name) {
            Some(field) => Ok(field.clone()),
            None => unsupported(format!("the field {name}, which the event does not have")),
        }
    }
}

/// A type that a value is cast to.
enum Type {
    Int(IntType),
    Bool,
    /// To this type, and whether that is signed.
    Pointer(String, bool),
}

/// The type of an array's elements.
fn element_type(field: &Field) -> Result<IntType, Unsupported> {
    let words: Vec<&str> =
        field.ctype.split([' ', '[', ']']).filter(|word| !matches!(*word, "" | "__data_loc" | "__rel_loc")).collect();
    let is_known = words.iter().all(|word| is_type_word(word) && *word != "struct");
    match integer_type(&words) {
        Ok(Type::Int(kind)) if is_known => Ok(IntType { signed: field.signed, ..kind }),
        Ok(Type::Bool) if is_known => Ok(IntType { size: 1, signed: false }),
        _ => unsupported(format!("an array of {}", field.ctype)),
    }
}

/// `value`, if it is a number.
fn number(value: Expr) -> Result<Box<Expr>, Unsupported> {
    match value.shape() {
        Shape::Number => Ok(Box::new(value)),
        _ => unsupported("arithmetic with something that is no number"),
    }
}

/// `value`, if it is an address in the record.
fn bytes(value: Expr) -> Result<Box<Expr>, Unsupported> {
    match value.shape() {
        Shape::Bytes => Ok(Box::new(value)),
        _ => unsupported("an array outside of the record"),
    }
}

fn is_type_word(word: &str) -> bool {
    matches!(word, "const" | "struct" | "void" | "bool" | "unsigned" | "signed" | "char" | "short" | "int" | "long")
        || typedef(word).is_some()
}

/// The kernel's own names for integers.
fn typedef(word: &str) -> Option<IntType> {
    let (size, signed) = match word.trim_start_matches("__") {
        "u8" | "uint8_t" => (1, false),
        "s8" | "int8_t" => (1, true),
        "u16" | "uint16_t" | "be16" | "le16" => (2, false),
        "s16" | "int16_t" => (2, true),
        "u32" | "uint32_t" | "be32" | "le32" | "gfp_t" => (4, false),
        "s32" | "int32_t" | "pid_t" => (4, true),
        "u64" | "uint64_t" | "be64" | "le64" | "size_t" | "uintptr_t" => (8, false),
        "s64" | "int64_t" | "ssize_t" | "loff_t" => (8, true),
        _ => return None,
    };
    Some(IntType { size, signed })
}

fn integer_type(words: &[&str]) -> Result<Type, Unsupported> {
    let has = |word| words.contains(&word);
    if let Some(kind) = words.iter().find_map(|word| typedef(word)) {
        return Ok(Type::Int(kind));
    }
    if has("bool") {
        return Ok(Type::Bool);
    }
    let size = match () {
        () if has("char") => 1,
        () if has("short") => 2,
        () if has("long") => 8,
        () if has("int") || has("unsigned") || has("signed") => 4,
        () => return unsupported(format!("the type {}", words.join(" "))),
    };
    Ok(Type::Int(IntType { size, signed: !has("unsigned") }))
}
