//! How it looks on a terminal.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};
use tcpprobe::diagnose::{End, Stretch};
use tcpprobe_plot::units::counted;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::column::{COLUMNS, Column, ENDS_WIDTH, millis};
use super::keys;
use super::model::{Model, Typing};
use super::row::Row;
use crate::diagnosed::words;
use crate::paint::Tone;
use crate::value::count;
use crate::wrap::wrap;
use crate::{escape, owned};

/// Blanks between two columns.
const BETWEEN: usize = 2;
/// Lines above and below the rows: the title, the heading, what keys do.
const LINES_AROUND: u16 = 3;

/// How many rows a screen of this height has room for.
pub fn rows(height: u16) -> usize {
    height.saturating_sub(LINES_AROUND).into()
}

/// Draws what is shown, in colours or without.
pub fn draw(model: &Model, is_coloured: bool, frame: &mut Frame<'_>) {
    let look = Look { is_coloured };
    let [title, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(Paragraph::new(look.title(model)), title);
    match model.details_row() {
        Some(row) => look.details(model, row, middle, frame),
        None if model.details_of.is_some() => {
            frame.render_widget(Paragraph::new("It is gone. Esc leads back."), middle);
        }
        None => look.table(model, middle, frame),
    }
    frame.render_widget(Paragraph::new(look.bottom(model, usize::from(bottom.width))), bottom);
    if model.is_help {
        look.help(middle, frame);
    }
}

struct Look {
    is_coloured: bool,
}

impl Look {
    fn style(&self, tone: Tone) -> Style {
        let style = Style::default();
        match (tone, self.is_coloured) {
            (Tone::Strong, _) => style.add_modifier(Modifier::BOLD),
            (_, false) => style,
            (Tone::Good, _) => style.fg(Color::Green),
            (Tone::Bad, _) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Tone::Warning, _) => style.fg(Color::Yellow),
            (Tone::Faint, _) => style.add_modifier(Modifier::DIM),
        }
    }

    fn title(&self, model: &Model) -> Line<'static> {
        let mut spans = vec![Span::styled("tcpprobectl top", self.style(Tone::Strong))];
        let mut add = |text: String, style: Style| {
            spans.push(Span::raw("  "));
            spans.push(Span::styled(text, style));
        };
        if model.is_paused {
            add("PAUSED".to_owned(), self.style(Tone::Warning));
        }
        let (mut lost, mut unknown, mut untracked) = (0, 0, 0);
        for job in &model.jobs {
            lost += job.standing.losses.lost;
            unknown += job.standing.losses.gaps_unknown;
            untracked += job.standing.untracked;
        }
        let names: Vec<&str> = model.jobs.iter().map(|job| job.name.as_str()).collect();
        let names = if names.len() > 3 { format!("{} jobs", names.len()) } else { names.join(", ") };
        add(escape::text(&names).into_owned(), Style::default());
        match (lost, unknown) {
            (0, 0) => add("none lost".to_owned(), self.style(Tone::Good)),
            (_, 0) => add(format!("{} LOST", count::human(lost)), self.style(Tone::Bad)),
            _ => add(format!("{} LOST and an unknown number", count::human(lost)), self.style(Tone::Bad)),
        }
        let shown = model.chosen().len();
        let connections = match model.count() {
            all if all == shown => format!("{} connections", count::human(all as u64)),
            all => format!("{} of {} connections", count::human(shown as u64), count::human(all as u64)),
        };
        add(connections, Style::default());
        add(format!("{} events/s", count::short(model.events_per_s)), Style::default());
        if untracked > 0 {
            add(format!("{} too many to keep", count::human(untracked)), self.style(Tone::Warning));
        }
        if !model.jobs.is_empty() && model.jobs.iter().all(|job| job.standing.has_ended) {
            add("the run has ended".to_owned(), self.style(Tone::Warning));
        }
        if !model.filter().is_empty() {
            add(format!("filter: {}", escape::text(model.filter())), self.style(Tone::Warning));
        }
        Line::from(spans)
    }

    fn table(&self, model: &Model, area: Rect, frame: &mut Frame<'_>) {
        let columns = fitting(area.width.into(), model.has_jobs());
        let heading = columns.iter().map(|(column, width)| {
            let mark = match (column.key == Some(model.sort.by), model.sort.is_reversed) {
                (true, false) => "▼",
                (true, true) => "▲",
                _ => "",
            };
            fit(&format!("{mark}{}", column.title), *width, column.is_number)
        });
        let heading = heading.collect::<Vec<_>>().join(&" ".repeat(BETWEEN));
        let mut lines = vec![Line::styled(heading, self.style(Tone::Strong))];
        for (row, is_selected) in model.shown() {
            let headline = model.headline(row.key);
            let cells =
                columns.iter().map(|(column, width)| fit(&(column.cell)(row, headline), *width, column.is_number));
            let text = cells.collect::<Vec<_>>().join(&" ".repeat(BETWEEN));
            let mut style = Style::default();
            if !row.is_open {
                style = self.style(Tone::Faint);
            } else if row.now.retransmissions > 0 {
                style = self.style(Tone::Warning);
            }
            if is_selected {
                style = style.add_modifier(Modifier::REVERSED);
            }
            lines.push(Line::styled(text, style));
        }
        if model.chosen().len() == 0 {
            lines.push(Line::raw(match model.count() {
                0 if !model.jobs.iter().all(|job| job.standing.is_current) => "reading what was recorded…",
                0 => "no connection yet",
                _ => "the filter leaves none; Esc takes it away",
            }));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn details(&self, model: &Model, row: &Row, area: Rect, frame: &mut Frame<'_>) {
        let mut lines = vec![Line::styled(row.ends(), self.style(Tone::Strong))];
        let mut facts: Vec<String> = Vec::new();
        facts.extend(row.told.owner.as_ref().map(|owner| format!("of {}", owned::in_words(owner))));
        facts.extend(row.told.congestion_control.as_ref().map(|cc| escape::text(cc).into_owned()));
        facts.push(format!("in job {}", escape::text(&row.job)));
        if !row.is_open {
            facts.push("closed".to_owned());
        }
        if row.quiet_ns >= 1_000_000_000 {
            facts.push(format!("quiet for {} s", row.quiet_ns / 1_000_000_000));
        }
        lines.push(Line::raw(facts.join(", ")));
        let causes = row.causes();
        lines.push(Line::raw(match row.causes.total() {
            0 => "no retransmissions".to_owned(),
            total => format!("{}: {causes}", counted(total, "retransmission", "retransmissions")),
        }));
        if let Some(found) = &model.details.diagnosis {
            let shares = found.shares().into_iter().filter(|(_, share)| *share >= 0.005);
            let shares: Vec<String> =
                shares.map(|(limit, share)| format!("{} {:.0} %", words(limit), share * 100.0)).collect();
            lines.push(Line::styled(format!("last 10 s: {}", shares.join(" · ")), self.style(Tone::Strong)));
            if let Some(limit) = found.headline().0.filter(|_| found.end != Some(End::Receiver)) {
                let said = found.words(limit);
                lines.extend(wrapped(&said.evidence));
                if !said.remedy.is_empty() {
                    lines.extend(wrapped(&format!("→ {}", said.remedy)));
                }
            }
            for finding in found.findings() {
                lines.extend(wrapped(&finding.text));
            }
        }
        let text_height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height / 2 + 2);
        let [text, charts] = Layout::vertical([Constraint::Length(text_height), Constraint::Min(0)]).areas(area);
        frame.render_widget(Paragraph::new(lines), text);
        self.charts(&model.details.history, charts, frame);
    }

    /// A curve over the last stretches for each value that there is room for.
    fn charts(&self, history: &[Stretch], area: Rect, frame: &mut Frame<'_>) {
        type Chart = (&'static str, fn(&Stretch) -> f64, fn(f64) -> String);
        let charts: [Chart; 5] = [
            ("rate, bit/s", |at| 8.0 * f64::from(at.acked + at.received), count::short),
            ("in flight, bytes", |at| at.in_flight.into(), count::short),
            ("congestion window, packets", |at| at.cwnd.into(), count::short),
            ("smoothed RTT, ms", |at| at.srtt_us.into(), |us| millis(us as u32)),
            ("retransmissions", |at| at.retransmissions.into(), count::short),
        ];
        let room = usize::from(area.height / 3).min(charts.len());
        let areas = Layout::vertical(vec![Constraint::Ratio(1, room.max(1) as u32); room]).split(area);
        for ((title, value, text), area) in charts.iter().zip(areas.iter()) {
            let values: Vec<f64> = history.iter().map(value).collect();
            let most = values.iter().copied().fold(0.0, f64::max);
            let now = values.last().copied().unwrap_or(0.0);
            let title = format!("{title}: now {}, at most {}", text(now), text(most));
            let block = Block::new().title(title);
            let inner = block.inner(*area);
            let from = values.len().saturating_sub(usize::from(inner.width));
            let bars: Vec<u64> = values[from..].iter().map(|value| value.round() as u64).collect();
            let spark = Sparkline::default().block(block).data(&bars).max((most.round() as u64).max(1));
            frame.render_widget(spark, *area);
        }
    }

    fn bottom(&self, model: &Model, width: usize) -> Line<'static> {
        if let Some(Typing { text, error }) = &model.typing {
            let text = escape::text(text);
            let mut spans = vec![Span::styled(format!("/{text}▏"), self.style(Tone::Strong))];
            if let Some(error) = error {
                spans.push(Span::styled(format!(" {error}"), self.style(Tone::Bad)));
            }
            return Line::from(spans);
        }
        let keys: &[&str] = match model.details_of.is_some() {
            true => &["Esc back", "Space pause", "? help", "q quit"],
            false => &["Enter details", "/ filter", "s sort", "r reverse", "Space pause", "? help", "q quit"],
        };
        // Where there is no room the last stay: how to learn more, and how to leave.
        let from = (0..keys.len()).find(|&at| keys[at..].join("   ").width() <= width).unwrap_or(keys.len());
        Line::styled(keys[from..].join("   "), self.style(Tone::Faint))
    }

    fn help(&self, area: Rect, frame: &mut Frame<'_>) {
        let lines: Vec<Line<'_>> =
            keys::HELP.iter().map(|(key, what)| Line::raw(format!("{key:<12} {what}"))).collect();
        let width = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 4;
        let height = lines.len() as u16 + 2;
        let (width, height) = (width.min(area.width), height.min(area.height));
        let place =
            Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
        frame.render_widget(Clear, place);
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title("Keys")), place);
    }
}

fn wrapped(text: &str) -> Vec<Line<'static>> {
    wrap("  ", text, 4).lines().map(|line| Line::raw(line.to_owned())).collect()
}

/// The columns that a width has room for, with their widths.
fn fitting(width: usize, has_jobs: bool) -> Vec<(&'static Column, usize)> {
    let mut columns: Vec<&Column> = COLUMNS.iter().filter(|column| has_jobs || column.title != "JOB").collect();
    let needed = |columns: &[&Column]| {
        let widths: usize =
            columns.iter().map(|column| if column.width == 0 { ENDS_WIDTH } else { column.width }).sum();
        widths + BETWEEN * columns.len().saturating_sub(1)
    };
    while needed(&columns) > width
        && let Some(last) = columns.iter().map(|column| column.order).max().filter(|&order| order > 0)
    {
        columns.retain(|column| column.order < last);
    }
    let left = width.saturating_sub(needed(&columns));
    columns
        .into_iter()
        .map(|column| (column, if column.width == 0 { ENDS_WIDTH + left } else { column.width }))
        .collect()
}

/// `text` in exactly so many columns of a terminal, cut with an ellipsis.
fn fit(text: &str, width: usize, is_number: bool) -> String {
    let text = cut(text, width);
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    if is_number { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let (mut kept, mut used) = (String::new(), 1);
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(letter);
    }
    kept.push('…');
    kept.into()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use tcpprobe::diagnose::Limit;
    use tcpprobe::source::Losses;

    use super::*;
    use crate::top::feed::Standing;
    use crate::top::model::{Action, Details, JobLine};
    use crate::top::row::tests::{row, row_of};
    use crate::top::row::{Headline, SortKey};

    fn drawn(model: &mut Model, width: u16, height: u16) -> String {
        model.resize(rows(height));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(model, true, frame)).unwrap();
        terminal.backend().to_string()
    }

    fn job(name: &str, standing: Standing) -> JobLine {
        JobLine { name: name.to_owned(), standing: Standing { is_current: true, ..standing } }
    }

    fn model() -> Model {
        let mut model = Model::new("", SortKey::Rate).unwrap();
        model.resize(20);
        let mut rows: Vec<Row> = (1..=40).map(|n| row(n * 1000)).collect();
        rows.push(row_of(50_000, b"nginx", b"nginx.service"));
        rows[2].is_open = false;
        rows[3].local = "[2001:db8:1234:5678:9abc:def0:1234:5678]:443".parse().unwrap();
        rows[4].ssthresh = Some(7);
        for row in &mut rows {
            row.now.srtt_us = 20_000;
        }
        model.take(rows, vec![job("web", Standing { events: 7, ..Standing::default() })], 12_345.0);
        let asked = model.asks();
        let limits = [Limit::ReceiveWindow, Limit::Bandwidth, Limit::SenderApplication];
        model.answer(
            asked
                .into_iter()
                .enumerate()
                .map(|(at, key)| (key, Headline { limit: limits.get(at % 4).copied(), share: 0.95, is_exact: false })),
        );
        model
    }

    #[test]
    fn a_table() {
        insta::assert_snapshot!("wide", drawn(&mut model(), 150, 14));
        insta::assert_snapshot!("of_80", drawn(&mut model(), 80, 10));
        insta::assert_snapshot!("narrow", drawn(&mut model(), 40, 6));
    }

    #[test]
    fn several_jobs_and_their_losses() {
        let mut model = model();
        let lossy = Losses { lost: 1234, gaps_unknown: 1, ..Losses::default() };
        let jobs = vec![
            job("web", Standing::default()),
            job("mail", Standing { losses: lossy, untracked: 12, ..Standing::default() }),
        ];
        model.take((1..5).map(|n| Row { job: "mail".into(), ..row(n) }).collect(), jobs, 0.0);
        insta::assert_snapshot!("lossy", drawn(&mut model, 170, 8));
    }

    #[test]
    fn what_is_typed_and_why_it_is_no_filter() {
        let mut model = model();
        model.act(Action::Filter);
        "srtt > 20m".chars().for_each(|letter| model.act(Action::Type(letter)));
        insta::assert_snapshot!("typing", drawn(&mut model, 120, 6));
    }

    #[test]
    fn help_and_standing_still() {
        let mut model = model();
        model.act(Action::Help);
        model.act(Action::Pause);
        insta::assert_snapshot!("help", drawn(&mut model, 110, 18));
    }

    #[test]
    fn nothing_to_show() {
        let mut model = Model::new("", SortKey::Rate).unwrap();
        assert!(drawn(&mut model, 60, 5).contains("no connection yet"));
        model.take(Vec::new(), vec![JobLine { name: "web".to_owned(), standing: Standing::default() }], 0.0);
        assert!(drawn(&mut model, 60, 5).contains("reading what was recorded"));
        let ended = Standing { has_ended: true, ..Standing::default() };
        model.take(vec![row(1)], vec![job("web", ended)], 0.0);
        assert!(drawn(&mut model, 120, 5).contains("the run has ended"));
        let mut filtered = Model::new("sport == 1", SortKey::Rate).unwrap();
        filtered.take(vec![row(1)], vec![job("web", Standing::default())], 0.0);
        assert!(drawn(&mut filtered, 80, 5).contains("the filter leaves none"));
    }

    #[test]
    fn a_connection_in_full() {
        let mut model = model();
        model.act(Action::Enter);
        let history = (0..40).map(|at| Stretch {
            acked: 1e6 * f32::from((at as u8) % 8),
            received: 0.0,
            retransmissions: u32::from(at == 30),
            in_flight: 1000 * at,
            cwnd: 10 + at,
            srtt_us: 20_000 + 10 * at,
        });
        model.details = Details { history: history.collect(), diagnosis: Some(diagnosis()) };
        insta::assert_snapshot!("details", drawn(&mut model, 100, 30));
        // However small it is.
        for (width, height) in [(1, 1), (3, 3), (20, 5), (200, 2)] {
            drawn(&mut model, width, height);
        }
        model.details_of = Some((9, 9));
        assert!(drawn(&mut model, 60, 5).contains("It is gone"));
    }

    /// Of a transfer that the receiver's window holds back.
    fn diagnosis() -> tcpprobe::diagnose::Diagnosis {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/diagnose/rcvbuf/trace.tcpp");
        let mut live = tcpprobe::diagnose::Live::default();
        tcpprobe::open(path).unwrap().for_each(|item| live.item(&item.unwrap()));
        live.tick(1);
        let ids = live.glances().map(|seen| seen.connection.id).collect();
        live.diagnoses(&ids).remove(0)
    }

    /// Names are given by whoever starts a process.
    #[test]
    fn nothing_commands_the_terminal() {
        let mut model = Model::new("", SortKey::Rate).unwrap();
        let mut bad = row_of(1, b"a\x1b[2J\xe2\x80\xaeb", b"u\x07nit");
        bad.job = "web\u{1b}]0;x\u{7}".into();
        bad.told.congestion_control = Some("c\u{1b}c".into());
        model.take(vec![bad], vec![job("a\u{1b}c", Standing::default()), job("b", Standing::default())], 0.0);
        let mut screens = drawn(&mut model, 200, 6);
        model.act(Action::Enter);
        screens += &drawn(&mut model, 200, 16);
        model.act(Action::Filter);
        model.act(Action::Type('\u{202e}'));
        screens += &drawn(&mut model, 200, 6);
        assert!(screens.contains("a\\u{1b}[2J\\u{202e}b[812]"), "{screens}");
        let bad = |letter: char| letter != '\n' && tcpprobe::kernel::text::is_unprintable(letter);
        assert!(!screens.contains(bad), "{screens:?}");
    }

    #[test]
    fn cells_are_as_wide_as_their_column() {
        for text in ["", "abc", "日本語日本語", "é", "a long text that is cut"] {
            for width in [1, 4, 7, 30] {
                assert!(fit(text, width, true).width() == width || text.contains('日'), "{text} {width}");
                assert!(fit(text, width, false).width() <= width);
            }
        }
        assert_eq!((fit("12", 4, true).as_str(), fit("abcdef", 4, false).as_str()), ("  12", "abc…"));
    }
}
