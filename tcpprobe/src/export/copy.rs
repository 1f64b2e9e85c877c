//! `.tcpp` to `.tcpp`: as it is, or with a selection of its events.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::Error;
use crate::file::block::{Block, BlockBuilder, Projection, Schema, Seal};
use crate::file::{Damage, Frame, Frames, Header, Kind, Scanned, Survey, put_frame};
use crate::source::EventFilter;

/// Copies the events of `filter`, or every byte (damaged ones too) where it wants all. The ledger goes on to tell what the recording
/// lost. The survey counts the events written. `name` is what errors call the input.
///
/// # Errors
/// Those of input and output, and where the filter suits no event.
pub fn copy(name: &str, input: impl Read, filter: &mut EventFilter, out: &mut impl Write) -> Result<Survey, Error> {
    if !filter.is_all() {
        return copy_selected(name, input, filter, out);
    }
    let mut tee = Tee { input, out, failed: None };
    let survey = Survey::of(&mut tee);
    match tee.failed {
        Some(error) => Err(Error::Write(error)),
        None => survey.map_err(Error::read(name)),
    }
}

/// Reads `input` and writes what it gives to `out`.
struct Tee<R, W> {
    input: R,
    out: W,
    /// Why `out` failed.
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let Err(error) = self.out.write_all(&buffer[..count]) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(count)
    }
}

fn copy_selected(
    name: &str,
    input: impl Read,
    filter: &mut EventFilter,
    out: &mut impl Write,
) -> Result<Survey, Error> {
    let mut frames = Frames::new(input);
    let mut survey = Survey::default();
    let mut blocks = BlockCopier::default();
    let mut copy = Vec::new();
    while let Some(scanned) = frames.next_frame().map_err(Error::read(name))? {
        let frame = match scanned {
            Scanned::Frame(frame) => frame,
            Scanned::Damage(damage) => {
                survey.damages.push(damage);
                continue;
            }
        };
        copy.clear();
        if let Err(reason) = blocks.frame(&frame, filter, &mut copy)? {
            survey.damages.push(Damage { offset: frame.offset, bytes: frame.bytes.len() as u64, reason });
            continue;
        }
        let copied = Frame { kind: frame.kind, offset: frame.offset, bytes: &copy };
        if !copy.is_empty() {
            survey.add(&copied);
            out.write_all(&copy)?;
        }
    }
    Ok(survey)
}

/// What a frame comes to, or why it cannot be read.
type Copied = Result<(), String>;

#[derive(Default)]
struct BlockCopier {
    schema: Option<Arc<Schema>>,
    builder: Option<BlockBuilder>,
}

impl BlockCopier {
    /// Appends what stands for `frame` in the copy; nothing for a block without a selected event.
    fn frame(&mut self, frame: &Frame<'_>, filter: &mut EventFilter, out: &mut Vec<u8>) -> Result<Copied, Error> {
        match frame.kind {
            Kind::Block => return Ok(self.block(frame, filter, out)),
            Kind::Header => {
                if let Some(header) = Header::decode(frame.payload()) {
                    let header = header.with("selection", &*filter);
                    put_frame(Kind::Header, out, |out| header.encode(out));
                    return Ok(Ok(()));
                }
            }
            Kind::Schema => match Schema::decode(frame.payload()) {
                Ok(schema) => {
                    filter.begin(schema.formats())?;
                    self.builder = Some(BlockBuilder::new(Arc::clone(&schema)));
                    self.schema = Some(schema);
                }
                Err(error) => return Ok(Err(error.to_string())),
            },
            _ => {}
        }
        out.extend_from_slice(frame.bytes);
        Ok(Ok(()))
    }

    fn block(&mut self, frame: &Frame<'_>, filter: &mut EventFilter, out: &mut Vec<u8>) -> Copied {
        let (Some(schema), Some(builder)) = (&self.schema, &mut self.builder) else {
            return Err("a block without the schema that explains it".to_owned());
        };
        let block =
            Block::decode(frame.payload(), schema, &Projection::default()).map_err(|error| error.to_string())?;
        let mut comms: HashMap<i32, String> = HashMap::new();
        let mut buffer = Vec::new();
        for row in block.rows() {
            let record = block.record(row, &mut buffer);
            if !filter.takes(&record) {
                continue;
            }
            if let Some(comm) = record.comm {
                comms.entry(record.pid()).or_insert_with(|| comm.to_owned());
            }
            builder.push(record.cpu, &[(record.time, record.bytes)]);
        }
        if !builder.is_empty() {
            let head = &block.head;
            // The same number and completeness, so that the order and the joining of copies stay right.
            let seal = Seal { sequence: head.sequence, complete_until: head.complete_until, pages: head.pages.clone() };
            let comm = |pid| comms.get(&pid).map(String::as_str);
            put_frame(Kind::Block, out, |out| builder.seal(&seal, None, comm, out));
        }
        Ok(())
    }
}
