//! What is wanted of a block.

use std::sync::Arc;

use super::connection_id;
use super::schema::{Layout, Part};
use crate::event::Socket;

/// What is wanted of a block: nothing else is decoded.
///
/// ```
/// use tcpprobe::file::block::Projection;
///
/// let wanted = Projection::fields(["snd_cwnd", "srtt"]);
/// assert!(wanted.has_field("srtt") && !wanted.has_field("mark"));
/// assert!(Projection::default().has_field("mark"), "all, where nothing is said");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Names of fields; others are 0, but for those that tell what an event is about (addresses, ports, cookie), which are
    /// always there. `None` for all.
    pub fields: Option<Arc<[String]>>,
    /// Only events of the connections of these ids ([`connection_id`]), and those whose connection is not known. `None` for all.
    pub connections: Option<Arc<[u64]>>,
}

impl Projection {
    /// These fields, of all connections.
    #[must_use]
    pub fn fields<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Projection { fields: Some(names.into_iter().map(Into::into).collect()), connections: None }
    }

    /// Whether the field `name` is wanted.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.as_ref().is_none_or(|names| names.iter().any(|wanted| wanted == name))
    }

    /// A bit for each of `parts` that is wanted.
    pub(super) fn columns(&self, layout: &Layout, parts: &[Part]) -> u32 {
        if self.fields.is_none() {
            return u32::MAX;
        }
        let wanted = |part: &Part| {
            let fields = &layout.format.fields;
            let field = fields.iter().find(|f| (f.offset..f.offset + f.size).contains(&(part.offset as u32)));
            // The dynamic part of a record is found by its column, and its task by pid.
            field.is_none_or(|f| self.has_field(&f.name) || f.name == "common_pid" || f.kind.is_dynamic())
        };
        parts.iter().enumerate().fold(0, |set, (at, part)| set | u32::from(wanted(part)) << at)
    }

    /// Whether events of the identity are wanted that has this record.
    pub(super) fn holds(&self, layout: &Layout, record: &[u8]) -> bool {
        let Some(wanted) = &self.connections else { return true };
        let socket = layout.reader.read(record).map(|event| event.socket()).filter(Socket::has_ends);
        socket.is_none_or(|socket| wanted.contains(&connection_id(socket.local, socket.peer)))
    }
}
