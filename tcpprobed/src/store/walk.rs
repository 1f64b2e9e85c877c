//! Walks through a segment: each block with the ledger that accounts for it.
//!
//! Block and ledger are written at once, one behind the other. Where one of them is damaged, the other says what is
//! missing: events that nothing accounts for, or an account of events that are gone.

use std::io::{self, Read};

use tcpprobe::file::block::BlockHead;
use tcpprobe::file::{Account, Damage, FRAME_HEAD_BYTES, Frames, Kind, Scanned, decode_ledger};

/// What comes next in a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A block and its ledger.
    Stored {
        /// The block.
        block: StoredFrame<'a>,
        /// Its accounts.
        ledger: LedgerFrame<'a>,
    },
    /// A block that no ledger follows: torn, at the end of a segment.
    Unaccounted(StoredFrame<'a>),
    /// A ledger of events whose block is gone.
    Missing(LedgerFrame<'a>),
    /// Accounts of events that are in no block anyway.
    Ledger(LedgerFrame<'a>),
    /// Any other frame.
    Other(Kind, StoredFrame<'a>),
    /// Bytes that are no frame, or a frame that does not hold what it should.
    Damage(Damage),
}

/// A frame as it is stored, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFrame<'a> {
    /// In the segment.
    pub offset: u64,
    /// With its head.
    pub bytes: &'a [u8],
}

impl<'a> StoredFrame<'a> {
    /// What the frame holds.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[FRAME_HEAD_BYTES..]
    }

    /// Where the next frame begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// A ledger frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerFrame<'a> {
    /// As it is stored.
    pub frame: StoredFrame<'a>,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// Number of the first staged page that is in no account yet.
    pub pages_end: u64,
}

/// A frame that waits for its turn.
#[derive(Debug, Default)]
struct Kept {
    offset: u64,
    bytes: Vec<u8>,
}

impl Kept {
    fn frame(&self) -> StoredFrame<'_> {
        StoredFrame { offset: self.offset, bytes: &self.bytes }
    }

    fn set(&mut self, offset: u64, bytes: &[u8]) {
        self.offset = offset;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }
}

/// What was read before it was its turn.
#[derive(Debug)]
enum Early {
    Frame(Kind, Kept),
    Damage(Damage),
}

/// A walk through a segment; holds a block and a frame in memory.
#[derive(Debug)]
pub struct Walk<R> {
    frames: Frames<R>,
    /// The block whose ledger is to come, if `open`; else the one given last.
    block: Kept,
    open: bool,
    /// The frame given last.
    given: Kept,
    early: Option<Early>,
}

impl<R: Read> Walk<R> {
    /// From the beginning of a segment.
    pub fn new(input: R) -> Self {
        let frames = Frames::new(input);
        Walk { frames, block: Kept::default(), open: false, given: Kept::default(), early: None }
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// Those of the input.
    pub fn step(&mut self) -> io::Result<Option<Step<'_>>> {
        loop {
            let kind = match self.next()? {
                None if !std::mem::take(&mut self.open) => return Ok(None),
                None => return Ok(Some(Step::Unaccounted(self.block.frame()))),
                Some(Err(damage)) => return Ok(Some(self.after_block(Early::Damage(damage)))),
                Some(Ok(kind)) => kind,
            };
            let follows = self.open && self.given.offset == self.block.frame().end();
            match kind {
                Kind::Block if BlockHead::decode(self.given.frame().payload()).is_err() => {
                    let damage = self.not_what_it_should_be("a block without a head");
                    return Ok(Some(self.after_block(Early::Damage(damage))));
                }
                Kind::Block if !self.open => {
                    std::mem::swap(&mut self.block, &mut self.given);
                    self.open = true;
                }
                Kind::Block => {
                    std::mem::swap(&mut self.block, &mut self.given);
                    return Ok(Some(Step::Unaccounted(self.given.frame())));
                }
                Kind::Ledger if follows || !self.open => return Ok(Some(self.ledger())),
                kind if self.open => {
                    let frame = std::mem::take(&mut self.given);
                    return Ok(Some(self.after_block(Early::Frame(kind, frame))));
                }
                kind => return Ok(Some(Step::Other(kind, self.given.frame()))),
            }
        }
    }

    /// Reads a frame into `given`, or takes the one that waits.
    fn next(&mut self) -> io::Result<Option<Result<Kind, Damage>>> {
        match self.early.take() {
            Some(Early::Damage(damage)) => return Ok(Some(Err(damage))),
            Some(Early::Frame(kind, frame)) => {
                self.given = frame;
                return Ok(Some(Ok(kind)));
            }
            None => {}
        }
        Ok(match self.frames.next_frame()? {
            None => None,
            Some(Scanned::Damage(damage)) => Some(Err(damage)),
            Some(Scanned::Frame(frame)) => {
                self.given.set(frame.offset, frame.bytes);
                Some(Ok(frame.kind))
            }
        })
    }

    /// Gives what was just read, but before it a block that is still open.
    fn after_block(&mut self, early: Early) -> Step<'_> {
        if std::mem::take(&mut self.open) {
            self.early = Some(early);
            return Step::Unaccounted(self.block.frame());
        }
        match early {
            Early::Damage(damage) => Step::Damage(damage),
            Early::Frame(kind, frame) => {
                self.given = frame;
                Step::Other(kind, self.given.frame())
            }
        }
    }

    fn ledger(&mut self) -> Step<'_> {
        let Some((accounts, pages_end)) = decode_ledger(self.given.frame().payload()) else {
            let damage = self.not_what_it_should_be("a ledger that cannot be read");
            return self.after_block(Early::Damage(damage));
        };
        let ledger = LedgerFrame { frame: self.given.frame(), accounts, pages_end };
        if std::mem::take(&mut self.open) {
            return Step::Stored { block: self.block.frame(), ledger };
        }
        match ledger.accounts.iter().any(|account| account.stored > 0) {
            true => Step::Missing(ledger),
            false => Step::Ledger(ledger),
        }
    }

    fn not_what_it_should_be(&self, reason: &str) -> Damage {
        let frame = self.given.frame();
        Damage { offset: frame.offset, bytes: frame.bytes.len() as u64, reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpprobe::file::{encode_accounts, put_frame};

    fn block(number: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        put_frame(Kind::Block, &mut frame, |out| {
            out.extend([0; 8]);
            out.extend([number; 300]);
        });
        frame
    }

    fn ledger(stored: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        let account = Account { stored, filtered: 1, ..Account::default() };
        put_frame(Kind::Ledger, &mut frame, |out| encode_accounts(&[account], 0, out));
        frame
    }

    fn anchor() -> Vec<u8> {
        let mut frame = Vec::new();
        put_frame(Kind::Anchor, &mut frame, |out| out.extend([1; 16]));
        frame
    }

    fn damaged(mut frame: Vec<u8>) -> Vec<u8> {
        *frame.last_mut().unwrap() ^= 1;
        frame
    }

    /// Names of the steps, a letter each: Stored, Unaccounted, Missing, Ledger, Other, Damage.
    fn steps(frames: &[Vec<u8>]) -> String {
        let bytes = frames.concat();
        let mut walk = Walk::new(&bytes[..]);
        let mut names = String::new();
        let mut end = 0;
        while let Some(step) = walk.step().unwrap() {
            let (name, offset, length) = match &step {
                Step::Stored { block, ledger } => {
                    assert_eq!(block.end(), ledger.frame.offset);
                    ('S', block.offset, block.bytes.len() + ledger.frame.bytes.len())
                }
                Step::Unaccounted(block) => ('U', block.offset, block.bytes.len()),
                Step::Missing(ledger) => ('M', ledger.frame.offset, ledger.frame.bytes.len()),
                Step::Ledger(ledger) => ('L', ledger.frame.offset, ledger.frame.bytes.len()),
                Step::Other(_, frame) => ('O', frame.offset, frame.bytes.len()),
                Step::Damage(damage) => ('D', damage.offset, damage.bytes as usize),
            };
            assert_eq!(offset, end, "{name} behind {names}");
            end += length as u64;
            names.push(name);
        }
        assert_eq!(end, bytes.len() as u64, "each byte is in one step");
        names
    }

    #[test]
    fn blocks_with_their_ledgers() {
        assert_eq!(steps(&[]), "");
        assert_eq!(steps(&[anchor(), block(1), ledger(5), ledger(0), anchor(), block(2), ledger(3)]), "OSLOS");
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(steps(&[block(1)]), "U");
        assert_eq!(steps(&[block(1), damaged(ledger(5))]), "UD");
        assert_eq!(steps(&[block(1), damaged(ledger(5)), block(2), ledger(3)]), "UDS");
        assert_eq!(steps(&[damaged(block(1)), ledger(5), block(2), ledger(3)]), "DMS");
        assert_eq!(steps(&[block(1), damaged(ledger(5)), damaged(block(2)), ledger(3)]), "UDM");
        assert_eq!(steps(&[block(1), block(2), ledger(3)]), "US");
        assert_eq!(steps(&[block(1), anchor(), ledger(3)]), "UOM");
    }
}
