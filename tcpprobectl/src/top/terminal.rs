//! The terminal while a program has all of it, and as it was before.

use std::fs::File;
use std::io::{self, Stdout, stdin, stdout};
use std::os::fd::AsFd;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Whether the terminal is ours: to be given back, once, by whoever comes first.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// The whole terminal, given back when this is dropped, and before a panic is told.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// The same terminal, to see whether it is still there; standard input where it has no name.
    keyboard: Option<File>,
    /// What was typed may have been more than one key.
    has_more: bool,
}

/// What came from a terminal.
pub enum Input {
    Nothing,
    Event(Event),
    /// The terminal is gone.
    Gone,
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
        Ok(Screen { terminal, keyboard: File::open("/dev/tty").ok(), has_more: false })
    }

    /// Waits for a key or another size, for so long at most.
    pub fn input(&mut self, patience: Duration) -> Result<Input> {
        let patience = if self.has_more { Duration::ZERO } else { patience };
        self.has_more = false;
        if self.is_gone(patience)? {
            return Ok(Input::Gone);
        }
        if !event::poll(Duration::ZERO).context("terminal")? {
            return Ok(Input::Nothing);
        }
        self.has_more = true;
        Ok(Input::Event(event::read().context("terminal")?))
    }

    /// Waits until something is typed, or the terminal is gone, and says which: of one that is gone crossterm would read nothing for ever.
    fn is_gone(&self, patience: Duration) -> Result<bool> {
        let stdin = stdin();
        let keyboard = self.keyboard.as_ref().map_or_else(|| stdin.as_fd(), File::as_fd);
        let mut asked = [PollFd::from_borrowed_fd(keyboard, PollFlags::IN)];
        let patience = Timespec::try_from(patience).context("a wait")?;
        match poll(&mut asked, Some(&patience)) {
            Ok(_) => Ok(asked[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error).context("terminal"),
        }
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
pub fn give_back() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        let _: io::Result<()> = execute!(stdout(), Show, LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
#[path = "../../tests/cli/common/tmux.rs"]
mod tmux;

#[cfg(test)]
mod tests {
    use super::{Screen, tmux};

    /// Run by the test below, in a terminal of its own.
    #[test]
    #[ignore = "it panics, and needs a terminal"]
    fn panics_on_a_screen() {
        let mut screen = Screen::take().unwrap();
        screen.draw(|frame| frame.render_widget("all of it is ours", frame.area())).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(1));
        panic!("for a test");
    }

    /// The words of the panic stand on a terminal that is as it was before.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        let Some(tmux) = tmux::Tmux::open(100, 20) else { return };
        let before = tmux.settings("before");
        let program = std::env::current_exe().unwrap();
        let name = "top::terminal::tests::panics_on_a_screen";
        tmux.run(&format!(
            "clear; RUST_BACKTRACE=0 {} --ignored --exact --nocapture {name}; echo it ended with $?",
            program.display()
        ));
        tmux.wait("it takes the screen", |screen| screen.contains("all of it is ours"));
        assert_eq!(tmux.is_taken(), (true, true));
        let screen = tmux.wait("it panics", |screen| screen.contains("it ended with 101"));
        assert!(screen.contains("for a test") && !screen.contains("all of it is ours"), "{screen}");
        assert_eq!((tmux.is_taken(), tmux.settings("after")), ((false, false), before));
    }
}
