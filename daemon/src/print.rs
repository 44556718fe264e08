//! What people read: errors with their causes, and printing to a reader that may have gone. `cleanplate run ... --json | head -1` ends
//! its work and says nothing, where the standard library's macros of the same names panic.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Something was not printed that somebody may wait for.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. That it is full is told, and found by [`is_lost`].
pub fn out(text: Arguments) {
    let mut output = std::io::stdout().lock();
    let written = output.write_fmt(text).and_then(|()| output.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        self::error(format_args!("error: writing to standard output: {error}\n"));
    }
}

/// Writes to standard error; nobody is left to be told that it cannot be.
pub fn error(text: Arguments) {
    drop(std::io::stderr().lock().write_fmt(text));
}

/// An error and its causes in one line; a cause that its effect already tells is left out.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.map(ToString::to_string) {
        if !line.contains(&cause) {
            line.push_str(&format!(": {cause}"));
        }
    }
    line
}

/// Whether a part of the output could not be written though its reader was there.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

macro_rules! println {
    () => { $crate::print::out(format_args!("\n")) };
    ($($text:tt)*) => { $crate::print::out(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::print::error(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { $crate::print::error(format_args!($($text)*)) };
}
