//! `top`: the connections of jobs as they are now, on the whole terminal, as a table, or as JSON.
//!
//! A [`feed`] brings each job's events to the library, which keeps connections; a [`row`] is one of them at a tick. The
//! [`model`] is what is shown of them, changed by [`keys`], drawn by [`screen`] on a [`terminal`], or printed by [`plain`].

pub mod choice;
pub mod column;
pub mod feed;
pub mod keys;
pub mod model;
pub mod plain;
pub mod row;
pub mod screen;
pub mod terminal;
