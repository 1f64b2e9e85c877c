//! What keys mean.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Action, Model};

/// The keys, and what they do: for the help.
pub const HELP: [(&str, &str); 11] = [
    ("↑ ↓ j k", "the connection above or below; PgUp, PgDn; g or Home, G or End"),
    ("Enter", "the connection in full, and back"),
    ("→ ← or s S", "sort by the next column, the one before"),
    ("r", "the other way round"),
    ("/", "filter while typing; Enter keeps it, Esc leaves it as it was last right"),
    ("", "sport == 443 && srtt > 20ms, unit == nginx.service, cc == bbr,"),
    ("", "limit == receive_window, cause == timeout, rate > 1000000, or a plain word"),
    ("Esc", "back; without a filter"),
    ("Space", "stand still, and go on"),
    ("?", "this help"),
    ("q", "quit; Ctrl-C too. Ctrl-Z: back to the shell, fg returns"),
];

/// What an event of the terminal asks for; `None` where it asks nothing.
pub fn action(event: &Event, model: &Model) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => of_key(key, model.typing.is_some()),
        _ => None,
    }
}

fn of_key(key: &KeyEvent, is_typing: bool) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return Some(match key.code {
            KeyCode::Char('c') => Action::Quit,
            KeyCode::Char('z') => Action::Suspend,
            KeyCode::Char('u') if is_typing => Action::EraseAll,
            KeyCode::Char('h') if is_typing => Action::Erase,
            KeyCode::Char('b') => Action::Page(-1),
            KeyCode::Char('f') => Action::Page(1),
            _ => return None,
        });
    }
    Some(match key.code {
        KeyCode::Enter => Action::Enter,
        KeyCode::Esc => Action::Back,
        KeyCode::Backspace if is_typing => Action::Erase,
        KeyCode::Char(letter) if is_typing => Action::Type(letter),
        _ if is_typing => return None,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Home | KeyCode::Char('g') => Action::First,
        KeyCode::End | KeyCode::Char('G') => Action::Last,
        KeyCode::Right | KeyCode::Char('s' | '>') => Action::Sort(true),
        KeyCode::Left | KeyCode::Char('S' | '<') => Action::Sort(false),
        KeyCode::Char('r') => Action::Reverse,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char(' ' | 'p') => Action::Pause,
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Action::Help,
        KeyCode::Char('q') => Action::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::model::JobLine;
    use crate::top::row::SortKey;
    use crate::top::row::tests::{row, row_of};

    /// Thirty connections, ten on the screen, and what keys make of them.
    struct Seat(Model);

    impl Seat {
        fn new() -> Self {
            let mut model = Model::new("", SortKey::Rate).unwrap();
            model.resize(10);
            model.take(rows(), Vec::<JobLine>::new(), 0.0);
            Seat(model)
        }

        /// Presses keys: letters, and words in brackets for the others.
        fn press(&mut self, keys: &str) -> &mut Self {
            let mut rest = keys;
            while let Some(first) = rest.chars().next() {
                let end = if first == '[' { rest.find(']').unwrap() + 1 } else { first.len_utf8() };
                let (key, modifiers) = match &rest[..end] {
                    "[down]" => (KeyCode::Down, KeyModifiers::NONE),
                    "[up]" => (KeyCode::Up, KeyModifiers::NONE),
                    "[pgdn]" => (KeyCode::PageDown, KeyModifiers::NONE),
                    "[pgup]" => (KeyCode::PageUp, KeyModifiers::NONE),
                    "[right]" => (KeyCode::Right, KeyModifiers::NONE),
                    "[enter]" => (KeyCode::Enter, KeyModifiers::NONE),
                    "[esc]" => (KeyCode::Esc, KeyModifiers::NONE),
                    "[erase]" => (KeyCode::Backspace, KeyModifiers::NONE),
                    "[^c]" => (KeyCode::Char('c'), KeyModifiers::CONTROL),
                    "[^u]" => (KeyCode::Char('u'), KeyModifiers::CONTROL),
                    _ => (KeyCode::Char(first), KeyModifiers::NONE),
                };
                if let Some(action) = action(&Event::Key(KeyEvent::new(key, modifiers)), &self.0) {
                    self.0.act(action);
                }
                rest = &rest[end..];
            }
            self
        }

        fn selected(&self) -> Option<u64> {
            self.0.shown().find(|(_, is_selected)| *is_selected).map(|(row, _)| row.key.1)
        }

        fn shown(&self) -> Vec<u64> {
            self.0.shown().map(|(row, _)| row.key.1).collect()
        }
    }

    fn rows() -> Vec<crate::top::row::Row> {
        (1..=30).map(|n| if n % 10 == 0 { row_of(n, b"nginx", b"") } else { row(n) }).collect()
    }

    #[test]
    fn arrows_and_pages_move_and_the_selected_one_stays_on_the_screen() {
        let mut seat = Seat::new();
        assert_eq!((seat.selected(), seat.shown()), (Some(30), (21..=30).rev().collect()));
        for (keys, selected, first) in [
            ("k", 30, 30),
            ("j[down]", 28, 30),
            ("[pgdn]", 18, 27),
            ("G", 1, 10),
            ("j[pgdn]", 1, 10),
            ("[up]k", 3, 10),
            ("[pgup]", 13, 13),
            ("g", 30, 30),
        ] {
            seat.press(keys);
            assert_eq!((seat.selected(), seat.shown()[0]), (Some(selected), first), "{keys}");
        }
    }

    #[test]
    fn the_selected_connection_stays_selected_where_the_order_changes() {
        let mut seat = Seat::new();
        seat.press("jj");
        assert_eq!(seat.selected(), Some(28));
        seat.press("r");
        assert_eq!((seat.selected(), seat.0.sort.is_reversed), (Some(28), true));
        seat.press("g");
        assert_eq!(seat.selected(), Some(1));
        // It is gone: the one in its place is taken.
        let without = rows().into_iter().filter(|row| row.key.1 != 1).collect();
        seat.0.take(without, Vec::new(), 0.0);
        assert_eq!(seat.selected(), Some(2));
        seat.0.take(Vec::new(), Vec::new(), 0.0);
        assert_eq!((seat.selected(), seat.shown().len()), (None, 0));
        seat.press("jkG[pgup][enter]");
        assert_eq!(seat.0.details_of, None);
    }

    #[test]
    fn columns_sort() {
        let mut seat = Seat::new();
        let mut by = |keys: &str| {
            seat.press(keys);
            (seat.0.sort.by, seat.0.sort.is_reversed)
        };
        assert_eq!(by("s"), (SortKey::InFlight, false));
        assert_eq!(by("r"), (SortKey::InFlight, true));
        assert_eq!(by("[right]"), (SortKey::Cwnd, false));
        assert_eq!(by("SSS"), (SortKey::Connection, false));
        assert_eq!(by("<"), (SortKey::Owner, false));
    }

    #[test]
    fn a_filter_holds_as_it_is_typed() {
        let mut seat = Seat::new();
        seat.press("/ngin");
        assert_eq!(seat.shown(), [30, 20, 10]);
        // Letters are typed, and no commands.
        seat.press("x q");
        assert!(!seat.0.is_over && seat.shown().is_empty());
        seat.press("[^u]srtt > 19600us");
        assert_eq!(seat.shown(), [3, 2, 1]);
        seat.press(" && ");
        let typing = seat.0.typing.clone().unwrap();
        assert!(typing.error.is_some() && typing.text.ends_with("&& "), "{typing:?}");
        assert_eq!(seat.shown(), [3, 2, 1], "what was right last holds");
        seat.press("[enter]");
        assert!(seat.0.typing.is_some(), "what is no filter is not taken");
        seat.press("sport == 443[erase][erase][erase]");
        assert_eq!(seat.shown().len(), 0);
        seat.press("[erase]443[enter]");
        assert_eq!((seat.0.typing.as_ref(), seat.0.filter()), (None, "srtt > 19600us && sport ==443"));
        assert_eq!(seat.shown(), [3, 2, 1]);
        seat.press("[esc]");
        assert_eq!((seat.shown().len(), seat.0.filter()), (10, ""));
        seat.press("/nginx[esc]");
        assert_eq!((seat.shown().len(), seat.0.filter(), seat.0.typing.is_some()), (3, "nginx", false));
    }

    #[test]
    fn a_filter_is_bounded() {
        let mut seat = Seat::new();
        seat.press(&format!("/{}", "é".repeat(2000)));
        assert!(seat.0.typing.as_ref().unwrap().text.len() <= 500);
    }

    #[test]
    fn while_it_stands_still_nothing_comes_and_keys_work() {
        let mut seat = Seat::new();
        seat.press(" ");
        seat.0.take(vec![row(99)], Vec::new(), 0.0);
        assert_eq!((seat.shown().len(), seat.0.is_paused), (10, true));
        seat.press("jr/nginx[enter]");
        assert_eq!(seat.shown(), [10, 20, 30]);
        seat.press(" ");
        seat.0.take(vec![row(99), row_of(98, b"nginx", b"")], Vec::new(), 0.0);
        assert_eq!(seat.shown(), [98]);
    }

    #[test]
    fn details_and_help_open_and_close() {
        let mut seat = Seat::new();
        seat.press("j[enter]");
        assert_eq!(seat.0.details_of, Some((0, 29)));
        seat.press("?");
        assert!(seat.0.is_help);
        seat.press("[esc]");
        assert!(!seat.0.is_help && seat.0.details_of.is_some());
        seat.press("[esc]");
        assert_eq!(seat.0.details_of, None);
        seat.press("[enter][enter]");
        assert_eq!(seat.0.details_of, None);
        seat.press("[enter]/");
        assert!(seat.0.details_of.is_none() && seat.0.typing.is_some());
    }

    #[test]
    fn quitting() {
        for keys in ["q", "[^c]", "/abc[^c]", "[enter]q", "?q", "/x[enter]q"] {
            assert!(Seat::new().press(keys).0.is_over, "{keys}");
        }
        let release = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE) };
        assert_eq!(action(&Event::Key(release), &Seat::new().0), None);
    }

    /// Every key of the help does something.
    #[test]
    fn the_help_is_right() {
        let model = Seat::new().0;
        for letter in HELP.iter().flat_map(|(keys, _)| keys.split(' ')).filter(|key| key.chars().count() == 1) {
            let code = match letter {
                "↑" => KeyCode::Up,
                "↓" => KeyCode::Down,
                "→" => KeyCode::Right,
                "←" => KeyCode::Left,
                other => KeyCode::Char(other.chars().next().unwrap()),
            };
            assert!(action(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)), &model).is_some(), "{letter}");
        }
    }
}
