//! The kernel's evaluation of its filters, with its traps (`kernel/trace/trace_events_filter.c`).
//!
//! It refuses what the kernel refuses, by the words of its `error_log` as far as they matter here. `tests/filter_live.rs`
//! compares it with the running kernel.

use tcpprobe::kernel::format::{Field, Format, Kind};

/// What the kernel knows of the event beside its record.
#[derive(Debug, Clone, Copy)]
pub struct Task<'t> {
    pub cpu: u32,
    pub comm: &'t str,
}

/// Whether the kernel records the event; an error if it does not accept the filter for it.
pub fn passes(filter: &str, format: &Format, record: &[u8], task: Task<'_>) -> Result<bool, String> {
    if filter.len() > 4095 {
        return Err("not shorter than a page".into());
    }
    if filter.trim() == "0" {
        return Ok(true);
    }
    let mut parser = Parser { rest: filter, format, record, task };
    let passes = parser.any()?;
    match parser.rest.trim_start() {
        "" => Ok(passes),
        rest => Err(format!("Too many terms in predicate expression: {rest}")),
    }
}

struct Parser<'p> {
    rest: &'p str,
    format: &'p Format,
    record: &'p [u8],
    task: Task<'p>,
}

/// Longest first, as in the kernel's table.
const OPS: [&str; 8] = ["~", "!=", "==", "<=", "<", ">=", ">", "&"];

impl<'p> Parser<'p> {
    fn accept(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn any(&mut self) -> Result<bool, String> {
        let mut result = self.all()?;
        while self.accept("||") {
            result |= self.all()?;
        }
        Ok(result)
    }

    fn all(&mut self) -> Result<bool, String> {
        let mut result = self.not()?;
        while self.accept("&&") {
            result &= self.not()?;
        }
        Ok(result)
    }

    fn not(&mut self) -> Result<bool, String> {
        if self.accept("!") {
            return self.not().map(|result| !result);
        }
        if !self.accept("(") {
            return self.predicate();
        }
        let result = self.any()?;
        if self.accept(")") { Ok(result) } else { Err("Too many '('".into()) }
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest.trim_start();
        let (word, rest) = rest.split_at(rest.find(|c| !belongs(c)).unwrap_or(rest.len()));
        self.rest = rest;
        word
    }

    fn predicate(&mut self) -> Result<bool, String> {
        let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
        let field = self.format.field(name);
        if field.is_none() && !["CPU", "cpu", "COMM", "comm"].contains(&name) {
            return Err(format!("Field not found: {name}"));
        }
        let op = OPS.into_iter().find(|op| self.accept(op)).ok_or("Invalid operator")?;
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['"', '\'']) {
            let quote = self.rest.chars().next().unwrap();
            let (text, rest) = self.rest[1..].split_once(quote).ok_or("Missing matching quote")?;
            self.rest = rest;
            return self.text(field, name, op, text);
        }
        let digits = self.take(|c| c.is_ascii_alphanumeric() || c == '-');
        if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err("Invalid value (did you forget quotes)?".into());
        }
        if digits.len() >= 24 {
            return Err("Operand too long".into());
        }
        match field {
            None if name.eq_ignore_ascii_case("cpu") => self.cpu(op, integer(digits, false)?),
            Some(field) if !field.is_string() => number(field, op, integer(digits, field.signed)?, self.record),
            _ => Err("Expecting string field".into()),
        }
    }

    /// `filter_pred_cpu()`: the value is cut to an int, and there is no `&`.
    fn cpu(&self, op: &str, value: u64) -> Result<bool, String> {
        let (cpu, value) = (self.task.cpu as i32, value as i32);
        Ok(match op {
            "==" => cpu == value,
            "!=" => cpu != value,
            "<" => cpu < value,
            "<=" => cpu <= value,
            ">" => cpu > value,
            ">=" => cpu >= value,
            _ => false,
        })
    }

    fn text(&self, field: Option<&Field>, name: &str, op: &str, pattern: &str) -> Result<bool, String> {
        if !["==", "!=", "~"].contains(&op) {
            return Err("Illegal operation for field type".into());
        }
        if pattern.len() >= 256 {
            return Err("Operand too long".into());
        }
        let mut buffer = [0; 16];
        let text: &[u8] = match field {
            None if name.eq_ignore_ascii_case("comm") => {
                // `current->comm`: that of the idle task is not what traces print.
                let idle = format!("swapper/{}", self.task.cpu);
                let comm = if self.record[4..8] == [0; 4] { &idle } else { self.task.comm };
                buffer[..comm.len()].copy_from_slice(comm.as_bytes());
                &buffer
            }
            Some(field) if field.is_string() => field.bytes(self.record).ok_or("record too short")?,
            _ => return Err("Expecting numeric field".into()),
        };
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(rest) if op == "~" => (true, rest),
            _ => (op == "!=", pattern),
        };
        Ok(regex(text, pattern, op == "~") != negated)
    }
}

/// `kstrtoull()` and `kstrtoll()` with base 0.
fn integer(digits: &str, signed: bool) -> Result<u64, String> {
    let illegal = || format!("Illegal integer value: {digits}");
    let (negative, plain) = digits.strip_prefix('-').map_or((false, digits), |plain| (true, plain));
    let number = match (plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")), plain) {
        (Some(hex), _) => u64::from_str_radix(hex, 16),
        (None, "0") => Ok(0),
        (None, plain) if plain.starts_with('0') => u64::from_str_radix(plain, 8),
        (None, plain) => plain.parse(),
    };
    let number = number.map_err(|_| illegal())?;
    match (signed, negative) {
        (false, false) => Ok(number),
        (false, true) => Err(illegal()),
        (true, true) if number <= 1 << 63 => Ok(number.wrapping_neg()),
        (true, false) if number < 1 << 63 => Ok(number),
        _ => Err(illegal()),
    }
}

/// The functions of `select_comparison_fn()`: by size and sign, the value cut to the size; arrays of other sizes
/// get `filter_pred_none()`, or in later kernels a function number that is none.
fn number(field: &Field, op: &str, value: u64, record: &[u8]) -> Result<bool, String> {
    if op == "~" {
        return Err("Illegal operation for field type".into());
    }
    let own = match field.kind {
        Kind::DataLoc | Kind::RelLoc => return Err("not tried".into()),
        _ => &record[field.offset as usize..][..field.size as usize],
    };
    let mut bytes = [0; 8];
    if ![1, 2, 4, 8].contains(&own.len()) {
        return Ok(false);
    }
    bytes[..own.len()].copy_from_slice(own);
    let unused = 64 - 8 * field.size;
    let cut = |number: u64| match field.signed {
        true => i128::from(((number << unused) as i64) >> unused),
        false => i128::from((number << unused) >> unused),
    };
    let (own, value) = (cut(u64::from_le_bytes(bytes)), cut(value));
    Ok(match op {
        "==" => own == value,
        "!=" => own != value,
        "<" => own < value,
        "<=" => own <= value,
        ">" => own > value,
        ">=" => own >= value,
        _ => own & value != 0,
    })
}

/// `filter_parse_regex()` and the `regex_match_*()` that it selects; `text` with what is behind its NUL.
fn regex(text: &[u8], pattern: &str, is_pattern: bool) -> bool {
    let until_nul = &text[..text.iter().position(|&b| b == 0).unwrap_or(text.len())];
    let digit = pattern.starts_with(|c: char| c.is_ascii_digit());
    if !is_pattern || digit || !pattern.contains(['*', '?', '[', '\\']) {
        return until_nul == pattern.as_bytes();
    }
    let (front, back) = (pattern.strip_prefix('*'), pattern.strip_suffix('*'));
    let bare = pattern.trim_matches('*');
    let simple = !bare.contains(['*', '?', '[', '\\']) && pattern.len() - bare.len() <= 2 && pattern != "**";
    match (front, back) {
        (None, Some(front)) if simple => text.starts_with(front.as_bytes()),
        // The end of the buffer, without its last byte.
        (Some(end), None) if simple => text[..text.len() - 1].ends_with(end.as_bytes()),
        _ if pattern == "*" => true,
        // The whole buffer, behind the NUL too.
        (Some(_), Some(_)) if simple => bare.is_empty() || text.windows(bare.len()).any(|part| part == bare.as_bytes()),
        _ => glob(until_nul, pattern.as_bytes()),
    }
}

/// `glob_match()` for patterns of `*` and `?`; the others are not written by anyone here.
fn glob(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => glob(text, rest) || !text.is_empty() && glob(&text[1..], pattern),
        ([b'[' | b'\\', ..], _) => panic!("a pattern with [ or \\ for the kernel"),
        ([first, rest @ ..], [byte, text @ ..]) => (*first == b'?' || first == byte) && glob(text, rest),
        _ => false,
    }
}
