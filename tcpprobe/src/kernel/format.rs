//! What a kernel says about its events: `events/<system>/<event>/format` and `events/header_page`.
//!
//! Offsets, sizes and even names differ between kernels (and are backported), so nothing here knows a
//! version: a [`Format`] is read from the kernel that recorded the event, and travels with the trace.
//! Source of the syntax: `kernel/trace/trace_events.c`, `f_show()`; all numbers are little-endian, as on
//! every machine this is built for.

use std::fmt;

/// Most fields that an event may have; the kernel's largest tcp event has 21.
const FIELDS_MAX: usize = 256;
/// Where the last fixed field ends at most: a C structure that the kernel fills, at the utmost a page of 64 KiB. Readers
/// make room for as much for each identity of a block.
const RECORD_BYTES_MAX: u32 = 64 << 10;

/// A `format` or `header_page` file that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("format file of {event}, line {line}: {reason}")]
pub struct FormatError {
    /// The event's name, or `?` where it was not known yet.
    pub event: String,
    /// The line, counted from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// How a field's bytes are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An integer of 1, 2, 4 or 8 bytes.
    Integer,
    /// A kernel pointer of 8 bytes.
    Pointer,
    /// An array of fixed size, in the record itself.
    Array,
    /// `__data_loc`: a word whose low half is the offset of the bytes in the record, the high half their length.
    DataLoc,
    /// `__rel_loc`: the same, the offset counted from the end of the word.
    RelLoc,
}

impl Kind {
    /// Whether the field's bytes are behind the fixed fields of a record.
    #[must_use]
    pub fn is_dynamic(self) -> bool {
        matches!(self, Kind::DataLoc | Kind::RelLoc)
    }
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name, without type and brackets.
    pub name: String,
    /// Its C type, without name and brackets: `__u8`, `const void *`, `__data_loc char[]`.
    pub ctype: String,
    /// Where it begins, in bytes from the start of the record.
    pub offset: u32,
    /// Its size in bytes, of the whole array where it is one.
    pub size: u32,
    /// Whether an integer is signed.
    pub signed: bool,
    /// How to understand the bytes.
    pub kind: Kind,
}

impl Field {
    /// Whether this is one of the fields that every event begins with (`common_pid` and so on).
    #[must_use]
    pub fn is_common(&self) -> bool {
        self.name.starts_with("common_")
    }

    /// Whether the bytes are text (`char` arrays, fixed or dynamic).
    #[must_use]
    pub fn is_string(&self) -> bool {
        !matches!(self.kind, Kind::Integer | Kind::Pointer)
            && self.ctype.split([' ', '[']).any(|word| word == "char")
            && !self.ctype.contains("unsigned")
    }

    /// The integer or pointer in `record`, zero-extended; `None` for arrays and where the record is too short.
    #[must_use]
    #[inline]
    pub fn unsigned(&self, record: &[u8]) -> Option<u64> {
        let at = self.offset as usize;
        let bytes = record.get(at..at + self.size as usize)?;
        if !matches!(self.kind, Kind::Integer | Kind::Pointer) {
            return None;
        }
        Some(match *bytes {
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_le_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => return None,
        })
    }

    /// The integer in `record`, sign-extended if the field is signed; as [`Field::unsigned`] otherwise.
    #[must_use]
    pub fn integer(&self, record: &[u8]) -> Option<i64> {
        let raw = self.unsigned(record)?;
        let unused = 64 - 8 * self.size;
        Some(if self.signed { (raw << unused).cast_signed() >> unused } else { raw.cast_signed() })
    }

    /// The bytes of an array, fixed or dynamic; for an integer, its bytes. `None` where the record is too short.
    #[must_use]
    pub fn bytes<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let at = self.offset as usize;
        let own = record.get(at..at + self.size as usize)?;
        let base = match self.kind {
            Kind::DataLoc => 0,
            Kind::RelLoc => at + 4,
            _ => return Some(own),
        };
        let word = u32::from_le_bytes(own.try_into().ok()?);
        let start = base + (word & 0xffff) as usize;
        record.get(start..start + (word >> 16) as usize)
    }
}

/// The description of one event, as the kernel that records it gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Format {
    /// The subsystem: `tcp`, `sock`.
    pub system: String,
    /// The event: `tcp_probe`.
    pub name: String,
    /// `common_type` of its records. Differs from kernel to kernel, even from boot to boot.
    pub id: u16,
    /// All fields in the kernel's order, the common ones first.
    pub fields: Vec<Field>,
    /// Everything after `print fmt: `.
    pub print_fmt: String,
    /// The file, verbatim.
    pub text: String,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Format({}:{} id {}, {} fields)", self.system, self.name, self.id, self.fields.len())
    }
}

impl Format {
    /// Reads the text of a `format` file; `system` is the folder it was in.
    ///
    /// ```
    /// let text = "name: tcp_demo\nID: 7\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
    ///             \tfield:__u16 sport;\toffset:8;\tsize:2;\tsigned:0;\n\nprint fmt: \"sport=%d\", REC->sport\n";
    /// let format = tcpprobe::kernel::format::Format::parse("tcp", text)?;
    /// assert_eq!(format.field("sport").map(|f| f.offset), Some(8));
    /// # Ok::<(), tcpprobe::kernel::format::FormatError>(())
    /// ```
    ///
    /// # Errors
    /// When a line is not of the kernel's syntax, a part is missing, or a field lies where no kernel has it: outside any
    /// possible record, on another field, or as a `common_type` elsewhere than in the first two bytes.
    pub fn parse(system: &str, text: &str) -> Result<Self, FormatError> {
        let mut name = None;
        let mut id = None;
        let mut print_fmt = None;
        let mut fields: Vec<Field> = Vec::new();
        let fail = |name: &Option<String>, line, reason| FormatError {
            event: name.clone().unwrap_or_else(|| "?".into()),
            line,
            reason,
        };
        let mut rest = text;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            if let Some(fmt) = rest.strip_prefix("print fmt: ") {
                // The last part; its strings may hold line breaks.
                print_fmt = Some(fmt.trim_end().to_owned());
                break;
            }
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            rest = after;
            let line = line.trim();
            if let Some(value) = line.strip_prefix("name: ") {
                name = Some(value.to_owned());
            } else if let Some(value) = line.strip_prefix("ID: ") {
                id = Some(value.parse().map_err(|_| fail(&name, number, "the ID is not a number below 65536"))?);
            } else if line.starts_with("field") {
                let field = parse_field(line).map_err(|reason| fail(&name, number, reason))?;
                if fields.len() == FIELDS_MAX {
                    return Err(fail(&name, number, "more than 256 fields"));
                }
                fields.push(field);
            } else if !line.is_empty() && line != "format:" {
                return Err(fail(&name, number, "neither name, ID, format, field nor print fmt"));
            }
        }
        let missing = |what| fail(&name, 0, what);
        check_places(&fields).map_err(missing)?;
        let format = Format {
            system: system.to_owned(),
            id: id.ok_or_else(|| missing("no ID line"))?,
            print_fmt: print_fmt.ok_or_else(|| missing("no print fmt line"))?,
            fields,
            text: text.to_owned(),
            name: name.clone().ok_or_else(|| missing("no name line"))?,
        };
        Ok(format)
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields of the event itself, without the common ones.
    pub fn own_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.is_common())
    }

    /// Bytes of a record up to the end of its last fixed field.
    #[must_use]
    pub fn record_size(&self) -> usize {
        self.fields.iter().map(|field| field.offset + field.size).max().unwrap_or(0) as usize
    }
}

/// What is stored field by field comes back only if each byte is of one field.
fn check_places(fields: &[Field]) -> Result<(), &'static str> {
    let mut places: Vec<_> = fields.iter().map(|f| (f.offset, f.size)).filter(|(_, size)| *size > 0).collect();
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        return Err("a field lies on another one");
    }
    if fields.iter().any(|field| field.name == "common_type" && (field.offset, field.size) != (0, 2)) {
        return Err("common_type is not in the first two bytes");
    }
    Ok(())
}

/// `field:__u8 saddr[28]; offset:8; size:28; signed:0;`
fn parse_field(line: &str) -> Result<Field, &'static str> {
    let mut decl = None;
    let (mut offset, mut size, mut signed) = (None, None, false);
    for part in line.split(';') {
        let part = part.trim();
        let Some((key, value)) = part.split_once(':') else { continue };
        match key {
            // "field special:" marks the fields of ftrace's own events.
            "field" | "field special" => decl = Some(value.trim()),
            "offset" => offset = value.parse::<u32>().ok(),
            "size" => size = value.parse::<u32>().ok(),
            "signed" => signed = value != "0",
            _ => {}
        }
    }
    let decl = decl.ok_or("no declaration")?;
    let offset = offset.ok_or("no offset")?;
    let size = size.ok_or("no size")?;
    if offset.saturating_add(size) > RECORD_BYTES_MAX {
        return Err("the field lies outside of any record");
    }
    // The array brackets stand behind the name (`saddr[28]`), in old kernels with an expression in them,
    // for dynamic arrays behind the type (`__data_loc char[] name`).
    let dynamic = decl.starts_with("__data_loc") || decl.starts_with("__rel_loc");
    let (head, is_array) = match decl.find('[') {
        Some(open) if !dynamic => (decl[..open].trim_end(), true),
        _ => (decl, false),
    };
    let split = head.rfind([' ', '*']).map(|at| at + 1).ok_or("the declaration has no type")?;
    let (ctype, name) = (head[..split].trim(), &head[split..]);
    if name.is_empty() || ctype.is_empty() {
        return Err("the declaration has no name");
    }
    let kind = if decl.starts_with("__data_loc") {
        Kind::DataLoc
    } else if decl.starts_with("__rel_loc") {
        Kind::RelLoc
    } else if is_array || !matches!(size, 1 | 2 | 4 | 8) {
        Kind::Array
    } else if ctype.ends_with('*') && size == 8 {
        Kind::Pointer
    } else {
        Kind::Integer
    };
    if dynamic && size != 4 {
        return Err("a __data_loc that is not 4 bytes");
    }
    Ok(Field { name: name.to_owned(), ctype: ctype.to_owned(), offset, size, signed, kind })
}

/// Where things are in a ring-buffer page, from `events/header_page`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLayout {
    /// Offset of the commit word, whose low 32 bits are flags and length.
    pub commit: usize,
    /// Offset of the first record.
    pub data: usize,
    /// Bytes of a sub-buffer, of the buffer whose file this is. Each instance may have a size of its own.
    pub size: usize,
}

impl Default for PageLayout {
    /// Of every 64-bit kernel so far.
    fn default() -> Self {
        PageLayout { commit: 8, data: 16, size: 4096 }
    }
}

impl PageLayout {
    /// Reads the text of `events/header_page`.
    ///
    /// # Errors
    /// When `commit` or `data` is missing, or the header is not one of a 64-bit kernel. (That of a big-endian kernel reads
    /// the same; its pages tell.)
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let fail = |line, reason| FormatError { event: "header_page".into(), line, reason };
        let (mut commit, mut data) = (None, None);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let field = parse_field(line).map_err(|reason| fail(number + 1, reason))?;
            match field.name.as_str() {
                "commit" => commit = Some((field.offset as usize, field.size)),
                "data" => data = Some((field.offset as usize, field.size as usize)),
                _ => {}
            }
        }
        match (commit, data) {
            (Some((_, 4)), Some(_)) => Err(fail(0, "of a 32-bit kernel, and only 64-bit kernels are supported")),
            (Some((commit @ 8..=64, 8)), Some((data @ 16..=128, size))) if data >= commit + 8 => {
                Ok(PageLayout { commit, data, size: data + size })
            }
            (Some(_), Some(_)) => Err(fail(0, "not the page header of any kernel known")),
            _ => Err(fail(0, "no commit or no data field")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(line: &str) -> Field {
        parse_field(line).unwrap()
    }

    #[test]
    fn declarations() {
        let f = field("field:__u8 saddr[sizeof(struct sockaddr_in6)];	offset:8;	size:28;	signed:0;");
        assert_eq!((f.name.as_str(), f.ctype.as_str(), f.kind), ("saddr", "__u8", Kind::Array));
        let f = field("field:const void * skbaddr;	offset:8;	size:8;	signed:0;");
        assert_eq!((f.name.as_str(), f.ctype.as_str(), f.kind), ("skbaddr", "const void *", Kind::Pointer));
        let f = field("field:__data_loc char[] name;	offset:8;	size:4;	signed:0;");
        assert_eq!((f.name.as_str(), f.kind, f.is_string()), ("name", Kind::DataLoc, true));
        let f = field("field:unsigned short common_type;	offset:0;	size:2;	signed:0;");
        assert_eq!((f.name.as_str(), f.kind, f.is_common()), ("common_type", Kind::Integer, true));
        let f = field("field:char comm[16];	offset:8;	size:16;	signed:0;");
        assert!(f.is_string() && f.kind == Kind::Array);
        assert_eq!(parse_field("field:int;offset:0;size:4;signed:1;"), Err("the declaration has no type"));
        assert_eq!(parse_field("field:int a;offset:65533;size:4;"), Err("the field lies outside of any record"));
        assert!(parse_field("field:int a;offset:65532;size:4;").is_ok());
        assert!(parse_field("field:int a;offset:4294967295;size:4294967295;").is_err());
    }

    #[test]
    fn values() {
        let record = [0u8, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe, 12, 0, 3, 0, b'a', b'b', b'c'];
        let f = field("field:int x;	offset:4;	size:4;	signed:1;");
        assert_eq!(f.integer(&record), Some(-0x0100_0001));
        assert_eq!(f.unsigned(&record), Some(0xfeff_ffff));
        let f = field("field:__data_loc char[] name;	offset:8;	size:4;	signed:0;");
        assert_eq!(f.bytes(&record), Some(&b"abc"[..]));
        assert_eq!(f.bytes(&record[..14]), None, "a length that points past the end");
        let f = field("field:__rel_loc char[] name;	offset:8;	size:4;	signed:0;");
        assert_eq!(f.bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 9, b'x', b'y']), Some(&b"xy"[..]));
    }

    #[test]
    fn errors_say_where() {
        let error = Format::parse("tcp", "name: a\nID: 70000\n").unwrap_err();
        assert_eq!(error.to_string(), "format file of a, line 2: the ID is not a number below 65536");
        assert_eq!(Format::parse("tcp", "name: a\nID: 1\n").unwrap_err().reason, "no print fmt line");
    }

    #[test]
    fn fields_have_their_own_places() {
        let parse = |fields: &[&str]| {
            let lines: String = fields.iter().map(|field| format!("\tfield:{field};\tsigned:0;\n")).collect();
            Format::parse("tcp", &format!("name: a\nID: 1\nformat:\n{lines}\nprint fmt: \"\"\n")).map_err(|e| e.reason)
        };
        let check = |fields: &[&str], reason| assert_eq!(parse(fields).err(), reason, "{fields:?}");
        check(&["u32 b;offset:8;size:4", "u8 a[4];offset:4;size:4", "char rest[];offset:10;size:0"], None);
        check(&["u32 b;offset:8;size:4", "u8 a[5];offset:4;size:5"], Some("a field lies on another one"));
        check(&["u32 b;offset:8;size:4", "u8 c;offset:8;size:1"], Some("a field lies on another one"));
        check(&["u32 common_type;offset:0;size:4"], Some("common_type is not in the first two bytes"));
    }

    #[test]
    fn page_header() {
        let text = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
                    \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n";
        assert_eq!(PageLayout::parse(text), Ok(PageLayout::default()));
        assert!(PageLayout::parse("").is_err());
        let of_32_bits = text.replace("offset:8;\tsize:8", "offset:8;\tsize:4").replace("offset:16", "offset:12");
        let error = PageLayout::parse(&of_32_bits).unwrap_err().to_string();
        assert!(error.contains("32-bit"), "{error}");
    }
}
