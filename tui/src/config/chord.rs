//! Names of keys: `q`, `ctrl-d`, `shift-tab`, `alt-x`, `f5`, `page-down`, `space`.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Keys with names of more than one character.
const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("page-up", KeyCode::PageUp),
    ("page-down", KeyCode::PageDown),
];

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// The chord of a key press. Terminals tell shift with a letter in two ways, and shift-tab as a key of its own: one form for all.
    pub fn of(key: &KeyEvent) -> Chord {
        let mut modifiers =
            key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match key.code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) => {
                let upper = modifiers.contains(KeyModifiers::SHIFT) && c.is_ascii_lowercase();
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if upper { c.to_ascii_uppercase() } else { c })
            }
            code => code,
        };
        Chord { code, modifiers }
    }

    /// The chord of this name, or what is wrong with the name.
    pub fn parse(name: &str) -> Result<Chord, String> {
        let (mut rest, mut modifiers) = (name, KeyModifiers::NONE);
        for (prefix, modifier) in [
            ("ctrl-", KeyModifiers::CONTROL),
            ("alt-", KeyModifiers::ALT),
            ("shift-", KeyModifiers::SHIFT),
        ] {
            if let Some(tail) = rest.strip_prefix(prefix).filter(|tail| !tail.is_empty()) {
                (rest, modifiers) = (tail, modifiers | modifier);
            }
        }
        let mut characters = rest.chars();
        let function = |rest: &str| {
            rest.strip_prefix('f')?
                .parse::<u8>()
                .ok()
                .filter(|n| (1..=12).contains(n))
        };
        let code = match (
            NAMED.iter().find(|(named, _)| *named == rest),
            function(rest),
            characters.next(),
            characters.next(),
        ) {
            (Some((_, code)), ..) => *code,
            (None, Some(number), ..) => KeyCode::F(number),
            (None, None, Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => {
                let near = super::nearest(rest, NAMED.iter().map(|(named, _)| *named));
                return Err(format!(
                    "`{name}` is no key: write a character, f1 to f12, or a name such as enter or page-up, after ctrl-, alt- or shift-{near}"
                ));
            }
        };
        Ok(Chord::of(&KeyEvent::new(code, modifiers)))
    }

    /// The character that the key writes, if it writes one.
    pub fn character(&self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in [
            (KeyModifiers::CONTROL, "ctrl-"),
            (KeyModifiers::ALT, "alt-"),
            (KeyModifiers::SHIFT, "shift-"),
        ] {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match (self.code, NAMED.iter().find(|(_, code)| *code == self.code)) {
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::F(number), _) => write!(f, "f{number}"),
            (KeyCode::Char(c), _) => write!(f, "{c}"),
            (other, _) => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_chords_agree() {
        for name in [
            "q",
            "Q",
            "ctrl-d",
            "alt-enter",
            "shift-tab",
            "f5",
            "page-down",
            "space",
            "-",
            "ctrl--",
            "?",
        ] {
            assert_eq!(Chord::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn the_forms_of_shift_are_one() {
        let of = |code, modifiers| Chord::of(&KeyEvent::new(code, modifiers));
        assert_eq!(
            of(KeyCode::Char('g'), KeyModifiers::SHIFT),
            Chord::parse("G").unwrap()
        );
        assert_eq!(
            of(KeyCode::Char('G'), KeyModifiers::SHIFT),
            Chord::parse("G").unwrap()
        );
        assert_eq!(
            of(KeyCode::BackTab, KeyModifiers::NONE),
            Chord::parse("shift-tab").unwrap()
        );
    }

    #[test]
    fn wrong_names_are_told() {
        assert!(
            Chord::parse("pagedown")
                .unwrap_err()
                .contains("did you mean `page-down`?")
        );
        for name in ["", "ctrl-", "f13", "qq"] {
            assert!(Chord::parse(name).is_err(), "{name}");
        }
    }
}
