//! A panel: values or counts of the connections over the time that all panels share.

/// One of the parts that lie above each other over the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is shown: `Congestion window`.
    pub name: &'static str,
    /// Of a comparison that is stacked: whose.
    pub of: Option<String>,
    /// What its values count: `packets`; `None` where they have no axis.
    pub unit: Option<&'static str>,
    /// What each kind of line or colour means, where the table does not say it.
    pub keys: Vec<Key>,
    /// What the reader must know to read it, each a few words.
    pub remarks: Vec<String>,
    /// What to say in its place where there is nothing to show.
    pub if_empty: &'static str,
    /// What there is to show.
    pub content: Content,
}

/// What something is drawn for; how that looks is not said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Of a row of the [`Table`](super::Table).
    Row(usize),
    /// Of any connection.
    Any,
    /// What the congestion window allows.
    Allowed,
    /// The peer's window.
    Window,
    /// What holds a connection back, or why it retransmitted.
    Sort(Sort),
}

/// What limits and causes have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Nobody wanted anything.
    Idle,
    /// The trace does not show it.
    Unseen,
    /// A program did not write.
    Sender,
    /// Request and answer.
    Exchange,
    /// The sender's host or its settings.
    Host,
    /// The receiver's window.
    Receiver,
    /// The receiving program.
    Reader,
    /// It only begins.
    Growth,
    /// The path is full.
    Path,
    /// The path loses.
    Loss,
    /// The path loses what exceeds a rate.
    Policer,
    /// A timer.
    Timeout,
    /// A probe that a timer sent.
    Probe,
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// What it explains.
    pub ink: Ink,
    /// How that is drawn; `None` for an area of colour.
    pub shape: Option<Shape>,
    /// What it means.
    pub text: String,
}

impl Key {
    /// That of a line.
    #[must_use]
    pub fn line(ink: Ink, shape: Shape, text: impl Into<String>) -> Self {
        Key { ink, shape: Some(shape), text: text.into() }
    }
}

impl Panel {
    /// Its name, and its unit where it has one: `Congestion window, packets`.
    #[must_use]
    pub fn heading(&self) -> String {
        let of = self.of.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
        self.unit.map_or_else(|| format!("{}{of}", self.name), |unit| format!("{}{of}, {unit}", self.name))
    }

    /// Whether there is nothing to show but [`Panel::if_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.content {
            Content::Curves(curves) => curves.curves.is_empty(),
            Content::Lanes(lanes) => lanes.iter().all(|lane| lane.bars.is_empty() && lane.spans.is_empty()),
        }
    }
}

/// What a panel shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Values over one axis.
    Curves(Curves),
    /// Counts or stretches of time, with a lane for each connection or kind that has any.
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
    /// What it is drawn for.
    pub ink: Ink,
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
    /// The same, but dotted: a second limit.
    DottedSteps,
    /// From the least to the greatest value of a stretch of time, which reaches to the next sample.
    Band,
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

impl Sample {
    /// A single value.
    #[must_use]
    pub fn of(time_ns: u64, value: f64) -> Self {
        Sample {
            first_ns: time_ns,
            last_ns: time_ns,
            first: Some(value),
            last: Some(value),
            range: Some((value, value)),
        }
    }

    /// The same in another unit.
    #[must_use]
    pub fn times(&self, factor: f64) -> Self {
        let scaled = |value: f64| value * factor;
        Sample {
            first: self.first.map(scaled),
            last: self.last.map(scaled),
            range: self.range.map(|(min, max)| (scaled(min), scaled(max))),
            ..*self
        }
    }
}

/// Something that happened to a connection, shown on its curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Whose it is: a row of the [`Table`](super::Table).
    pub row: usize,
    /// What it is drawn for.
    pub ink: Ink,
    /// When, nanoseconds in the trace's clock.
    pub time_ns: u64,
    /// The value of the curve then.
    pub value: f64,
}

/// How often something happened, or when something held; over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// What it is drawn for.
    pub ink: Ink,
    /// What is left of it: whose it is, or how often or how long it was.
    pub label: String,
    /// By time; those that share a pixel are to be added up.
    pub bars: Vec<Bar>,
    /// By time; none overlaps another.
    pub spans: Vec<Span>,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning, nanoseconds in the trace's clock.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// What it is drawn for.
    pub ink: Ink,
}

/// A count at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The first one, nanoseconds in the trace's clock.
    pub time_ns: u64,
    /// How many.
    pub count: u64,
}
