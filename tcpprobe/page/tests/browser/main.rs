//! The page in a browser: real wheel, pointer and keys, over data with known properties. Where there is no chromium and no chromedriver,
//! these tests say so and pass, unless `TCPPROBE_REQUIRE_BROWSER=1`.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod driver;
mod trace;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use driver::Browser;
use serde_json::{Value, json};
use tcpprobe::event::{Event, TcpProbe};
use tcpprobe::flow::Metric;
use tcpprobe_page::{Page, PageInput};
use tcpprobe_plot::{Gap, PanelKind};
use trace::{Take, compared, first, fixture, page, page_of, policed, read};

const MS: u64 = 1_000_000;

/// Writes a page into a folder and opens it.
fn open(browser: &Browser, folder: &Path, page: &Page, hash: &str) {
    let file = folder.join("page.html");
    fs::write(&file, &page.html).unwrap();
    browser.open(&file, hash);
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// From when to when is shown, nanoseconds.
fn view(browser: &Browser) -> (f64, f64) {
    let view = browser.run("return [tcpprobe.state.from, tcpprobe.state.to]");
    (number(&view[0]), number(&view[1]))
}

/// Pictures for whoever wants to look: `TCPPROBE_PICTURES` names a folder.
fn keep_picture(browser: &Browser, name: &str) -> String {
    use base64::Engine;
    let picture = browser.picture();
    if let Some(folder) = std::env::var_os("TCPPROBE_PICTURES") {
        let bytes = base64::prelude::BASE64_STANDARD.decode(&picture).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }
    picture
}

#[test]
fn a_page_checks_itself_and_asks_no_network() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = policed(None);
    assert!(page.is_whole());
    open(&browser, folder.path(), &page, "#selftest");
    let told: Value =
        serde_json::from_str(browser.run("return document.getElementById('selftest').textContent").as_str().unwrap())
            .unwrap();
    println!("page of {} bytes: {told}", page.html.len());
    assert_eq!((&told["problems"], &told["requests"]), (&json!([]), &json!([])));
    assert!(number(&told["redraws"]) >= 60.0);

    // What the policy forbids: a listener hears nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tried = browser.run(&format!(
        "return (async () => {{ \
           const refused = []; \
           await fetch('http://127.0.0.1:{port}/').catch(() => refused.push('fetch')); \
           await new Promise((done) => {{ const i = new Image(); i.onload = done; i.onerror = () => {{ refused.push('image'); done(); }}; i.src = 'http://127.0.0.1:{port}/i.png'; }}); \
           await new Promise((done) => {{ const s = document.createElement('script'); s.onload = done; s.onerror = () => {{ refused.push('script'); done(); }}; s.src = 'http://127.0.0.1:{port}/s.js'; document.head.append(s); }}); \
           const inline = document.createElement('script'); inline.textContent = 'window.ran = 1'; document.head.append(inline); \
           return [refused, window.ran ?? null]; }})()"
    ));
    assert_eq!(tried, json!([["fetch", "image", "script"], null]));
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn values_at_the_cursor_are_the_librarys() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["loss-reno", "rcvbuf", "ask-and-answer"] {
        let path = fixture(name);
        let (flows, diagnoses) = read(&path);
        let page = page(&path, &PageInput { diagnoses: &diagnoses, ..PageInput::new(&flows, name) });
        open(&browser, folder.path(), &page, "");
        let zero: u64 = browser.run("return tcpprobe.about.zero").as_str().unwrap().parse().unwrap();
        let count = number(&browser.run("return tcpprobe.connections.length")) as usize;
        assert_eq!(count, flows.all().len());
        for id in 0..count {
            let ends = browser.run(&format!("return tcpprobe.connections[{id}].name"));
            let flow = flows
                .all()
                .into_iter()
                .find(|flow| format!("{} → {}", flow.connection.local, flow.connection.peer) == ends)
                .unwrap();
            let curves = flow.curves.unwrap();
            let (from, to) = (flow.totals.first_time, flow.totals.last_time);
            // Before, within and after; and where events are, and just before them.
            let even = (0..=200).map(|at| (from + (to - from + 10) * at / 200).saturating_sub(5));
            let events = curves.bins(Metric::SndCwnd).take(100).flat_map(|bin| [bin.first_time, bin.first_time - 1]);
            let times: Vec<u64> = even.chain(events).map(|time| time.saturating_sub(zero)).collect();
            let metrics = [
                ("cwnd", Metric::SndCwnd),
                ("ssthresh", Metric::Ssthresh),
                ("srtt", Metric::Srtt),
                ("flight", Metric::InFlight),
                ("sndWnd", Metric::SndWnd),
                ("rcvWnd", Metric::RcvWnd),
            ];
            let names: Vec<&str> = metrics.iter().map(|(name, _)| *name).collect();
            let told = browser.run(&format!(
                "return tcpprobe.load(tcpprobe.connections[{id}]).then((data) => \
                 {times:?}.map((time) => {names:?}.map((name) => tcpprobe.valueAt(data, name, time))))"
            ));
            for (row, time) in times.iter().enumerate() {
                for (column, (name, metric)) in metrics.iter().enumerate() {
                    let expected = curves.at(*metric, time + zero);
                    assert_eq!(told[row][column], json!(expected), "{name} at {time} of {ends}");
                }
            }
        }
        // What is written in the table when the pointer is there.
        let (x, y) = browser.place("#area");
        browser.drag(&[(x - 37, y)]);
        let cursor = number(&browser.run("return tcpprobe.state.cursor"));
        let row = browser
            .run("return [...document.querySelectorAll('#values tbody tr.focus td')].map((cell) => cell.textContent)");
        let focus = browser.run("return tcpprobe.connections[tcpprobe.state.focus].name");
        let flow = flows
            .all()
            .into_iter()
            .find(|flow| format!("{} → {}", flow.connection.local, flow.connection.peer) == focus)
            .unwrap();
        let cwnd = flow.curves.unwrap().at(Metric::SndCwnd, cursor as u64 + zero).unwrap();
        assert_eq!(row[1], json!(cwnd.to_string()), "{row}");
    }
}

/// 200,000 events of a connection, a millisecond apart: one with a long RTT, once a closed window; more than 4 GiB are acknowledged.
fn spiky(take: Take<'_>) {
    let mut event = first(0);
    for at in 0..200_000_u64 {
        let known = TcpProbe {
            srtt: if at == 77_777 { 900_000 } else { 25_000 },
            snd_wnd: if at == 123_456 { 0 } else { 1 << 20 },
            snd_nxt: event.snd_una.wrapping_add(100_000),
            ..event
        };
        take(at * MS, &Event::TcpProbe(known));
        event.snd_una = event.snd_una.wrapping_add(30_000);
    }
}

#[test]
fn a_spike_of_one_event_is_seen_at_any_zoom() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let gaps = [Gap { start_ns: 50_000 * MS, end_ns: 50_400 * MS, lost: Some(7) }];
    // All events, and a hundredth of them.
    for size in [tcpprobe_page::SIZE_DEFAULT, tcpprobe_page::SIZE_MIN] {
        let page = page_of(&spiky, size, "spiky", &gaps);
        assert!(page.html.len() as u64 <= size);
        assert_eq!(page.is_whole(), size == tcpprobe_page::SIZE_DEFAULT);
        open(&browser, folder.path(), &page, "");
        let note = browser.run("return document.getElementById('notes').textContent");
        let note = note.as_str().unwrap();
        assert!(note.contains("7 events lost"), "{note}");
        assert_eq!(note.contains("of 200,000 events are kept"), !page.is_whole(), "{note}");
        for part in [1.0, 0.3, 0.05, 0.001] {
            let (from, to) = (77_777e6 - 190e9 * part * 0.4, 77_777e6 + 200e9 * part * 0.5);
            browser.run(&format!("location.hash = '#t={from},{to}&c=0'"));
            browser.settle();
            let range =
                browser.run("return tcpprobe.layout.panels.find((panel) => panel.key === 'srtt').curves[0].range");
            assert_eq!(number(&range[1]), 900_000.0, "in {part} of the time, {size} bytes");
            let drawn = browser.run(
                "const { lines } = tcpprobe.layout.panels.find((panel) => panel.key === 'srtt').curves[0]; \
                 return Math.max(...lines.greatest)",
            );
            assert_eq!(number(&drawn), 900_000.0);
        }
        // Sequence numbers do not wrap, a closed window is known, and gaps are found.
        let known = browser.run(
            "const { data } = tcpprobe.connections[0]; \
             return [data.una[data.rows - 1], data.sndWnd.filter((w) => w === 0).length, tcpprobe.about.gaps]",
        );
        assert_eq!(known, json!([199_999_u64 * 30_000, 1, [[50_000 * MS, 50_400 * MS, 7]]]));
        browser.keys(&["g"]);
        let cursor = browser.run("return tcpprobe.state.cursor");
        assert!(cursor.is_null() || number(&cursor) >= 50_000e6, "{cursor}");
        browser.keys(&["G"]);
        assert_eq!(number(&browser.run("return tcpprobe.state.cursor")), 50_000e6);
    }
}

#[test]
fn wheel_drag_and_keys() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = policed(None);
    open(&browser, folder.path(), &page, "");
    let whole = view(&browser);
    let (x, y) = browser.place("#area");
    let time_at = |x: i64| {
        let script = format!(
            "const {{ layout, state }} = tcpprobe; const left = document.getElementById('area').getBoundingClientRect().left; \
             return state.from + (({x} - left - layout.left) / layout.width) * (state.to - state.from)"
        );
        number(&browser.run(&script))
    };

    // The wheel zooms, and what is under it stays.
    let under = time_at(x + 100);
    browser.wheel((x + 100, y), -300);
    let near = view(&browser);
    assert!(near.1 - near.0 < (whole.1 - whole.0) * 0.7, "{near:?} of {whole:?}");
    assert!((time_at(x + 100) - under).abs() < (near.1 - near.0) / 500.0);
    // Back is where it was.
    browser.keys(&["\u{e003}"]);
    assert_eq!(view(&browser), whole);
    // Nothing was before that.
    browser.keys(&["\u{e003}"]);
    assert_eq!(view(&browser), whole);

    // A drag selects.
    let (from, to) = (time_at(x - 150), time_at(x + 90));
    browser.drag(&[(x - 150, y), (x, y), (x + 90, y)]);
    let selected = view(&browser);
    assert!((selected.0 - from).abs() < 20e6 && (selected.1 - to).abs() < 20e6, "{selected:?}, not {from} to {to}");
    // The axis fits what is seen.
    let least = "return tcpprobe.layout.panels.find((panel) => panel.key === 'cwnd').range[1]";
    let fitted = number(&browser.run(least));
    browser.keys(&["0"]);
    assert!(number(&browser.run(least)) > fitted, "the largest window is at the beginning");

    // From one retransmission to the next, and back.
    browser.keys(&["\u{e00c}", "n", "n"]);
    let cursor = number(&browser.run("return tcpprobe.state.cursor"));
    let moments = browser.run("return tcpprobe.connections[0].data.moments.map((moment) => moment.time)");
    let times: Vec<f64> = moments.as_array().unwrap().iter().map(number).collect();
    let mut distinct = times.clone();
    distinct.dedup();
    assert!(distinct.contains(&cursor) && cursor > distinct[0], "{cursor}");
    browser.keys(&["p"]);
    assert!(number(&browser.run("return tcpprobe.state.cursor")) < cursor);

    // The ruler measures: time, bytes and rate.
    browser.keys(&["r"]);
    let ruler = browser.run("const { time, bytes, rate } = tcpprobe.measured(); return [time, bytes, rate, document.getElementById('measured').textContent]");
    assert!(number(&ruler[0]) > 0.0 && number(&ruler[1]) >= 0.0, "{ruler}");
    assert!((number(&ruler[1]) * 8e9 / number(&ruler[0]) - number(&ruler[2])).abs() < 1.0);
    assert!(ruler[3].as_str().unwrap().starts_with("Δt "), "{ruler}");

    // What is shown is in the address, and a reload shows it again.
    browser.keys(&["+", "+"]);
    let before = view(&browser);
    browser.run("location.reload()");
    browser.wait("document.documentElement.dataset.ready === '1' && globalThis.tcpprobe?.layout.panels.length > 0");
    browser.settle();
    let after = view(&browser);
    assert!((before.0 - after.0).abs() <= 1.0 && (before.1 - after.1).abs() <= 1.0, "{before:?} {after:?}");
    assert!(!browser.run("return tcpprobe.state.ruler").is_null());

    // The theme.
    browser.resize(1280, 900);
    let light = keep_picture(&browser, "light");
    browser.keys(&["t"]);
    let dark = keep_picture(&browser, "dark");
    assert!(light.len() > 20_000 && light != dark);
    assert_eq!(browser.run("return document.documentElement.dataset.theme"), "dark");
    browser.resize(800, 900);
    keep_picture(&browser, "narrow");
}

/// Connections of each its own number of events and RTT.
fn many(connections: u32, events: u64) -> impl Fn(Take<'_>) {
    move |take| {
        let mut all: Vec<TcpProbe> = (0..connections).map(first).collect();
        for at in 0..events {
            // Half of them are of four connections.
            let number = if at % 2 == 0 {
                at / 2 % u64::from(connections.min(4))
            } else {
                at / 2 * 7919 % u64::from(connections)
            };
            let number = number as usize;
            let known = &mut all[number];
            known.snd_una = known.snd_una.wrapping_add(1448 * (1 + (at % 3) as u32));
            known.snd_nxt = known.snd_una.wrapping_add(14_480 + (at % 11) as u32 * 1448);
            known.snd_cwnd = 10 + (at / 1000 % 90) as u32;
            known.srtt = 20_000 + number as u32 * 10 + (at * 31 % 997) as u32;
            take(at * 10_000 + at * at % 997, &Event::TcpProbe(*known));
        }
    }
}

#[test]
fn a_list_is_sought_sorted_and_chosen_from_with_keys_alone() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of(&many(1000, 100_000), tcpprobe_page::SIZE_DEFAULT, "many", &[]);
    assert_eq!(page.connections, 1000);
    open(&browser, folder.path(), &page, "");
    let rows = "return [document.querySelectorAll('#list tr').length, document.getElementById('count').textContent]";
    assert_eq!(browser.run(rows), json!([100, "1,000 in all"]));
    browser.keys(&["/", "1", "0", ".", "1", ".", "2", ".", "7", ":"]);
    assert_eq!(browser.run(rows), json!([1, "1 of 1,000"]));
    // From the field on to the list: sort, then the row's box and its button.
    browser.keys(&["\u{e004}", "\u{e004}", " "]);
    let chosen = browser.run("return tcpprobe.state.chosen.map((id) => tcpprobe.connections[id].peer)");
    assert!(chosen.as_array().unwrap().contains(&json!("10.1.2.7:4000")), "{chosen}");
    assert_eq!(
        browser.run("return document.querySelectorAll('#values tbody tr').length"),
        chosen.as_array().unwrap().len()
    );
    browser.keys(&["\u{e004}", "\u{e007}"]);
    assert_eq!(
        browser.run("return tcpprobe.state.chosen.map((id) => tcpprobe.connections[id].peer)"),
        json!(["10.1.2.7:4000"])
    );
    assert!(browser.run("return location.hash").as_str().unwrap().contains("q=10.1.2.7"));
    // All again, by another order, and down the list.
    browser.run("document.getElementById('query').value = ''; document.getElementById('query').dispatchEvent(new Event('input'))");
    browser.run("const s = document.getElementById('sort'); s.value = 'srtt'; s.dispatchEvent(new Event('change'))");
    browser.settle();
    let slowest = browser.run("return [...document.querySelectorAll('#list tr')].slice(0, 20).map((row) => tcpprobe.connections[row.dataset.id].srtt)");
    assert!(slowest.as_array().unwrap().iter().map(number).is_sorted_by(|a, b| a >= b), "{slowest}");
    browser.run("document.querySelector('#list tr input').focus()");
    browser.keys(&["\u{e015}", "\u{e015}", " "]);
    let third = browser.run("return Number(document.querySelectorAll('#list tr')[2].dataset.id)");
    assert!(browser.run("return tcpprobe.state.chosen").as_array().unwrap().contains(&third));
    let ranges = browser.run("return document.querySelectorAll('#ranges tbody tr').length");
    assert_eq!(ranges, 2, "a reader of the screen hears of both");
}

#[test]
fn ten_million_events_of_a_thousand_connections_fit() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = page_of(&many(1000, 10_000_000), tcpprobe_page::SIZE_DEFAULT, "many", &[]);
    let size = page.html.len() as u64;
    assert!(size <= tcpprobe_page::SIZE_DEFAULT && !page.is_whole());
    assert_eq!((page.connections, page.events_of), (1000, 10_000_000));
    assert!(size > tcpprobe_page::SIZE_DEFAULT / 2, "there is room for more: {size}");
    open(&browser, folder.path(), &page, "#selftest");
    let told = browser.run("return document.getElementById('selftest').textContent");
    println!("10 M events, 1,000 connections, {size} bytes, {} events kept: {told}", page.events);
    let told: Value = serde_json::from_str(told.as_str().unwrap()).unwrap();
    assert_eq!((&told["problems"], &told["requests"]), (&json!([]), &json!([])));
}

#[test]
fn it_has_the_panels_that_it_is_asked_for() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let shown = |panels: Option<&[PanelKind]>| {
        open(&browser, folder.path(), &policed(panels), "");
        browser.run("const { panels, lanes } = tcpprobe.layout; return [panels.map(({ key }) => key), lanes.bottom > lanes.top]")
    };
    assert_eq!(shown(None), json!([["rate", "cwnd", "flight", "srtt", "sequence"], true]));
    assert_eq!(shown(Some(&[PanelKind::Srtt, PanelKind::Cwnd])), json!([["srtt", "cwnd"], false]));
    keep_picture(&browser, "two-panels");
    assert_eq!(shown(Some(&[PanelKind::Limits])), json!([[], true]));
    keep_picture(&browser, "lanes-alone");
}

/// On paper the upper canvas would clear the lower one; seen in a PDF.
#[test]
fn on_paper_the_curves_stand_alone() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let page = policed(None);
    open(&browser, folder.path(), &page, "");
    let shown = || {
        browser.run("return ['#curves', '#over', 'nav'].map((what) => getComputedStyle(document.querySelector(what)).display !== 'none')")
    };
    assert_eq!(shown(), json!([true, true, true]));
    browser.on_paper();
    assert_eq!(shown(), json!([true, false, false]));
    keep_picture(&browser, "paper");
}

/// Two traces whose clocks have nothing to do with each other: both begin at 0, each connection says whose it is, and what differs is told.
#[test]
fn traces_are_compared() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let names = ["loss-reno", "rcvbuf"];
    let page = compared(&names, 20_000_000);
    assert!(page.is_whole());
    open(&browser, folder.path(), &page, "#selftest");
    let told = browser.run("return JSON.parse(document.getElementById('selftest').textContent)");
    assert_eq!(told["problems"], json!([]));
    let drawn = browser.run(
        "return tcpprobe.state.chosen.map((id) => { const { name, trace, from } = tcpprobe.connections[id]; return [name.split(': ')[0], trace, from]; })",
    );
    let drawn = drawn.as_array().unwrap();
    assert_eq!(drawn.len(), 2);
    for (at, name) in names.iter().enumerate() {
        assert_eq!((&drawn[at][0], &drawn[at][1]), (&json!(name), &json!(at)));
        let (flows, diagnoses) = read(&fixture(name));
        let first = flows.all().iter().map(|flow| flow.totals.first_time).min().unwrap();
        let zero = diagnoses.iter().map(|found| found.from()).fold(first, u64::min);
        let [shown] = flows.all()[..] else { panic!("one connection") };
        assert_eq!(number(&drawn[at][2]), (shown.totals.first_time - zero) as f64, "{drawn:?}");
        let count = browser.run(&format!("return tcpprobe.connections.filter(({{ trace }}) => trace === {at}).length"));
        assert_eq!(number(&count) as usize, flows.all().len());
    }
    let least = browser.run("return Math.min(...tcpprobe.connections.map(({ from }) => from))");
    assert!(number(&least) < 1e9, "from the first event on, not from the machine's start: {least}");
    let rows =
        browser.run("return [...document.querySelectorAll('#differences tbody th')].map((cell) => cell.textContent)");
    assert_eq!(rows, json!(names));
    assert_eq!(browser.run("return document.getElementById('differences').hidden"), json!(false));
    keep_picture(&browser, "compared");
    // The name of a trace is among what is sought.
    browser.run("const query = document.getElementById('query'); query.value = 'rcvbuf:'; query.dispatchEvent(new Event('input')); return 0");
    browser.settle();
    let found = browser.run(
        "return [...document.querySelectorAll('#list tr')].map((row) => tcpprobe.connections[row.dataset.id].trace)",
    );
    assert!(
        !found.as_array().unwrap().is_empty() && found.as_array().unwrap().iter().all(|trace| *trace == json!(1)),
        "{found}"
    );

    let small = compared(&names, 90_000);
    assert!(small.html.len() <= 90_000 && !small.is_whole(), "{}", small.html.len());
}

#[test]
fn strangers_names_are_text() {
    let Some(browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let hostile = "</script><img src=x onerror=\"window.pwned=1\"><!-- \u{2028}'\"&{{script}}";
    let events = many(3, 3000);
    let page = page_of(&events, tcpprobe_page::SIZE_DEFAULT, hostile, &[]);
    open(&browser, folder.path(), &page, "");
    let told = browser.run("return [document.title, document.getElementById('title').textContent, document.images.length, window.pwned ?? null]");
    assert_eq!(told, json!([browser.run("return document.title"), hostile, 0, null]));
    browser.run("location.hash = '#c=0,1,2&f=' + tcpprobe.connections.findIndex(({ owner }) => owner)");
    browser.settle();
    for part in ["facts", "list", "verdict"] {
        let text = browser.run(&format!("return document.getElementById('{part}').textContent"));
        assert!(text.as_str().unwrap().contains(hostile), "{part}: {text}");
    }
    assert_eq!(browser.run("return [document.images.length, window.pwned ?? null]"), json!([0, null]));
}
