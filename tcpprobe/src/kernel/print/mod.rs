//! An event's own `print fmt`, interpreted: the text that the kernel which recorded an event prints for it.
//!
//! The `print fmt` of a `format` file is a C format string and its arguments. [`Printer`] compiles the part of C
//! that tracepoints use: fields, arrays, integer arithmetic, comparisons, `?:`, casts, `__print_symbolic()`,
//! `__print_flags()`, `__get_str()`, `__get_dynamic_array()`, `__print_hex()`, `__print_array()`, and of
//! `vsnprintf()` the numbers, `%s`, `%c`, `%p`, `%pI4`, `%pI6c`, `%pISpc` and their relatives. What lies beyond is
//! printed as `name=value` words, and [`Printer::note`] says why.
//!
//! Two things differ from the kernel by their nature: `%p` prints the stored value and not the kernel's hash of it,
//! and `%pS` prints an address, since a trace knows no symbols, which [`Printer::note`] says too.

mod address;
mod expr;
mod lex;
mod number;
mod parse;
mod spec;

pub(crate) use spec::put_decimal;

use super::format::{Field, Format};
use super::value::Value;
use spec::Piece;

/// Longest `print fmt` that is compiled; the longest of the kernel's, with all drop reasons, has 8 KB.
const PRINT_FMT_BYTES_MAX: usize = 64 << 10;
/// Longest text of a record; the kernel's own end at a page.
const TEXT_BYTES_MAX: usize = 32 << 10;

/// What a `print fmt` holds that cannot be interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unsupported(String);

impl Unsupported {
    fn new(what: impl Into<String>) -> Self {
        Unsupported(what.into())
    }
}

/// Prints records of one format.
///
/// ```
/// # use tcpprobe::kernel::{format::Format, print::Printer};
/// # let text = "name: demo\nID: 7\nformat:\n\tfield:__u16 family;\toffset:8;\tsize:2;\tsigned:0;\n\n\
/// #             print fmt: \"family=%s\", __print_symbolic(REC->family, { 2, \"AF_INET\" }, { 10, \"AF_INET6\" })\n";
/// let format = Format::parse("tcp", text)?;
/// let printer = Printer::new(&format);
/// let mut line = Vec::new();
/// printer.print(&[7, 0, 0, 0, 1, 0, 0, 0, 10, 0], &mut line);
/// assert_eq!(line, b"family=AF_INET6");
/// # Ok::<(), tcpprobe::kernel::format::FormatError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Printer {
    plan: Plan,
    note: Option<String>,
}

#[derive(Debug, Clone)]
enum Plan {
    /// The `print fmt`.
    Pieces(Vec<Piece>),
    /// All fields as `name=value`.
    Fields(Vec<Field>),
}

impl Printer {
    /// Compiles the `print fmt` of `format`.
    #[must_use]
    pub fn new(format: &Format) -> Self {
        match compile(format) {
            Ok(pieces) => {
                Printer { note: spec::symbols(&pieces).then(|| symbols_note(format)), plan: Plan::Pieces(pieces) }
            }
            Err(Unsupported(what)) => Printer {
                plan: Plan::Fields(format.own_fields().cloned().collect()),
                note: Some(format!(
                    "{}:{} is printed field by field: its print fmt has {what}",
                    format.system, format.name
                )),
            },
        }
    }

    /// Appends the text of `record` to `out`: what the kernel prints after `name: `, without the line's end.
    ///
    /// A record that is too short for a value prints `(efault)` in its place. A text ends after 32 KiB.
    pub fn print(&self, record: &[u8], out: &mut Vec<u8>) {
        let end = out.len() + TEXT_BYTES_MAX;
        match &self.plan {
            Plan::Pieces(pieces) => {
                for piece in pieces {
                    piece.print(record, out);
                    if out.len() > end {
                        break;
                    }
                }
            }
            Plan::Fields(fields) => print_fields(fields, record, out),
        }
        out.truncate(end);
    }

    /// Why the text is not the kernel's, where it is not.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

fn symbols_note(format: &Format) -> String {
    format!("{}:{} is printed with an address where the kernel prints a function's name", format.system, format.name)
}

fn compile(format: &Format) -> Result<Vec<Piece>, Unsupported> {
    // The kernel prints its own entries (trace_marker's, for one) and system calls by code, not by their print fmt.
    if matches!(&*format.system, "ftrace" | "syscalls") {
        return Err(Unsupported::new("not what the kernel prints"));
    }
    if format.print_fmt.len() > PRINT_FMT_BYTES_MAX {
        return Err(Unsupported::new("more than 64 KiB"));
    }
    let (text, arguments) = parse::parse(format)?;
    spec::compile(&text, arguments)
}

fn print_fields(fields: &[Field], record: &[u8], out: &mut Vec<u8>) {
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(field.name.as_bytes());
        out.push(b'=');
        match Value::of(field, record) {
            Some(Value::Unsigned(value)) => put_decimal(out, value),
            Some(Value::Signed(value)) => out.extend_from_slice(value.to_string().as_bytes()),
            Some(Value::Pointer(value)) => address::hex(out, &value.to_be_bytes(), None),
            Some(Value::Text(text)) => text.iter().for_each(|byte| put_visible(out, *byte)),
            Some(Value::Bytes(bytes)) => address::hex(out, bytes, None),
            None => out.extend_from_slice(b"(efault)"),
        }
    }
}

/// A byte of a text, which stays on its line.
fn put_visible(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_control() {
        out.extend_from_slice(b"\\x");
        address::hex(out, &[byte], None);
    } else {
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [(&str, &str, u32, u32, u32); 9] = [
        ("char", "small", 8, 1, 1),
        ("__u16", "port", 10, 2, 0),
        ("int", "err", 12, 4, 1),
        ("__u64", "cookie", 16, 8, 0),
        ("void *", "sk", 24, 8, 0),
        ("__u8", "addr[4]", 32, 4, 0),
        ("long", "mem[2]", 40, 16, 1),
        ("char", "comm[8]", 56, 8, 0),
        ("__data_loc char[]", "name", 64, 4, 0),
    ];

    fn format(print_fmt: &str) -> Format {
        let mut text = "name: demo\nID: 7\nformat:\n".to_owned();
        for (ctype, name, offset, size, signed) in FIELDS {
            text += &format!("\tfield:{ctype} {name};\toffset:{offset};\tsize:{size};\tsigned:{signed};\n");
        }
        Format::parse("tcp", &format!("{text}\nprint fmt: {print_fmt}\n")).unwrap()
    }

    fn record() -> Vec<u8> {
        let mut bytes = vec![7, 0, 0, 0, 1, 0, 0, 0, 0xfe, 0];
        bytes.extend(8080u16.to_le_bytes());
        bytes.extend((-110i32).to_le_bytes());
        bytes.extend(0x1234_5678_9abcu64.to_le_bytes());
        bytes.extend(0xffff_8880_0000_0042u64.to_le_bytes());
        bytes.extend([192, 0, 2, 1, 0, 0, 0, 0]);
        bytes.extend((-5i64).to_le_bytes());
        bytes.extend(7i64.to_le_bytes());
        bytes.extend(b"kworker\0");
        bytes.extend([68, 0, 4, 0]);
        bytes.extend(b"eth0");
        bytes
    }

    fn print(print_fmt: &str) -> String {
        let printer = Printer::new(&format(print_fmt));
        assert_eq!(printer.note(), None, "{print_fmt}");
        let mut out = Vec::new();
        printer.print(&record(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn expressions() {
        let check = |expression: &str, expected: &str| {
            assert_eq!(print(&format!("\"%lld\", {expression}")), expected, "{expression}")
        };
        check("REC->small", "-2");
        check("REC->err < 0 ? -REC->err : 0", "110");
        check("!(REC->port & 2) ? (REC->err > 0 ? REC->err : 0) : 1", "0");
        check("1 + 2 * 3 - (4 - 5)", "8");
        check("1 << 4 | 3 & 2 ^ 1", "19");
        check("10 - 4 - 3", "3");
        check("1 ? 2 : 0 ? 3 : 4", "2");
        check("REC->mem[0] + REC->mem[REC->port - 8079]", "2");
        check("REC->addr[0]", "192");
        check("(u8)REC->err", "146");
        check("(unsigned long)(int)-1 == 0xffffffffffffffffUL && (bool)7 == 1", "1");
        check("(const struct sock *)REC->sk != (void *)0", "1");
        check("sizeof(REC->mem) + sizeof(unsigned long) + sizeof(u16)", "26");
        check("TCP_NEW_SYN_RECV", "12");
        check("~0U", "4294967295");
        check("'F'", "70");
        check("__get_dynamic_array_len(name)", "4");
        // An array's elements are of the type that it is said to have.
        check("((unsigned short *)REC->addr)[1]", "258");
        check("((s16 *)REC->addr)[0]", "192");
        check("((const struct sock *)REC->sk != (void *)0) + ((u8 *)__get_dynamic_array(name))[1]", "117");
        check("((s8 *)REC->addr)[0]", "-64");
    }

    #[test]
    fn conversions() {
        let check = |arguments: &str, expected: &str| assert_eq!(print(arguments), expected, "{arguments}");
        check(r#""%d %u %x", REC->err, REC->err, REC->err"#, "-110 4294967186 ffffff92");
        check(
            r#""%hu %hhd %ld %lx", REC->port, REC->port, REC->cookie, REC->cookie"#,
            "8080 -112 20015998343868 123456789abc",
        );
        check(
            r#""[%6d|%-6d|%06d|%+d|% d]", REC->port, REC->port, REC->err, REC->port, REC->port"#,
            "[  8080|8080  |-00110|+8080| 8080]",
        );
        check(
            r##""%#x %#x %#o %#o %08X %.4d %06.4d", 0, 255, 0, 8, 0xabc, 7, 7"##,
            "0x0 0xff 0 010 00000ABC 0007 000007",
        );
        check(r#""%*d|%-*d|%*d", 5, 7, 5, 7, -5, 7"#, "    7|7    |7    ");
        check(r#""%c%c 100%%", 'o', REC->err ? 'k' : '!'"#, "ok 100%");
        check(
            r#""%s|%10s|%-10s|%.3s|%s", REC->comm, REC->comm, REC->comm, REC->comm, __get_str(name)"#,
            "kworker|   kworker|kworker   |kwo|eth0",
        );
        check(r#""%p %px %pK", REC->sk, REC->sk, (void *)0"#, "ffff888000000042 ffff888000000042 0000000000000000");
        check(
            r#""%pI4 %pi4 %pI4h %16pI4|", REC->addr, REC->addr, &REC->addr[0], REC->addr"#,
            "192.0.2.1 192.000.002.001 1.2.0.192        192.0.2.1|",
        );
        check(r#""%4ph %*phC %pm", REC->addr, 2, REC->addr, REC->comm"#, "c0 00 02 01 c0:00 6b776f726b65");
        check(
            r#""%s %s", __print_hex(REC->addr, 4), __print_hex_str(__get_dynamic_array(name), 2)"#,
            "c0 00 02 01 6574",
        );
        check(r#""%s", __print_array(REC->mem, 2, 8)"#, "{0xfffffffffffffffb,0x7}");
        check(r#""%s", __print_flags(REC->port, "|", { 1 << 4, "A" }, { 0x80, "B" })"#, "A|B|0x1f00");
        check(r#""%s", REC->err ? __print_symbolic(REC->err, { (-110), "TIMEOUT" }) : "none""#, "TIMEOUT");
        check(r#""a" "b\n""#, "ab\n");
    }

    #[test]
    fn an_address_in_place_of_a_symbol_is_noted() {
        let printer = Printer::new(&format(r#""func=%ps", (void *)REC->sk"#));
        let mut out = Vec::new();
        printer.print(&record(), &mut out);
        assert_eq!(out, b"func=0xffff888000000042");
        let note = "tcp:demo is printed with an address where the kernel prints a function's name";
        assert_eq!(printer.note(), Some(note));
    }

    #[test]
    fn what_the_kernel_prints_by_code_is_printed_field_by_field() {
        let text = "name: print\nID: 5\nformat:\n\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n\
                    \tfield:char buf[];\toffset:16;\tsize:0;\tsigned:0;\n\nprint fmt: \"%ps: %s\", (void *)REC->ip, REC->buf\n";
        for system in ["ftrace", "syscalls"] {
            let printer = Printer::new(&Format::parse(system, text).unwrap());
            let note =
                format!("{system}:print is printed field by field: its print fmt has not what the kernel prints");
            assert_eq!(printer.note(), Some(&*note));
        }
    }

    #[test]
    fn a_field_stays_on_its_line() {
        let mut bytes = record();
        bytes.splice(bytes.len() - 4.., *b"a\n\x7fb");
        let mut out = Vec::new();
        Printer::new(&format(r#""%f", 1"#)).print(&bytes, &mut out);
        assert!(out.ends_with(b" name=a\\x0a\\x7fb"), "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn a_short_record_prints_what_it_has() {
        let printer = Printer::new(&format(
            r#""port=%5d mem=%ld name=%s addr=%pI4", REC->port, REC->mem[1], __get_str(name), REC->addr"#,
        ));
        let mut out = Vec::new();
        printer.print(&record()[..34], &mut out);
        assert_eq!(out, b"port= 8080 mem=(efault) name=(efault) addr=(efault)");
    }

    #[test]
    fn a_text_has_an_end() {
        let print_fmt = format!("\"{}\"{}", "%4096d".repeat(3000), ", 1".repeat(3000));
        let printer = Printer::new(&format(&print_fmt));
        let mut out = vec![b'x'; 10];
        printer.print(&record(), &mut out);
        assert_eq!((printer.note(), out.len()), (None, 10 + TEXT_BYTES_MAX));
    }

    #[test]
    fn beyond_it_all_fields_and_a_note() {
        let check = |print_fmt: &str, reason: &str| {
            let printer = Printer::new(&format(print_fmt));
            assert_eq!(
                printer.note(),
                Some(&*format!("tcp:demo is printed field by field: its print fmt has {reason}"))
            );
            let mut out = Vec::new();
            printer.print(&record(), &mut out);
            let expected = "small=-2 port=8080 err=-110 cookie=20015998343868 sk=ffff888000000042 addr=c0000201 \
                            mem=fbffffffffffffff0700000000000000 comm=kworker name=eth0";
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        };
        check(r#""%d", REC->nothing"#, "the field nothing, which the event does not have");
        check(r#""%s", __print_hex_dump("", 0, 16, 1, REC->addr, 4, 1)"#, "the function __print_hex_dump()");
        check(r#""%s", __print_symbolic(REC->err, { SOME_ENUM, "X" })"#, "the name SOME_ENUM");
        check(r#""%s", REC->port"#, "a conversion for another kind of value");
        check(r#""%pI4", REC->sk"#, "a conversion for another kind of value");
        check(r#""%d %d", REC->port"#, "fewer arguments than conversions");
        check(r#""%99999d", REC->port"#, "a width of more than 4096");
        check(r#""%pUb", REC->comm"#, "the conversion %pUb");
        check(r#""%.s", REC->comm"#, "a precision that is missing");
        check(r#""%*.s", 4, REC->comm"#, "a precision that is missing");
        check(r#""%5.2f", REC->port"#, "the conversion %f");
        check(r#""%#p", REC->sk"#, "the conversion %#p");
        check(r#""%s", __print_array(REC->mem, 2, 3)"#, "an array of elements that are no integers");
        check(r#""%d", ((struct in_addr *)REC->addr)[0]"#, "an array of struct in_addr");
        check(r#""%p", ((void **)REC->mem)[0]"#, "an array of void *");
        check(r#""%d", *(u32 *)REC->addr"#, "'*' where a value should be");
        check(r#""%u", ntohs(REC->port)"#, "the function ntohs()");
        check(r#""%u", be16_to_cpu(REC->port)"#, "the function be16_to_cpu()");
        check(r#""%s", __get_bitmask(name)"#, "the function __get_bitmask()");
        check(r#""%d", ({ int x = 1; x; })"#, "'{' where a value should be");
        check(r#""%d", REC->err ?: 1"#, "':' where a value should be");
        check(r#""%d", (enum state)REC->err"#, "the name enum");
        check(r#""%d", sizeof(struct sockaddr)"#, "the type struct sockaddr");
        check(r#""%s", REC->err ? REC->comm : "none""#, "?: between values of different kinds");
        check(r#""%p", REC->sk == NULL"#, "the name NULL");
        check("REC->port", "no format string");
        check(&format!("\"{}\"", "x".repeat(70_000)), "more than 64 KiB");
        check(r#""%d", REC->port)"#, "something after the last argument");
        let deep = "(".repeat(30_000);
        check(&format!("\"%d\", {deep}1"), "an expression of more than 64 levels");
        let deep = "!".repeat(30_000);
        check(&format!("\"%d\", {deep}1"), "an expression of more than 64 levels");
        let long = "1+".repeat(30_000);
        check(&format!("\"%d\", {long}1"), "an expression of more than 256 operands");
        let nested = "__print_symbolic(1, { ".repeat(2_000);
        check(&format!("\"%s\", {nested}"), "an expression of more than 64 levels");
    }
}
