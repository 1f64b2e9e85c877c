//! `.tcpp` to `.tcpp`: as it is, or with a selection of its events.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use tcpprobe::file::block::{Block, BlockBuilder, Projection, Schema, Seal};
use tcpprobe::file::{Frame, Frames, Header, Kind, Scanned, put_frame};

use super::Survey;
use crate::select::Selection;

/// Reads `input` and writes what it gives to `out`.
struct Tee<R, W> {
    input: R,
    out: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.out.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Copies every byte, damaged ones too.
pub fn copy(input: impl Read, out: &mut impl Write) -> io::Result<Survey> {
    Survey::of(Tee { input, out })
}

/// Copies the events of `selection`; everything else but damage is copied as it is. The ledger goes on to tell what
/// the recording lost. The survey counts the events written.
pub fn copy_selected(input: impl Read, selection: &mut Selection, out: &mut impl Write) -> Result<Survey> {
    let mut frames = Frames::new(input);
    let mut survey = Survey::default();
    let mut blocks = BlockCopier::default();
    let mut copy = Vec::new();
    while let Some(scanned) = frames.next_frame()? {
        let frame = match scanned {
            Scanned::Frame(frame) => frame,
            Scanned::Damage(damage) => {
                survey.damages.push(damage);
                continue;
            }
        };
        copy.clear();
        blocks.frame(&frame, selection, &mut copy).with_context(|| format!("frame at byte {}", frame.offset))?;
        let copied = Frame { kind: frame.kind, offset: frame.offset, bytes: &copy };
        if !copy.is_empty() {
            survey.add(&copied);
            out.write_all(&copy)?;
        }
    }
    Ok(survey)
}

#[derive(Default)]
struct BlockCopier {
    schema: Option<Arc<Schema>>,
    builder: Option<BlockBuilder>,
}

impl BlockCopier {
    /// Appends what stands for `frame` in the copy; nothing for a block without a selected event.
    fn frame(&mut self, frame: &Frame<'_>, selection: &mut Selection, out: &mut Vec<u8>) -> Result<()> {
        match frame.kind {
            Kind::Block if !selection.is_all() => return self.block(frame, selection, out),
            Kind::Header if !selection.is_all() => {
                if let Some(header) = Header::decode(frame.payload()) {
                    let header = header.with("selection", &*selection);
                    put_frame(Kind::Header, out, |out| header.encode(out));
                    return Ok(());
                }
            }
            Kind::Schema => {
                let schema = Schema::decode(frame.payload())?;
                selection.begin(schema.formats())?;
                self.builder = Some(BlockBuilder::new(Arc::clone(&schema)));
                self.schema = Some(schema);
            }
            _ => {}
        }
        out.extend_from_slice(frame.bytes);
        Ok(())
    }

    fn block(&mut self, frame: &Frame<'_>, selection: &mut Selection, out: &mut Vec<u8>) -> Result<()> {
        let (Some(schema), Some(builder)) = (&self.schema, &mut self.builder) else {
            return Err(anyhow!("a block without the schema that explains it"));
        };
        let block = Block::decode(frame.payload(), schema, Projection::default())?;
        let mut comms: HashMap<i32, String> = HashMap::new();
        let mut buffer = Vec::new();
        for row in block.rows() {
            let record = block.record(row, &mut buffer);
            if !selection.takes(&record) {
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
