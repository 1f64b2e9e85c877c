//! A panel: values or counts of the connections over the time that all panels share.

/// One of the parts that lie above each other over the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is shown: `Congestion window`.
    pub name: &'static str,
    /// What its values count: `packets`; `None` where they have no axis.
    pub unit: Option<&'static str>,
    /// What the reader must know to read it, each a few words.
    pub remarks: Vec<&'static str>,
    /// What to say in its place where there is nothing to show.
    pub if_empty: &'static str,
    /// What there is to show.
    pub content: Content,
}

impl Panel {
    /// Its name, and its unit where it has one: `Congestion window, packets`.
    #[must_use]
    pub fn heading(&self) -> String {
        self.unit.map_or_else(|| self.name.to_owned(), |unit| format!("{}, {unit}", self.name))
    }

    /// Whether there is nothing to show but [`Panel::if_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Curves(curves) => curves.curves.is_empty(),
            Content::Lanes(lanes) => lanes.iter().all(|lane| lane.bars.is_empty()),
        }
    }
}

/// What a panel shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Values over one axis.
    Curves(Curves),
    /// Counts, with a lane for each connection that has any.
    Lanes(Vec<Lane>),
}

/// Curves over one axis, in the panel's unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// How the axis spreads the values.
    pub scale: Scale,
    /// The least and the greatest value.
    pub range: (f64, f64),
    /// In the order in which they are drawn: later ones cover earlier ones.
    pub curves: Vec<Curve>,
    /// On the curves, and over them all; by row, and within a row by time.
    pub marks: Vec<Mark>,
}

/// How an axis spreads its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Linear, from 0.
    FromZero,
    /// Linear, from somewhat below the least value.
    Near,
    /// Equal distances are equal ratios.
    Log,
}

impl Scale {
    /// What a reader who expects a linear axis from 0 must be told.
    #[must_use]
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Scale::FromZero => None,
            Scale::Near => Some("the axis does not begin at 0"),
            Scale::Log => Some("logarithmic"),
        }
    }
}

/// A value of one connection over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Whose it is: a row of the [`Table`](super::Table).
    pub row: usize,
    /// How it is drawn.
    pub shape: Shape,
    /// By time.
    pub samples: Vec<Sample>,
}

/// How a curve is drawn through its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A value holds until the next.
    Steps,
    /// The same, but dashed: a limit beside what it limits.
    DashedSteps,
}

/// What is known of a stretch of time: enough to draw each of its values where it is at most a pixel wide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Time of its first value, nanoseconds in the trace's clock.
    pub first_ns: u64,
    /// Time of its last value.
    pub last_ns: u64,
    /// The first value; `None` where it was not set.
    pub first: Option<f64>,
    /// The last value; `None` where it was not set.
    pub last: Option<f64>,
    /// The least and the greatest value that was set, `None` if none was.
    pub range: Option<(f64, f64)>,
}

/// Something that happened to a connection, shown on its curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Whose it is: a row of the [`Table`](super::Table).
    pub row: usize,
    /// When, nanoseconds in the trace's clock.
    pub time_ns: u64,
    /// The value of the curve then.
    pub value: f64,
}

/// How often something happened to one connection, over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Whose it is: a row of the [`Table`](super::Table).
    pub row: usize,
    /// How often in all.
    pub total: u64,
    /// By time; those that share a pixel are to be added up.
    pub bars: Vec<Bar>,
}

/// A count at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The first one, nanoseconds in the trace's clock.
    pub time_ns: u64,
    /// How many.
    pub count: u64,
}
