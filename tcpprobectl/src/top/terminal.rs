//! The terminal while a program has all of it, and as it was before.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::{Frame, Terminal};

/// Whether the terminal is ours: to be given back, once, by whoever comes first.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The whole terminal, given back when this is dropped, and before a panic is told.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal.
    pub fn take() -> Result<Self> {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        enter()?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout())).context("terminal")?;
        Ok(Screen { terminal })
    }

    /// Draws anew.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<()> {
        self.terminal.draw(draw).context("terminal")?;
        Ok(())
    }

    /// The number of lines.
    pub fn height(&self) -> Result<u16> {
        Ok(self.terminal.size().context("terminal")?.height)
    }

    /// Gives the terminal back for as long as `pause` takes.
    pub fn lend(&mut self, pause: impl FnOnce()) -> Result<()> {
        give_back();
        pause();
        enter()?;
        self.terminal.clear().context("terminal")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> Result<()> {
    IS_OURS.store(true, Ordering::SeqCst);
    let entered = enable_raw_mode().and_then(|()| execute!(stdout(), EnterAlternateScreen, Hide));
    if entered.is_err() {
        give_back();
    }
    entered.context("this terminal cannot be used as a whole")
}

/// Gives the terminal back as it was; what goes wrong nobody could be told.
fn give_back() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        let _: io::Result<()> = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}
