//! The panel of what is in flight, against what congestion window and peer allow.

use super::dense::Middle;
use super::from_flows::{Connection, Metric};
use super::panel::{Content, Curve, Curves, Ink, Key, Panel, Sample, Scale, Shape};
use super::{Scene, dense};
use crate::units::bytes;

/// What is allowed is shown up to so many times the most that was in flight; beyond that it does not matter how much.
const HEADROOM: f64 = 1.5;

pub fn panel(scene: &Scene) -> Panel {
    let set = |one: &&Connection| one.range(Metric::InFlight).is_some_and(|(_, max)| max > 0);
    let flights: Vec<&Connection> = scene.connections.iter().filter(set).collect();
    let most = flights.iter().filter_map(|one| one.range(Metric::InFlight)).map(|range| range.1).max().unwrap_or(0);
    let top = f64::from(most) * HEADROOM;
    let mut keys = Vec::new();
    let (mut curves, mut lines) = (Vec::new(), Vec::new());
    for one in &flights {
        dense::add(scene, one, one.samples(Metric::InFlight, 1.0), Middle::Mean, &mut curves, &mut lines);
    }
    let bands = dense::keys(&curves, Middle::Mean);
    curves.append(&mut lines);
    if let [one] = flights[..] {
        if bands.is_empty() {
            keys.push(Key::line(Ink::Row(one.row), Shape::Steps, "in flight"));
        }
        let limits = [
            (one.mss(), Metric::SndCwnd, Ink::Allowed, Shape::DashedSteps, "cwnd × MSS"),
            (Some(1), Metric::SndWnd, Ink::Window, Shape::DottedSteps, "peer's window"),
        ];
        for (factor, metric, ink, shape, name) in limits {
            let Some((factor, (min, max))) = factor.zip(one.range(metric)) else { continue };
            let all = one.samples(metric, factor.into());
            let (min, max) = (f64::from(min) * f64::from(factor), f64::from(max) * f64::from(factor));
            let text = if min >= top {
                format!("{name} is higher, {} or more", bytes(min as u64))
            } else if max >= top {
                format!("{name}, up to {}", bytes(max as u64))
            } else {
                name.to_owned()
            };
            keys.push(Key::line(ink, shape, text));
            curves.push(Curve { ink, shape, samples: below(all, top) });
        }
    }
    let greatest =
        |curve: &Curve| curve.samples.iter().filter_map(|sample| sample.range).map(|range| range.1).fold(0.0, f64::max);
    let max = curves.iter().map(greatest).fold(0.0, f64::max);
    let (unit, factor) = match max {
        _ if max < 1e4 => ("bytes", 1.0),
        _ if max < 1e7 => ("kB", 1e-3),
        _ if max < 1e10 => ("MB", 1e-6),
        _ => ("GB", 1e-9),
    };
    for curve in &mut curves {
        curve.samples = curve.samples.iter().map(|sample| sample.times(factor)).collect();
    }
    let remarks = if flights.len() != 1 { vec!["sent and not acknowledged yet".to_owned()] } else { Vec::new() };
    keys.splice(0..0, bands);
    Panel {
        name: "In flight",
        of: None,
        unit: Some(unit),
        keys,
        remarks,
        if_empty: "nothing was in flight",
        content: Content::Curves(Curves {
            scale: Scale::FromZero,
            range: (0.0, max * factor),
            curves,
            marks: Vec::new(),
        }),
    }
}

/// Only what is below `top`: a line ends where it is above.
fn below(samples: Vec<Sample>, top: f64) -> Vec<Sample> {
    let under = |value: Option<f64>| value.filter(|value| *value < top);
    let cut = |sample: Sample| Sample {
        first: under(sample.first),
        last: under(sample.last),
        range: sample.range.filter(|(min, _)| *min < top).map(|(min, max)| (min, max.min(top))),
        ..sample
    };
    samples.into_iter().map(cut).collect()
}
