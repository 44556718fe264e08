//! The terminal: taken at the start, given back at every end, panics and signals included.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

/// Longest text that is put into a clipboard; terminals drop longer ones.
const COPY_BYTES_MAX: usize = 64 * 1024;

/// Whether the terminal is taken: giving it back twice would undo what others did since.
static TAKEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether a panic of this thread is caught and told by its caller.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Refuses to go on without a terminal: what is asked of one must not end up in a file or a pipe.
pub fn require() -> io::Result<()> {
    if stdout().is_terminal() && io::stdin().is_terminal() {
        Ok(())
    } else {
        Err(io::Error::other("input and output must be a terminal"))
    }
}

/// The terminal while it is taken.
pub struct TakenTerminal {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
    mouse: bool,
}

impl TakenTerminal {
    /// Takes the terminal. From here on a panic gives it back before it is told.
    pub fn take(mouse: bool) -> io::Result<TakenTerminal> {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CONTAINED.get() {
                return;
            }
            give_back();
            hook(info);
            // The panic of a task would otherwise leave the others drawing over the message.
            std::process::exit(1);
        }));
        enter(mouse)?;
        let terminal =
            Terminal::new(CrosstermBackend::new(stdout())).inspect_err(|_| give_back())?;
        Ok(TakenTerminal { terminal, mouse })
    }

    /// What is drawn on.
    pub fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<io::Stdout>> {
        &mut self.terminal
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(stdout(), EnableMouseCapture)
        } else {
            execute!(stdout(), DisableMouseCapture)
        }
    }

    /// Gives the terminal to the shell until the process is continued, then takes it again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        stop();
        enter(self.mouse)?;
        self.redraw()
    }

    /// Lets the next drawing draw everything. `Terminal::clear` would ask the terminal where its cursor is, and the answer would
    /// go to the reader of keys.
    pub fn redraw(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal
            .resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Puts text into the clipboard of the terminal's user (OSC 52), which works through SSH.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut out = stdout();
        out.write_all(copy_sequence(text).as_bytes())?;
        out.flush()
    }
}

impl Drop for TakenTerminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)
        .inspect_err(|_| give_back())?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)
    } else {
        Ok(())
    }
}

/// Gives the terminal back as it was. May be called from anywhere, and more than once.
pub fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing can be done about a terminal that is gone.
        let _ = write_give_back(&mut stdout());
        let _ = disable_raw_mode();
    }
}

fn write_give_back(out: &mut impl Write) -> io::Result<()> {
    queue!(
        out,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    )?;
    out.flush()
}

fn stop() {
    // SAFETY: sends a signal to this process; the shell continues it with SIGCONT.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGSTOP);
    }
}

/// Runs something that may panic on bytes from outside; `None` when it did.
pub fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    CONTAINED.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(false);
    done.ok()
}

fn copy_sequence(text: &str) -> String {
    let cut = text.floor_char_boundary(COPY_BYTES_MAX);
    // tmux hands it on by itself where `set-clipboard` is on; it needs no wrapping.
    format!("\x1b]52;c;{}\x07", STANDARD.encode(&text[..cut]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn giving_back_undoes_everything_that_was_set() {
        let mut out = Vec::new();
        write_give_back(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for sequence in [
            "\x1b[?1049l",
            "\x1b[?25h",
            "\x1b[?2004l",
            "\x1b[?1000l",
            "\x1b[?1006l",
        ] {
            assert!(out.contains(sequence), "{sequence:?} is missing in {out:?}");
        }
    }

    #[test]
    fn copied_text_cannot_end_its_sequence() {
        let sequence = copy_sequence("a\x07\x1b]0;x");
        assert_eq!(sequence.matches('\x07').count(), 1);
        assert_eq!(sequence.matches('\x1b').count(), 1);
        assert!(copy_sequence(&"é".repeat(COPY_BYTES_MAX)).len() < COPY_BYTES_MAX * 2);
    }

    #[test]
    fn a_contained_panic_is_an_answer() {
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(contained(|| -> i32 { panic!("boom") }), None);
        assert_eq!(contained(|| 7), Some(7));
        let _ = std::panic::take_hook();
    }
}
