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
