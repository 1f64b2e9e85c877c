//! Pictures of a real capture, of made-up extremes, and of a spike that must not vanish.

use std::net::SocketAddr;
use std::sync::Arc;

use tcpprobe::diagnose::{Diagnoser, Diagnosis};
use tcpprobe::event::{AF_INET, Event, Owner, SSTHRESH_INFINITE, TcpProbe, TcpRetransmitSkb};
use tcpprobe::flow::{Collect, Collector, Label, Limits};

use super::draw::{Color, PALETTE};
use super::model::{Content, Curve, Curves, Ink, Lane, Panel, Shape, Sort};
use super::*;

#[path = "../../tests/pages/mod.rs"]
mod pages;

fn flows(events: &[(u64, Event)]) -> Collector {
    let mut flows = Collector::default();
    for (time, event) in events {
        flows.push(*time, event);
    }
    flows
}

fn probe(host: u32, peer_port: u16) -> TcpProbe {
    let [_, a, b, c] = host.to_be_bytes();
    TcpProbe {
        family: AF_INET,
        src: SocketAddr::from(([10, a, b, c], 43_210)),
        dest: SocketAddr::from(([192, 0, 2, 1], peer_port)),
        mark: 0,
        data_len: 1000,
        snd_nxt: 0,
        snd_una: 0,
        snd_cwnd: 10,
        ssthresh: SSTHRESH_INFINITE,
        snd_wnd: 65_535,
        srtt: 20_000,
        rcv_wnd: 65_535,
        sock_cookie: u64::from(host) + 1,
        skbaddr: 0,
        skaddr: u64::from(host) + 1,
    }
}

fn retransmit(probe: &TcpProbe) -> Event {
    let TcpProbe { family, src, dest, skaddr, .. } = *probe;
    Event::TcpRetransmitSkb(TcpRetransmitSkb { family, src, dest, state: 1, skbaddr: 0, skaddr, err: None })
}

fn input<'a>(flows: &'a Collector, gaps: &'a [Gap]) -> PlotInput<'a> {
    PlotInput { flows, diagnoses: &[], title: "web", kernel: None, host: None, utc_offset_ns: None, gaps }
}

fn picture(input: &PlotInput, options: &Options, format: Format, size: Size) -> Vec<u8> {
    render(&Plot::new(input, options).unwrap(), format, size).unwrap()
}

fn svg(input: &PlotInput, options: Options) -> String {
    String::from_utf8(picture(input, &options, Format::Svg, Size::default())).unwrap()
}

/// The texts of an SVG, in the order in which they were written.
fn texts(svg: &str) -> Vec<&str> {
    let texts = svg.split("<text ").skip(1).filter_map(|text| text.split_once(">\n")?.1.split_once("\n</text>"));
    texts.map(|(text, _)| text).collect()
}

fn check_texts(svg: &str, expected: &[&str]) {
    let found = texts(svg);
    for text in expected {
        assert!(found.contains(text), "no {text:?} in {found:#?}");
    }
}

/// A decoded PNG, three bytes a pixel.
struct Pixels {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

fn decode(file: &[u8]) -> Pixels {
    let mut reader = ::png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (::png::ColorType::Rgb, ::png::BitDepth::Eight));
    Pixels { width: info.width as usize, height: info.height as usize, bytes }
}

#[test]
fn a_real_capture_as_svg() {
    let capture = pages::read("6.18.44-fc-v669", "overrun").unwrap();
    let flows = flows(&capture.events);
    let gaps = capture.lost.iter().map(|&(start_ns, end_ns, lost)| Gap { start_ns, end_ns, lost });
    let gaps: Vec<Gap> = gaps.collect();
    let input = PlotInput {
        title: "overrun",
        kernel: Some("6.18.44"),
        host: Some("lab"),
        utc_offset_ns: Some(1_700_000_000_000_000_000),
        ..input(&flows, &gaps)
    };
    let size = Size { width: 1000, height: 900 };
    let svg = String::from_utf8(picture(&input, &Options::default(), Format::Svg, size)).unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false }, { insta::assert_snapshot!("overrun.svg", svg) });
}

#[test]
fn a_spike_of_one_event_in_a_million_is_visible() {
    // The first connection idles at 20 ms; the second holds the axis open at 100 ms.
    let events = |spike: Option<u64>| {
        let mut idle = probe(0, 80);
        let steady = TcpProbe { srtt: 100_000, ..probe(1, 80) };
        let mut flows = Collector::default();
        for number in 0..1_000_000_u64 {
            idle.snd_una = idle.snd_una.wrapping_add(1448);
            idle.snd_nxt = idle.snd_una;
            idle.srtt = if spike == Some(number) { 90_000 } else { 20_000 + (number % 100) as u32 };
            let event = if number % 1000 == 0 { steady } else { idle };
            flows.push(number * 10_000, &Event::TcpProbe(event));
        }
        flows
    };
    let Color(red, _, blue) = PALETTE[0];
    // A band lets some of the paper through.
    let is_first = |pixel: &[u8]| pixel[2].saturating_sub(pixel[0]) > (blue - red) / 3;
    // Rows of pixels that the first connection reaches, by column, in the panels.
    let reach = |spike: Option<u64>| -> Vec<usize> {
        let flows = events(spike);
        let alone = Options { panels: Some(vec![PanelKind::Srtt]), ..Options::default() };
        let picture = decode(&picture(&input(&flows, &[]), &alone, Format::Png, Size::default()));
        let panels = picture.height * 3 / 4;
        let pixel = |x: usize, y: usize| &picture.bytes[3 * (y * picture.width + x)..][..3];
        (100..picture.width).map(|x| (0..panels).filter(|&y| is_first(pixel(x, y))).count()).collect()
    };
    let flat = reach(None);
    for spike in [500_001, 123_456, 999_999] {
        let with_spike = reach(Some(spike));
        let higher: Vec<usize> = (0..flat.len()).filter(|&x| with_spike[x] > flat[x] + 150).collect();
        // A step of a band is four pixels wide.
        assert!((1..=4).contains(&higher.len()), "spike at {spike}: columns {higher:?}");
    }
}

#[test]
fn the_rest_is_counted() {
    let mut events = Vec::new();
    for host in 0..20_u32 {
        for time in 0..u64::from(host) + 1 {
            events.push((time, Event::TcpProbe(probe(host, if host == 19 { 22 } else { 80 }))));
        }
    }
    let flows = flows(&events);
    let options = Options { top: 5, ..Options::default() };
    let choice = choose(&flows, &options).unwrap();
    assert_eq!((choice.shown.as_slice(), choice.more, choice.ssh), ([18, 17, 16, 15, 14].as_slice(), 14, 1));
    let share = f64::from((1..=14).sum::<u32>()) / f64::from((1..=19).sum::<u32>());
    assert!((choice.more_share - share).abs() < 1e-9);
    let svg_text = svg(&input(&flows, &[]), options.clone());
    check_texts(&svg_text, &["and 14 more connections (55 % of bytes)", "1 connection on port 22 (SSH) left out"]);
    check_texts(&svg_text, &["10.0.0.18:43210 → 192.0.2.1:80", "19.0 kB"]);
    let with_ssh = choose(&flows, &Options { ssh: true, ..options.clone() }).unwrap();
    assert_eq!((with_ssh.shown[0], with_ssh.more, with_ssh.ssh), (19, 15, 0));
    assert_eq!(choose(&flows, &Options { top: 1000, ..options }).unwrap().shown.len(), TOP_MAX);
}

#[test]
fn nothing_to_draw_is_said() {
    let error = |flows: &Collector| Plot::new(&input(flows, &[]), &Options::default()).unwrap_err();
    assert_eq!(error(&Collector::default()), PlotError::NoEvents);
    let ssh = flows(&[(1, Event::TcpProbe(probe(0, 22)))]);
    assert_eq!(error(&ssh), PlotError::OnlySsh(1));
    let mut totals = Collector::new(Collect::Nothing, Limits::default());
    totals.push(1, &Event::TcpProbe(probe(0, 80)));
    assert_eq!(error(&totals), PlotError::NoCurves(0));
}

#[test]
fn gaps_are_shaded_and_named() {
    let events: Vec<(u64, Event)> = (0..100).map(|n| (n * 1_000_000_000, Event::TcpProbe(probe(0, 80)))).collect();
    let flows = flows(&events);
    let gap = |start: u64, end: u64, lost| Gap { start_ns: start * 1_000_000_000, end_ns: end * 1_000_000_000, lost };
    let gaps = [gap(60, 80, None), gap(10, 20, Some(1200)), gap(15, 30, Some(34)), gap(500, 600, Some(1))];
    let svg = svg(&input(&flows, &gaps), Options::default());
    check_texts(&svg, &["1,234 events lost", "events lost", "more than 1,235 events lost in 4 gaps (shaded)"]);
    // Two stretches in each of three panels: one overlaps another, one lies outside.
    assert_eq!(svg.lines().filter(|line| line.contains(" opacity=\"0.14\"")).count(), 6);
}

#[test]
fn retransmissions_alone_are_drawn() {
    let events = [(5, retransmit(&probe(0, 80))), (9, retransmit(&probe(0, 80)))];
    let svg = svg(&input(&flows(&events), &[]), Options::default());
    check_texts(&svg, &["Retransmissions by connection", "–", "2"]);
    assert!(!svg.contains("Congestion window"), "an empty panel");
}

#[test]
fn names_are_escaped() {
    let flows = flows(&[(1, Event::TcpProbe(probe(0, 80)))]);
    let input = PlotInput { title: "<a & \"b\">\u{1}", ..input(&flows, &[]) };
    check_texts(&svg(&input, Options::default()), &["&lt;a &amp; &quot;b&quot;&gt;\u{fffd}"]);
}

#[test]
fn raw_time_is_the_traces_own() {
    let events = [1_830_433_505_000_u64, 1_830_433_605_000].map(|time| (time, Event::TcpProbe(probe(0, 80))));
    let flows = flows(&events);
    let input = PlotInput { utc_offset_ns: Some(0), ..input(&flows, &[]) };
    let relative = svg(&input, Options::default());
    check_texts(&relative, &["0", "50", "100", "microseconds since 1970-01-01T00:30:30.433505Z"]);
    let raw = svg(&input, Options { raw_time: true, ..Options::default() });
    check_texts(&raw, &["1,830.43352", "time in the trace&apos;s clock, seconds"]);
}

/// Every extreme gives a whole picture in both formats.
#[test]
fn extremes() {
    let probes = |count: u64, step: u64, change: fn(u64, &mut TcpProbe)| -> Vec<(u64, Event)> {
        let event = |n: u64| {
            let mut event = probe((n % 40) as u32, 80);
            change(n, &mut event);
            (u64::MAX / 2 + n * step, Event::TcpProbe(event))
        };
        (0..count).map(event).collect()
    };
    let v6 = |n: u64, event: &mut TcpProbe| {
        event.src = format!("[2001:db8:1234:5678:9abc:def0:1234:{:x}]:43210", n % 40 + 4096).parse().unwrap();
        event.dest = "[2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa]:443".parse().unwrap();
    };
    let cases = [
        ("one event", probes(1, 0, |_, _| ())),
        ("all at once", probes(100, 0, |_, _| ())),
        ("one nanosecond", probes(2, 1, |_, _| ())),
        ("5 µs", probes(50, 100, |n, e| e.snd_cwnd = n as u32)),
        ("30 days", probes(1000, 2_592_000_000_000, |n, e| e.ssthresh = n as u32)),
        ("centuries", probes(3, u64::MAX / 8, |_, _| ())),
        ("all zero", probes(100, 1000, |_, e| (e.snd_cwnd, e.srtt, e.ssthresh) = (0, 0, 0))),
        (
            "largest",
            probes(100, 1000, |_, e| (e.snd_cwnd, e.srtt, e.ssthresh) = (u32::MAX - 1, u32::MAX - 1, u32::MAX - 1)),
        ),
        ("wide", probes(10_000, 1000, |n, e| (e.snd_cwnd, e.srtt) = (1 + (n % 50_000) as u32, 1 << (n % 32)))),
        ("long names", probes(1000, 1000, v6)),
    ];
    for (name, events) in cases {
        let flows = flows(&events);
        let gaps = [
            Gap { start_ns: 0, end_ns: u64::MAX, lost: Some(u64::MAX) },
            Gap { start_ns: 1 << 63, end_ns: u64::MAX, lost: Some(7) },
        ];
        for (width, height, top) in [(1600, 1200, 8), (0, 0, 16)] {
            let (options, size) = (Options { top, ..Options::default() }, Size { width, height });
            let plot = Plot::new(&input(&flows, &gaps), &options).unwrap();
            let picture = decode(&render(&plot, Format::Png, size).unwrap());
            assert!(picture.width >= width.max(640) as usize && picture.height >= height.max(480) as usize, "{name}");
            let document = String::from_utf8(render(&plot, Format::Svg, size).unwrap()).unwrap();
            assert!(!document.contains("NaN") && !document.contains("inf\""), "{name}");
            assert!(document.len() < 2_000_000, "{name}: {} bytes", document.len());
        }
    }
}

/// The flows of a trace of the fixtures, and what is found of its connections.
fn diagnosed(name: &str) -> (Collector, Vec<Diagnosis>) {
    let path = format!("{}/../../fixtures/diagnose/{name}/trace.tcpp", env!("CARGO_MANIFEST_DIR"));
    let (mut flows, mut diagnoser) = (Collector::default(), Diagnoser::default());
    diagnoser.keep_moments(1000);
    for item in tcpprobe::open(path).unwrap() {
        let item = item.unwrap();
        flows.item(&item);
        diagnoser.item(&item);
    }
    (flows, diagnoser.finish())
}

fn panel<'a>(plot: &'a Plot, name: &str) -> &'a Panel {
    plot.panels.iter().find(|panel| panel.name == name).unwrap()
}

fn curves(panel: &Panel) -> &Curves {
    let Content::Curves(curves) = &panel.content else { panic!("{panel:?}") };
    curves
}

fn lanes(panel: &Panel) -> &[Lane] {
    let Content::Lanes(lanes) = &panel.content else { panic!("{panel:?}") };
    lanes
}

#[test]
fn throughput_is_what_was_acknowledged() {
    let mut event = probe(0, 80);
    event.data_len = 0;
    let mut flows = Collector::default();
    for number in 0..10_001_u64 {
        flows.push(number * 1_000_000, &Event::TcpProbe(event));
        event.snd_una = event.snd_una.wrapping_add(1250);
        event.snd_nxt = event.snd_una;
    }
    let plot = Plot::new(&input(&flows, &[]), &Options::default()).unwrap();
    let panel = panel(&plot, "Throughput");
    assert_eq!(
        (panel.unit, panel.remarks.join(" ")),
        (Some("Mbit/s"), "acknowledged data, means of 50.0 ms".to_owned())
    );
    let curve = &curves(panel).curves[0];
    let rates: Vec<f64> = curve.samples.iter().filter_map(|sample| sample.last).collect();
    assert_eq!(rates.len(), 201);
    // 1250 bytes a millisecond; what the last mean lacks is acknowledged within a round trip after the trace.
    assert!(rates[1..rates.len() - 2].iter().all(|rate| (rate - 10.0).abs() < 0.5), "{rates:?}");
    assert_eq!(plot.table.rows[0].cells[..4], ["12.5 MB", "0 B", "10.0 s", "10.0 Mbit/s"]);
}

#[test]
fn a_single_connection_shows_what_it_is_allowed_and_what_holds_it_back() {
    let (flows, diagnoses) = diagnosed("rcvbuf");
    let input = PlotInput { diagnoses: &diagnoses, ..input(&flows, &[]) };
    let plot = Plot::new(&input, &Options::default()).unwrap();
    let flight = panel(&plot, "In flight");
    let inks: Vec<Ink> = curves(flight).curves.iter().map(|curve| curve.ink).collect();
    assert_eq!(inks, [Ink::Row(0), Ink::Allowed, Ink::Window]);
    let keys: Vec<&str> = flight.keys.iter().map(|key| key.text.as_str()).collect();
    assert_eq!(keys, ["in flight", "cwnd × MSS, up to 248 kB", "peer's window"]);
    let labels: Vec<&str> = lanes(panel(&plot, "Limits")).iter().map(|lane| lane.label.as_str()).collect();
    assert_eq!(labels, ["receive window 95 %", "window growth 4 %", "unseen 1 %"]);
    assert!(plot.backdrop.iter().any(|span| span.ink == Ink::Sort(Sort::Receiver)));
    assert_eq!(plot.table.headings.last().map(String::as_str), Some("held back by"));
    assert_eq!(plot.table.rows[0].cells.last().map(String::as_str), Some("receive window 95 %"));
    assert!(plot.panels.iter().all(|panel| !panel.name.starts_with("Retransmissions")), "there is none");
}

#[test]
fn retransmissions_of_a_single_connection_are_by_cause() {
    let (flows, diagnoses) = diagnosed("policed-slow");
    let plot = |diagnoses| Plot::new(&PlotInput { diagnoses, ..input(&flows, &[]) }, &Options::default()).unwrap();
    let told = plot(&diagnoses);
    let lane = &lanes(panel(&told, "Retransmissions by cause"))[0];
    assert_eq!((lane.label.as_str(), lane.ink), ("fast 117", Ink::Sort(Sort::Loss)));
    let marks = &curves(panel(&told, "Congestion window")).marks;
    assert_eq!(marks.len(), 117);
    assert!(marks.iter().all(|mark| mark.ink == Ink::Sort(Sort::Loss)));
    let untold = plot(&[]);
    let lane = &lanes(panel(&untold, "Retransmissions by connection"))[0];
    assert_eq!((lane.label.as_str(), lane.ink), ("117", Ink::Row(0)));
    assert!(untold.backdrop.is_empty() && untold.panels.iter().all(|panel| panel.name != "Limits"));
}

#[test]
fn panels_are_those_asked_for() {
    let (flows, diagnoses) = diagnosed("rcvbuf");
    let input = PlotInput { diagnoses: &diagnoses, ..input(&flows, &[]) };
    let panels = Some(vec![PanelKind::Srtt, PanelKind::Retransmissions, PanelKind::Cwnd]);
    let plot = Plot::new(&input, &Options { panels, ..Options::default() }).unwrap();
    let names: Vec<&str> = plot.panels.iter().map(|panel| panel.name).collect();
    assert_eq!(names, ["Smoothed RTT", "Retransmissions by connection", "Congestion window"]);
    assert!(plot.panels[1].is_empty(), "asked for, so that it says that there is none");
}

#[test]
fn dense_values_are_a_band_and_their_median() {
    let mut event = probe(0, 80);
    let mut flows = Collector::default();
    for number in 0..100_000_u64 {
        event.srtt = if number == 50_000 { 90_000 } else { 20_000 + (number % 1000) as u32 };
        flows.push(number * 10_000, &Event::TcpProbe(event));
    }
    let plot = Plot::new(&input(&flows, &[]), &Options::default()).unwrap();
    let panel = panel(&plot, "Smoothed RTT");
    let shapes: Vec<Shape> = curves(panel).curves.iter().map(|curve| curve.shape).collect();
    assert_eq!(shapes, [Shape::Band, Shape::Steps, Shape::DashedSteps]);
    let greatest =
        |curve: &Curve| curve.samples.iter().filter_map(|one| one.range).map(|range| range.1).fold(0.0, f64::max);
    assert_eq!(greatest(&curves(panel).curves[0]), 90.0);
    assert!((20.0..21.0).contains(&greatest(&curves(panel).curves[1])), "the median does not follow a spike");
    assert!(panel.keys.iter().any(|key| key.text == "least: 20.0 ms"));
}

#[test]
fn connections_come_in_the_order_asked_for() {
    // By host: 0 has the most bytes, 1 the most retransmissions, 2 the largest RTT, 3 lasts longest, 4 is fastest.
    let mut events: Vec<(u64, Event)> = Vec::new();
    for host in 0..5_u32 {
        let (count, step) = match host {
            0 => (1000, 10_000_000),
            3 => (10, 100_000_000_000),
            4 => (100, 100_000),
            _ => (20, 10_000_000),
        };
        let mut event = TcpProbe { srtt: if host == 2 { 500_000 } else { 20_000 }, data_len: 0, ..probe(host, 80) };
        for number in 0..count {
            events.push((number * step, Event::TcpProbe(event)));
            event.snd_una += 1000;
            event.snd_nxt = event.snd_una;
        }
        events.extend((0..u64::from(host == 1) * 3).map(|number| (number, retransmit(&event))));
    }
    let flows = flows(&events);
    let first = |by| choose(&flows, &Options { by, top: 1, ..Options::default() }).unwrap().shown[0];
    let all = [Rank::Bytes, Rank::Retransmissions, Rank::Srtt, Rank::Duration, Rank::Rate];
    assert_eq!(all.map(first), [0, 1, 2, 3, 4]);
}

#[test]
fn of_two_ends_the_sender_is_drawn() {
    let mut here = probe(0, 80);
    here.data_len = 0;
    let mut there = TcpProbe { src: here.dest, dest: here.src, data_len: 1000, ..here };
    (there.sock_cookie, there.skaddr) = (99, 99);
    let mut events = Vec::new();
    for number in 0..100_u64 {
        events.push((number * 1000, Event::TcpProbe(there)));
        events.push((number * 1000 + 500, Event::TcpProbe(here)));
        here.snd_una += 1000;
        here.snd_nxt = here.snd_una;
    }
    let flows = flows(&events);
    let choice = choose(&flows, &Options::default()).unwrap();
    assert_eq!((choice.shown.as_slice(), choice.more, choice.ends), ([1].as_slice(), 0, 1));
    check_texts(
        &svg(&input(&flows, &[]), Options::default()),
        &["1 receiving end left out; --both-ends draws them too"],
    );
    let both = choose(&flows, &Options { both_ends: true, ..Options::default() }).unwrap();
    assert_eq!((both.shown.as_slice(), both.ends), ([1, 0].as_slice(), 0));
}

#[test]
fn traces_are_compared_from_their_first_events_on() {
    let (one, other) = (diagnosed("rcvbuf"), diagnosed("policed-slow"));
    let gaps = [Gap { start_ns: 0, end_ns: 1, lost: Some(3) }];
    let input = |title, (flows, diagnoses): &'static (Collector, Vec<Diagnosis>), gaps| PlotInput {
        title,
        diagnoses,
        ..input(flows, gaps)
    };
    let (one, other) = (&*Box::leak(Box::new(one)), &*Box::leak(Box::new(other)));
    let gaps = Box::leak(Box::new(gaps));
    let inputs = [input("one", one, &[]), input("other", other, gaps)];
    let plot = Plot::compare(&inputs, &Options { top: 1, ..Options::default() }).unwrap();
    assert_eq!((plot.title.as_str(), plot.time.first_ns, plot.time.is_aligned), ("one  ·  other", 0, true));
    let cwnd = curves(panel(&plot, "Congestion window"));
    let starts = |row| cwnd.curves.iter().find(|curve| curve.ink == Ink::Row(row) && curve.shape == Shape::Steps);
    assert_eq!([0, 1].map(|row| starts(row).unwrap().samples[0].first_ns), [0, 0]);
    let rows: Vec<(&str, &str)> =
        plot.table.rows.iter().map(|row| (row.name.as_str(), row.cells[2].as_str())).collect();
    assert_eq!(rows, [("one", "8.36 Mbit/s"), ("other", "1.61 Mbit/s (−81 %)")]);
    assert!(
        plot.table.headings.contains(&"policer".to_owned()) && plot.notes.contains(&"other: 3 events lost".to_owned())
    );

    let stacked = Plot::compare(&inputs, &Options { top: 1, stack: true, ..Options::default() }).unwrap();
    let both: Vec<&Panel> = stacked.panels.iter().filter(|panel| panel.name == "Congestion window").collect();
    assert_eq!(
        both.iter().map(|panel| panel.heading()).collect::<Vec<_>>(),
        ["one", "other"].map(|of| format!("Congestion window of {of}, packets"))
    );
    assert_eq!(curves(both[0]).range, curves(both[1]).range, "equal axes");
    assert!(curves(both[0]).curves.iter().all(|curve| curve.ink == Ink::Row(0)));
    for plot in [plot, stacked] {
        decode(&render(&plot, Format::Png, Size::default()).unwrap());
    }
}

#[test]
fn whose_a_connection_is_stands_in_the_table() {
    let (one, other) = (probe(1, 443), probe(2, 443));
    let events: Vec<(u64, Event)> =
        (0..20).map(|step| (step * 1_000_000, Event::TcpProbe(if step % 2 == 0 { one } else { other }))).collect();
    let mut flows = flows(&events);
    let table = Plot::new(&input(&flows, &[]), &Options::default()).unwrap().table;
    assert_eq!(table.headings[0], "acked by peer", "what was told of none has no column");
    let owner = Owner { pid: 812, comm: b"ngi\x1bnx\xff".to_vec(), ..Owner::default() };
    flows.label(&Event::TcpProbe(one).socket(), Label::Owner(Arc::new(owner)));
    flows.label(&Event::TcpProbe(other).socket(), Label::CongestionControl("bbr".into()));
    let table = Plot::new(&input(&flows, &[]), &Options::default()).unwrap().table;
    assert_eq!(table.headings[..2], ["owner", "cc"]);
    let mut cells: Vec<&[String]> = table.rows.iter().map(|row| &row.cells[..2]).collect();
    cells.sort();
    assert_eq!(cells, [["", "bbr"], ["ngi\u{fffd}nx\u{fffd}[812]", ""]]);
}
