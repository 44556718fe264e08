//! What pictures the terminal can show: asked once, before anything is drawn.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crossterm::terminal::{disable_raw_mode, enable_raw_mode, window_size};
use ratatui_image::FontSize;
use ratatui_image::picker::{Picker, ProtocolType};

use crate::config::Images;

/// Longest wait for the terminal's answer. All terminals in use answer the last question; over SSH it takes a round trip.
const ANSWER_MAX: Duration = Duration::from_millis(600);
/// Pixels of a character when the terminal does not tell.
const FONT_PX: (u16, u16) = (10, 20);

/// A maker of pictures for this terminal, or `None` when none are wanted.
pub fn picker(images: Images) -> Option<Picker> {
    let protocol = match images {
        Images::Off => return None,
        Images::Blocks => ProtocolType::Halfblocks,
        Images::Kitty => ProtocolType::Kitty,
        Images::Sixel => ProtocolType::Sixel,
        Images::Iterm2 => ProtocolType::Iterm2,
        Images::Auto => best(&|name| std::env::var(name).ok(), &ask().unwrap_or_default()),
    };
    if protocol == ProtocolType::Halfblocks {
        return Some(Picker::halfblocks());
    }
    #[allow(deprecated)]
    // The other way asks the terminal itself, on a thread that goes on reading the keyboard after its time is over.
    let mut picker = Picker::from_fontsize(font_px());
    picker.set_protocol_type(protocol);
    Some(picker)
}

fn font_px() -> FontSize {
    let (width, height) = match window_size() {
        Ok(size) if size.width > 0 && size.height > 0 && size.columns > 0 && size.rows > 0 => {
            (size.width / size.columns, size.height / size.rows)
        }
        _ => FONT_PX,
    };
    FontSize::new(width.max(1), height.max(1))
}

/// The best protocol that environment and answer speak for.
fn best(env: &dyn Fn(&str) -> Option<String>, answer: &[u8]) -> ProtocolType {
    let answer = String::from_utf8_lossy(answer);
    let program = env("TERM_PROGRAM").unwrap_or_default();
    // A multiplexer stands between: what the terminal outside can do does not count, and blocks always work.
    if env("TMUX").is_some()
        || env("TERM").is_some_and(|term| term.starts_with("screen") || term.starts_with("tmux"))
    {
        return ProtocolType::Halfblocks;
    }
    if matches!(
        program.as_str(),
        "iTerm.app" | "WezTerm" | "mintty" | "vscode" | "Tabby" | "rio"
    ) {
        return ProtocolType::Iterm2;
    }
    if answer.contains("_Gi=31;OK") && env("KONSOLE_VERSION").is_none() {
        return ProtocolType::Kitty;
    }
    // The answer to "who are you" lists 4 for sixels: ESC [ ? 62 ; 4 ; 22 c
    let attributes = answer
        .rsplit("\x1b[?")
        .next()
        .and_then(|rest| rest.split('c').next())
        .unwrap_or_default();
    if attributes.split(';').any(|attribute| attribute == "4") {
        ProtocolType::Sixel
    } else {
        ProtocolType::Halfblocks
    }
}

/// Asks whether kitty's pictures are understood, then who the terminal is; returns what it answers.
fn ask() -> io::Result<Vec<u8>> {
    enable_raw_mode()?;
    let answer = exchange();
    disable_raw_mode()?;
    answer
}

fn exchange() -> io::Result<Vec<u8>> {
    let mut out = io::stdout();
    out.write_all(b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c")?;
    out.flush()?;
    let (mut answer, until) = (Vec::new(), Instant::now() + ANSWER_MAX);
    let input = io::stdin();
    let whole = |answer: &[u8]| {
        answer
            .windows(3)
            .rposition(|w| w == b"\x1b[?")
            .is_some_and(|start| answer[start..].contains(&b'c'))
    };
    while !whole(&answer) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !readable(input.as_raw_fd(), left) {
            break;
        }
        let mut part = [0; 256];
        // Unbuffered: what is typed ahead must be left for the program.
        let count = raw_read(input.as_raw_fd(), &mut part)?;
        if count == 0 || answer.len() > 4096 {
            break;
        }
        answer.extend_from_slice(&part[..count]);
    }
    Ok(answer)
}

fn readable(fd: i32, wait: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one valid entry, which outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, wait_ms) > 0 }
}

fn raw_read(fd: i32, part: &mut [u8]) -> io::Result<usize> {
    struct Raw(i32);
    impl Read for Raw {
        fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
            // SAFETY: the buffer is valid for its length.
            let count = unsafe { libc::read(self.0, part.as_mut_ptr().cast(), part.len()) };
            usize::try_from(count).map_err(|_| io::Error::last_os_error())
        }
    }
    Raw(fd).read(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)], answer: &str) -> ProtocolType {
        let env = |name: &str| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_string())
        };
        best(&env, answer.as_bytes())
    }

    #[test]
    fn the_best_protocol_is_found() {
        let kitty = "\x1b_Gi=31;OK\x1b\\\x1b[?62;4;52c";
        assert_eq!(of(&[("TERM", "xterm-kitty")], kitty), ProtocolType::Kitty);
        assert_eq!(
            of(&[("TERM", "foot")], "\x1b[?62;4;22;28c"),
            ProtocolType::Sixel
        );
        assert_eq!(
            of(&[("TERM", "xterm")], "\x1b[?64;1;2;6;14;24c"),
            ProtocolType::Halfblocks
        );
        assert_eq!(
            of(&[("TERM_PROGRAM", "iTerm.app")], "\x1b[?64;4c"),
            ProtocolType::Iterm2
        );
        assert_eq!(
            of(&[("TMUX", "socket,1,0")], kitty),
            ProtocolType::Halfblocks
        );
        assert_eq!(
            of(&[("KONSOLE_VERSION", "230804")], kitty),
            ProtocolType::Sixel
        );
        assert_eq!(of(&[], ""), ProtocolType::Halfblocks);
    }
}
