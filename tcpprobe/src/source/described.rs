//! The events of a kernel, by the IDs that their records begin with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::SourceFormat;
use crate::file::block::PointerKey;
use crate::kernel::format::{Format, Kind};

/// What a kernel says about its events.
#[derive(Debug, Default)]
pub struct Descriptions {
    by_id: BTreeMap<u16, Described>,
    /// IDs of what is recorded beside events: functions, stacks.
    beside: BTreeSet<u16>,
}

/// An event that the kernel describes.
#[derive(Debug)]
pub struct Described {
    /// How.
    pub format: Arc<Format>,
    /// Its place among all of them.
    pub index: usize,
    /// Offsets of the kernel pointers in its records.
    pointers: Vec<usize>,
    /// The least number of bytes of its records.
    size: usize,
}

/// A description that is of no use.
pub enum Rejected {
    /// The common fields are not where every kernel has them.
    CommonFields,
    /// There is another one of this ID.
    Double(Arc<Format>),
}

impl Descriptions {
    /// Adds the description of an event.
    ///
    /// # Errors
    /// Where it is of no use. Of two with the same ID, the first one stays.
    pub fn add(&mut self, format: Format) -> Result<(), Rejected> {
        if !has_common_fields(&format) {
            return Err(Rejected::CommonFields);
        }
        if let Some(other) = self.by_id.get(&format.id) {
            return Err(Rejected::Double(Arc::clone(&other.format)));
        }
        let pointers = format.fields.iter().filter(|field| field.kind == Kind::Pointer);
        let described = Described {
            pointers: pointers.map(|field| field.offset as usize).collect(),
            size: format.record_size(),
            index: 0,
            format: Arc::new(format),
        };
        self.by_id.insert(described.format.id, described);
        Ok(())
    }

    /// Adds the ID of something that is no event.
    pub fn pass_over(&mut self, id: u16) {
        self.beside.insert(id);
    }

    /// Numbers them in the order of their IDs, as they are listed.
    pub fn number(&mut self) {
        self.by_id.values_mut().enumerate().for_each(|(index, described)| described.index = index);
    }

    /// What describes this record; `None` where nothing does, or what does is of another kernel, for the record is
    /// shorter than it says.
    pub fn describe(&self, record: &[u8]) -> Option<&Described> {
        self.by_id.get(&id(record)?).filter(|described| record.len() >= described.size)
    }

    /// Whether a record is of something beside events.
    pub fn is_beside(&self, record: &[u8]) -> bool {
        id(record).is_some_and(|id| self.beside.contains(&id))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All of them, by ID.
    pub fn formats(&self) -> impl Iterator<Item = &Arc<Format>> {
        self.by_id.values().map(|described| &described.format)
    }

    /// The same, with the events that they are.
    pub fn source_formats(&self) -> Vec<SourceFormat> {
        self.formats().cloned().map(SourceFormat::new).collect()
    }
}

impl Described {
    /// The record without what perf fills it up with, where it is all in fixed fields.
    pub fn without_padding<'r>(&self, record: &'r [u8]) -> &'r [u8] {
        let is_fixed = !self.format.fields.iter().any(|field| field.kind.is_dynamic());
        record.get(..self.size).filter(|_| is_fixed).unwrap_or(record)
    }

    /// Makes ids of the kernel's pointers in a record.
    pub fn hide_pointers(&self, record: &mut [u8], key: &PointerKey) {
        for &place in &self.pointers {
            if let Some(pointer) = record.get_mut(place..).and_then(|rest| rest.first_chunk_mut()) {
                *pointer = key.id(u64::from_le_bytes(*pointer)).to_le_bytes();
            }
        }
    }
}

/// `common_type`.
pub fn id(record: &[u8]) -> Option<u16> {
    record.first_chunk().map(|id| u16::from_le_bytes(*id))
}

/// `common_pid`.
pub fn pid(record: &[u8]) -> i32 {
    record.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |pid| i32::from_le_bytes(*pid))
}

/// Whether type, flags, preemption count and pid are where [`crate::event::Record`] takes them from.
fn has_common_fields(format: &Format) -> bool {
    let is_at =
        |name, offset, size| format.field(name).is_some_and(|field| (field.offset, field.size) == (offset, size));
    is_at("common_type", 0, 2) && is_at("common_flags", 2, 1) && is_at("common_pid", 4, 4)
}
