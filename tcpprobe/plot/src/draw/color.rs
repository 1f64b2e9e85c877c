//! Colours, for white paper.

use crate::model::{Sort, TOP_MAX};

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

/// Text, and whatever else must be read.
pub const DARK: Color = Color(0x22, 0x22, 0x22);
/// Text that need not be read first.
pub const GREY: Color = Color(0x66, 0x66, 0x66);
/// Frames.
pub const FRAME: Color = Color(0xb0, 0xb0, 0xb0);
/// Grid lines.
pub const GRID: Color = Color(0xe6, 0xe6, 0xe6);

/// What covers a gap, and how much of what is under it.
pub const SHADE: (Color, f32) = (Color(0xd0, 0x20, 0x20), 0.14);
/// Text on it.
pub const SHADE_TEXT: Color = Color(0xa0, 0x18, 0x18);

/// What the congestion window allows, and the peer's window: beside the first connection's colour.
pub const ALLOWED: Color = Color(0xd5, 0x5e, 0x00);
pub const WINDOW: Color = Color(0x00, 0x9e, 0x73);

/// How much of the colour of what holds a connection back is behind its curves.
pub const BACKDROP: f32 = 0.12;
/// How much of a colour a band has, so that a line over it can be seen.
pub const BAND: f32 = 0.45;

/// The colour of a limit or a cause, on white: programs blue, receivers yellow, the path from green to red, timers black.
#[must_use]
pub fn of_sort(sort: Sort) -> Color {
    match sort {
        Sort::Idle => Color(0xd4, 0xd4, 0xd4),
        Sort::Unseen => Color(0x99, 0x99, 0x99),
        Sort::Sender => Color(0x56, 0xb4, 0xe9),
        Sort::Exchange => Color(0x33, 0x22, 0x88),
        Sort::Host => Color(0xcc, 0x79, 0xa7),
        Sort::Receiver => Color(0xe6, 0x9f, 0x00),
        Sort::Reader => Color(0xb5, 0xa8, 0x00),
        Sort::Growth => Color(0x8f, 0xd3, 0xbd),
        Sort::Path => Color(0x00, 0x9e, 0x73),
        Sort::Loss => Color(0xd5, 0x5e, 0x00),
        Sort::Policer => Color(0x88, 0x22, 0x55),
        Sort::Timeout => Color(0x22, 0x22, 0x22),
        Sort::Probe => Color(0x00, 0x72, 0xb2),
    }
}

/// Colours of the connections. The first eight are of Okabe and Ito ("Color Universal Design", 2008; the yellow
/// darkened, for it is drawn on white), the others of Paul Tol's "muted" scheme (SRON/EPS/TN/09-002).
pub const PALETTE: [Color; TOP_MAX] = [
    Color(0x00, 0x72, 0xb2),
    Color(0xd5, 0x5e, 0x00),
    Color(0x00, 0x9e, 0x73),
    Color(0xcc, 0x79, 0xa7),
    Color(0xe6, 0x9f, 0x00),
    Color(0x56, 0xb4, 0xe9),
    Color(0x00, 0x00, 0x00),
    Color(0xb5, 0xa8, 0x00),
    Color(0x88, 0x22, 0x55),
    Color(0x33, 0x22, 0x88),
    Color(0x44, 0xaa, 0x99),
    Color(0xaa, 0x44, 0x99),
    Color(0x99, 0x99, 0x33),
    Color(0x11, 0x77, 0x33),
    Color(0x66, 0x11, 0x00),
    Color(0x88, 0x88, 0x88),
];
