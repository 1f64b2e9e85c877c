//! What a file is, told by how it begins.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::file::{FRAME_HEAD_BYTES, Kind, MAGIC, frame_head};

/// Enough that reading a file is not held up by system calls, and to see what kind of file it is.
pub const BUFFER_BYTES: usize = 256 << 10;
/// A gzip file begins with these bytes (RFC 1952).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A `.tcpp` trace.
    Tcpp,
    /// Ftrace text, or what will turn out to be nothing.
    Text,
}

/// Undoes gzip, where there is any, and looks what there is.
pub fn sniff<'a>(mut input: impl Read + 'a) -> io::Result<(Content, Box<dyn Read + 'a>)> {
    let head = peek(&mut input, GZIP_MAGIC.len())?;
    let is_gzip = head.starts_with(&GZIP_MAGIC);
    let whole = Cursor::new(head).chain(input);
    if is_gzip {
        let mut inflated = MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, whole));
        let head = peek(&mut inflated, FRAME_HEAD_BYTES)?;
        return Ok((content(&head), Box::new(Cursor::new(head).chain(inflated))));
    }
    let (head, mut rest) = whole.into_inner();
    let mut head = head.into_inner();
    if head.len() < FRAME_HEAD_BYTES {
        let missing = FRAME_HEAD_BYTES - head.len();
        head.extend(peek(&mut rest, missing)?);
    }
    Ok((content(&head), Box::new(Cursor::new(head).chain(rest))))
}

/// The first bytes of `input`: what it gives at once, and no fewer than `least` unless it ends. (A pipe may give them one by one.)
fn peek(input: &mut impl Read, least: usize) -> io::Result<Vec<u8>> {
    let mut head = vec![0; BUFFER_BYTES];
    let mut length = 0;
    while length < least {
        match input.read(&mut head[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What came before it is to be read; then it comes again.
            Err(_) if length > 0 => break,
            Err(error) => return Err(error),
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Tells by the first bytes what a file is. A damaged trace may not begin with a frame: then one further on tells.
/// Text may hold the letters of a frame's magic, but not the head behind them, nor zeros at its very beginning.
pub fn content(head: &[u8]) -> Content {
    let is_frame = |at: usize| {
        let Some(head) = head.get(at..at + FRAME_HEAD_BYTES) else { return false };
        let is_known = frame_head(head).is_some_and(|frame| !matches!(frame.kind, Kind::Unknown(_)));
        is_known && head[5..8] == [0; 3]
    };
    let has_frame = memchr::memmem::find_iter(head, &MAGIC).any(is_frame);
    // What is cut short within its first head, and what has lost it.
    let is_binary = head.starts_with(&MAGIC) || head.first() == Some(&0);
    if has_frame || is_binary { Content::Tcpp } else { Content::Text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::put_frame;

    #[test]
    fn beginnings() {
        let mut frame = Vec::new();
        put_frame(Kind::Ledger, &mut frame, |out| out.extend([1; 30]));
        let check = |bytes: &[u8], expected| assert_eq!(content(bytes), expected, "{bytes:?}");
        check(&frame, Content::Tcpp);
        check(&[b"damage".as_slice(), &frame].concat(), Content::Tcpp);
        check(b"TCPP", Content::Tcpp);
        check(b"", Content::Text);
        check(b"# tracer: nop\n", Content::Text);
        check(b"      TCPPworker-12    [000] .....     1.000000: tcp_probe: a=1\n", Content::Text);
        check(b"a TCPP\x04 and more than a head of a frame has\n", Content::Text);
    }
}
