//! gzip as people have it: several members (RFC 1952), zeros behind the end, or cut by Ctrl-C.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::GzDecoder;

use super::input::Damage;

/// A gzip file begins with these bytes.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Inflates all members. What is cut or broken ends it as an end of the file would, and is told in `damage`.
pub struct Gunzip<R> {
    /// `None` between members, and at the end.
    member: Option<GzDecoder<R>>,
    input: Option<R>,
    damage: Damage,
}

impl<R: BufRead> Gunzip<R> {
    pub fn new(input: R, damage: Damage) -> Self {
        Gunzip { member: None, input: Some(input), damage }
    }

    /// Begins the next member, if there is one.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(mut input) = self.input.take() else { return Ok(false) };
        loop {
            let bytes = match input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.input = Some(input);
                    return Err(error);
                }
            };
            let (length, zeros) = (bytes.len(), bytes.iter().take_while(|byte| **byte == 0).count());
            let rest = bytes.get(zeros).copied();
            // Tapes and disks fill up with zeros.
            input.consume(zeros);
            match rest {
                None if length == 0 => return Ok(false),
                None => {}
                Some(first) if first == MAGIC[0] => {
                    self.member = Some(GzDecoder::new(input));
                    return Ok(true);
                }
                Some(_) => {
                    self.damage.tell("what follows the gzip stream is no gzip, and is passed over".to_owned());
                    return Ok(false);
                }
            }
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else {
                if buffer.is_empty() || !self.begin()? {
                    return Ok(0);
                }
                continue;
            };
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => self.input = self.member.take().map(GzDecoder::into_inner),
                Ok(count) => return Ok(count),
                // What the input itself says has a number of the system's, or is of another kind.
                Err(error) if error.raw_os_error().is_some() => return Err(error),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    self.member = None;
                    self.damage.tell("the gzip stream is cut; what came before is read".to_owned());
                }
                Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData) => {
                    self.member = None;
                    self.damage.tell(format!("the gzip stream is damaged ({error}); what came before is read"));
                }
                Err(error) => return Err(error),
            }
        }
    }
}
