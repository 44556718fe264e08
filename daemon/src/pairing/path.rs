//! Paths within a watched folder as text that loses nothing: a byte that is no UTF-8 becomes a character of its own, and back.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The last 128 characters of Unicode's last private plane stand for the bytes 0x80 to 0xff.
const STAND_IN: u32 = 0x10_ff00;
/// Longest stem that is used as it is: with every suffix that is put to it, a name stays below 255 bytes.
const STEM_BYTES_MAX: usize = 190;
/// Hexadecimal digits that make a shortened stem its own.
const MARK: usize = 12;

fn stand_in(byte: u8) -> char {
    char::from_u32(STAND_IN + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn byte_of(c: char) -> Option<u8> {
    (u32::from(c).checked_sub(STAND_IN))
        .and_then(|rest| u8::try_from(rest).ok())
        .filter(|byte| *byte >= 0x80)
}

/// A name as text.
pub fn text(name: &OsStr) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if byte_of(c).is_some() {
                // A character that stands for a byte means itself only byte by byte.
                out.extend(c.encode_utf8(&mut [0; 4]).bytes().map(stand_in));
            } else {
                out.push(c);
            }
        }
        out.extend(chunk.invalid().iter().copied().map(stand_in));
    }
    out
}

/// The name that a text stands for.
pub fn os(text: &str) -> OsString {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(bytes)
}

/// The place of a relative path.
pub fn place(root: &Path, relative: &str) -> PathBuf {
    if relative.is_empty() {
        root.to_path_buf()
    } else {
        root.join(os(relative))
    }
}

/// For people: bytes that are no text as `\xe9`.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match byte_of(c) {
            Some(byte) => out.push_str(&format!("\\x{byte:02x}")),
            None => out.push(c),
        }
    }
    out
}

/// Folder and name of a relative path; the folder of a name alone is empty.
pub fn split(relative: &str) -> (&str, &str) {
    relative.rsplit_once('/').unwrap_or(("", relative))
}

/// Whether a relative path names a place within the folder that is not hidden: no part is empty, `.`, `..` or begins with a dot.
pub fn is_inside(relative: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    relative.split('/').all(plain)
}

/// A path of a folder, which may be empty, and a name.
pub fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() {
        name.to_string()
    } else {
        format!("{dir}/{name}")
    }
}

/// Name and ending; the ending of a name without one is empty.
pub fn ending(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

/// A stem that leaves room for suffixes. A longer one is cut, and a hash of the whole keeps it apart from others.
pub fn fit(stem: &str) -> String {
    let whole = os(stem);
    if whole.len() <= STEM_BYTES_MAX {
        return stem.to_string();
    }
    let mut bytes = 0;
    let kept = stem.chars().take_while(|c| {
        bytes += byte_of(*c).map_or(c.len_utf8(), |_| 1);
        bytes + 1 + MARK <= STEM_BYTES_MAX
    });
    let kept: String = kept.collect();
    let mark = hex(&Sha256::digest(whole.as_bytes()));
    format!("{kept}~{}", &mark[..MARK])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for bytes in [
            b"plain.png".as_slice(),
            "한\u{301}😀.png".as_bytes(),
            b"caf\xe9.png",
            b"\xff\xfe\x80",
            b"cut \xf0\x9f\x98.png",
            "\u{10ff80}\u{10ffff}\u{10ff7f}".as_bytes(),
            b"line\nbreak\\x.png",
        ] {
            let name = OsStr::from_bytes(bytes);
            assert_eq!(os(&text(name)), name, "{bytes:?}");
        }
        // Two names never share a text.
        assert_ne!(
            text(OsStr::from_bytes(b"\xff")),
            text(OsStr::from_bytes("\u{10ffff}".as_bytes()))
        );
        assert_eq!(
            shown(&text(OsStr::from_bytes(b"caf\xe9.png"))),
            "caf\\xe9.png"
        );
    }

    #[test]
    fn long_stems_are_cut_and_stay_apart() {
        assert_eq!(fit("short"), "short");
        let (one, other) = ("한".repeat(83) + "a", "한".repeat(83) + "b");
        let (short, apart) = (fit(&one), fit(&other));
        assert!(short != apart && short.starts_with("한한"), "{short}");
        assert_eq!(fit(&one), short);
        for stem in [one, "x".repeat(251), text(OsStr::from_bytes(&[0xe9; 251]))] {
            let len = os(&fit(&stem)).len();
            assert!((170..=STEM_BYTES_MAX).contains(&len), "{len}");
        }
    }

    #[test]
    fn paths_come_apart_and_together() {
        assert_eq!(split("a/b/c.png"), ("a/b", "c.png"));
        assert_eq!(split("c.png"), ("", "c.png"));
        assert_eq!(
            (join("", "c"), join("a/b", "c")),
            ("c".into(), "a/b/c".into())
        );
        assert_eq!(
            (ending("a.b.png"), ending("a")),
            (("a.b", "png"), ("a", ""))
        );
        assert_eq!(place(Path::new("/r"), ""), Path::new("/r"));
    }
}
