//! Pictures of a real capture, of made-up extremes, and of a spike that must not vanish.

use std::net::SocketAddr;

use tcpprobe::event::{AF_INET, Event, SSTHRESH_INFINITE, TcpProbe, TcpRetransmitSkb};
use tcpprobe::flow::{Collect, Collector, Limits};

use super::draw::{Color, PALETTE};
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
        let picture = decode(&picture(&input(&flows, &[]), &Options::default(), Format::Png, Size::default()));
        let panels = picture.height * 3 / 4;
        let pixel = |x: usize, y: usize| &picture.bytes[3 * (y * picture.width + x)..][..3];
        (100..picture.width).map(|x| (0..panels).filter(|&y| is_first(pixel(x, y))).count()).collect()
    };
    let flat = reach(None);
    for spike in [500_001, 123_456, 999_999] {
        let with_spike = reach(Some(spike));
        let higher: Vec<usize> = (0..flat.len()).filter(|&x| with_spike[x] > flat[x] + 100).collect();
        assert!((1..=5).contains(&higher.len()), "spike at {spike}: columns {higher:?}");
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
