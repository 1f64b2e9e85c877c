//! Areas: where the parts of a picture are.

use super::canvas::Rect;
use super::font::Fonts;
use super::{Size, lanes, table};
use crate::model::{Content, Plot};

/// Left of the title and of the table.
pub const EDGE: f32 = 24.0;
/// Left of the panels; more where lanes have long labels.
const MARGIN_LEFT: f32 = 96.0;
const MARGIN_RIGHT: f32 = 28.0;
const HEAD_HEIGHT: f32 = 76.0;
/// Above each panel, for its heading.
const HEADING_HEIGHT: f32 = 40.0;
/// Below the panels, for the labels of the time axis.
const TIME_HEIGHT: f32 = 66.0;
const CURVES_HEIGHT_MIN: f32 = 170.0;
/// Between the table and the lower edge.
const FOOT_HEIGHT: f32 = 14.0;

/// Where the parts of a picture are.
pub struct Areas {
    pub width: f32,
    pub height: f32,
    /// Left of the panels.
    left: f32,
    /// Where no part ends further right.
    pub right: f32,
    /// Those of the panels, without their headings.
    pub panels: Vec<Rect>,
    pub table_top: f32,
}

impl Areas {
    /// As high as asked for, or as high as is needed.
    pub fn of(plot: &Plot, size: Size, fonts: &Fonts) -> Self {
        let (width, height) = (size.width.max(Size::MIN.width) as f32, size.height.max(Size::MIN.height) as f32);
        let lanes_height: f32 = plot.panels.iter().map(|panel| fixed_height(&panel.content)).sum();
        let headings_height = plot.panels.len() as f32 * HEADING_HEIGHT;
        let table_height = table::height(&plot.table, &plot.notes);
        let fixed = HEAD_HEIGHT + headings_height + lanes_height + TIME_HEIGHT + table_height + FOOT_HEIGHT;
        let curves = plot.panels.iter().filter(|panel| matches!(panel.content, Content::Curves(_))).count();
        let height = height.max((fixed + curves as f32 * CURVES_HEIGHT_MIN).ceil());
        let room = height - fixed;
        let labels = plot.panels.iter().map(|panel| match &panel.content {
            Content::Curves(_) => 0.0,
            Content::Lanes(lanes) => lanes::labels_width(lanes, fonts),
        });
        let left = (EDGE + labels.fold(0.0, f32::max) + 10.0).ceil().clamp(MARGIN_LEFT, width / 3.0);
        let mut bottom = HEAD_HEIGHT;
        let panels = plot.panels.iter().map(|panel| {
            let height = match &panel.content {
                Content::Curves(_) => room / curves as f32,
                fixed => fixed_height(fixed),
            };
            let top = bottom + HEADING_HEIGHT;
            let rect = Rect { left, right: width - MARGIN_RIGHT, top: top.round(), bottom: (top + height).round() };
            bottom = rect.bottom;
            rect
        });
        let panels = panels.collect();
        Areas { width, height, left, right: width - MARGIN_RIGHT, panels, table_top: bottom + TIME_HEIGHT }
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// What all panels span from left to right, and where the lowest ends.
    pub fn time_axis(&self) -> Rect {
        let bottom = self.panels.last().map_or(HEAD_HEIGHT, |panel| panel.bottom);
        Rect { left: self.left, right: self.right, top: bottom, bottom }
    }
}

/// The height of a panel that does not grow with the picture; 0 for one that does.
fn fixed_height(content: &Content) -> f32 {
    match content {
        Content::Curves(_) => 0.0,
        Content::Lanes(lanes) => lanes::height(lanes),
    }
}
