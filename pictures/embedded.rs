//! Finds pictures inside other data: they would still show what was removed.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const JPEG: &[u8] = b"\xff\xd8\xff";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Brands of HEIF and AVIF behind `ftyp`.
const BRANDS: [&[u8]; 6] = [b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"];
/// Base64 characters that are enough to recognise a type: 18 bytes.
const TEXT_HEAD: usize = 24;
/// What the base64 of such files begins with.
const TEXT_STARTS: [&[u8; 4]; 7] = [
    b"/9j/", b"iVBO", b"UklG", b"R0lG", b"SUkq", b"TU0A", b"AAAA",
];
/// And the seventh and eighth character of those that begin with the length of a box: `ftyp`, `JXL ` and `jP  ` follow.
const BOX_TEXTS: [&[u8; 2]; 3] = [b"Z0", b"pY", b"pQ"];
/// Bytes within which they must stand: half of them may be the zeros of UTF-16, some line breaks.
const TEXT_HEAD_BYTES_MAX: usize = 256;
/// Longest character reference of a line break behind its `&`, such as `#x0A;`, in UTF-16 too.
const REFERENCE_BYTES_MAX: usize = 16;

/// Whether `bytes` begin like the file of a picture.
pub(crate) fn is_picture(bytes: &[u8]) -> bool {
    let riff = |kind: &[u8]| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(kind);
    let box_type = bytes.get(4..8) == Some(b"ftyp");
    bytes.starts_with(JPEG)
        || bytes.starts_with(PNG)
        || bytes.starts_with(b"GIF8")
        || bytes.starts_with(b"II*\0")
        || bytes.starts_with(b"MM\0*")
        || bytes.starts_with(b"\0\0\0\x0cJXL ")
        || bytes.starts_with(b"\0\0\0\x0cjP  ")
        || riff(b"WEBP")
        || box_type && BRANDS.iter().any(|brand| bytes.get(8..12) == Some(brand))
}

/// The type of a picture that this program does not read, by its first bytes.
pub(crate) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let brand = |names: &[&[u8]]| {
        bytes.get(4..8) == Some(b"ftyp") && names.iter().any(|n| bytes.get(8..12) == Some(n))
    };
    let starts = |head: &[u8]| bytes.starts_with(head);
    match () {
        () if brand(&[b"avif", b"avis"]) => Some("AVIF"),
        () if brand(&[
            b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1",
        ]) =>
        {
            Some("HEIC (HEIF)")
        }
        () if brand(&[b"crx "]) => Some("Canon raw (CR3)"),
        () if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL ") => Some("JPEG XL"),
        () if starts(b"\0\0\0\x0cjP  ") || starts(b"\xff\x4f\xff\x51") => Some("JPEG 2000"),
        () if starts(b"GIF8") => Some("GIF"),
        () if starts(b"8BPS") => Some("Photoshop (PSD)"),
        () if starts(b"II+\0") || starts(b"MM\0+") => Some("BigTIFF"),
        () if starts(b"FUJIFILMCCD-RAW") => Some("Fujifilm raw (RAF)"),
        () if starts(b"IIRO") || starts(b"IIRS") || starts(b"MMOR") => Some("Olympus raw (ORF)"),
        () if starts(b"IIU\0") => Some("Panasonic raw (RW2)"),
        () if starts(b"\x76\x2f\x31\x01") => Some("OpenEXR"),
        () if starts(b"%PDF") => Some("PDF"),
        () => None,
    }
}

/// Whether `text` is the base64 of a picture, broken into lines or not, or holds one (a `data:` address, a value in JSON).
pub(crate) fn is_picture_text(text: &str) -> bool {
    is_base64_picture(text.trim_start().as_bytes()) || holds_picture(text.as_bytes())
}

/// Whether `bytes` begin with the base64 of a picture.
fn is_base64_picture(bytes: &[u8]) -> bool {
    let decoded = base64_head(bytes).map(|head| STANDARD_NO_PAD.decode(head));
    decoded.is_some_and(|bytes| bytes.is_ok_and(|bytes| is_picture(&bytes)))
}

/// The first base64 characters of `bytes`, without line breaks and the zeros of UTF-16; `None` when something else comes first, or they
/// are no picture's.
fn base64_head(bytes: &[u8]) -> Option<[u8; TEXT_HEAD]> {
    let mut head = [0; TEXT_HEAD];
    let mut rest = bytes.iter().copied().take(TEXT_HEAD_BYTES_MAX);
    for at in 0..TEXT_HEAD {
        head[at] = loop {
            match rest.next()? {
                // Line breaks, also as character references.
                b'&' => drop(
                    rest.by_ref()
                        .take(REFERENCE_BYTES_MAX)
                        .find(|&b| b == b';')?,
                ),
                b if is_base64(b) => break b,
                b if is_filling(b) => {}
                _ => return None,
            }
        };
        // What is none is left soon: this is asked at every byte of a text.
        let none = match at {
            3 => !TEXT_STARTS.iter().any(|start| head.starts_with(*start)),
            7 => head.starts_with(b"AAAA") && !BOX_TEXTS.iter().any(|text| head[6..8] == **text),
            _ => false,
        };
        if none {
            return None;
        }
    }
    Some(head)
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'+' || b == b'/'
}

/// What may stand between the characters of base64.
fn is_filling(b: u8) -> bool {
    b.is_ascii_whitespace() || b == 0
}

/// Bytes of base64 up to and with its padding; `None` when it reaches to the end.
fn base64_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes
        .iter()
        .position(|&b| !is_base64(b) && !is_filling(b))?;
    let padding = bytes[end..].iter().take(4);
    Some(end + padding.take_while(|&&b| b == b'=' || b == 0).count())
}

/// Whether a picture begins anywhere in `bytes`.
pub(crate) fn holds_picture(bytes: &[u8]) -> bool {
    is_picture(bytes) || next_picture(bytes, 0).is_some()
}

/// Overwrites every picture within `bytes` with zeros; true when there was one. Takes time linear in their length.
pub(crate) fn blank_pictures(bytes: &mut [u8]) -> bool {
    let mut at = 0;
    let mut found = false;
    while let Some(range) = next_picture(bytes, at) {
        bytes[range.clone()].fill(0);
        (at, found) = (range.end, true);
    }
    found
}

/// Where the next JPEG, PNG or WebP, or the next base64 of a picture, at or behind `from` lies. One that breaks off reaches to the end of `bytes`.
fn next_picture(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    (from..bytes.len().saturating_sub(3)).find_map(|at| {
        let rest = &bytes[at..];
        let length = match rest[0] {
            0xff if rest.starts_with(JPEG) => jpeg_length(rest),
            0x89 if rest.starts_with(PNG) => png_length(rest),
            b'R' if rest.starts_with(b"RIFF") && rest.get(8..12) == Some(b"WEBP") => {
                let bytes: Option<[u8; 4]> = rest.get(4..8).and_then(|b| b.try_into().ok());
                bytes.map(|b| u32::from_le_bytes(b) as usize + 8)
            }
            // What the base64 of the types of `is_picture` begins with.
            b'/' | b'i' | b'U' | b'R' | b'S' | b'T' | b'A' if is_base64_picture(rest) => {
                base64_length(rest)
            }
            _ => return None,
        };
        Some(at..at + length.unwrap_or(rest.len()).min(rest.len()))
    })
}

/// Bytes up to and with the end marker; `None` when the file breaks off.
fn jpeg_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        match (bytes[at], marker) {
            (0xff, 0xd9) => return Some(at + 2),
            (0xff, 0xff) => at += 1,
            (0xff, 0x01 | 0xd0..=0xd7) => at += 2,
            (0xff, 1..) => {
                let length = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                at += 2 + usize::from(length);
            }
            // Coded data, or something that is no marker: on to the next one.
            _ => at += 1,
        }
    }
}

/// Bytes up to and with the end chunk; `None` when the file breaks off.
fn png_length(bytes: &[u8]) -> Option<usize> {
    let mut at = PNG.len();
    loop {
        let head = bytes.get(at..at + 8)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        at = at.checked_add(12 + length)?;
        if &head[4..] == b"IEND" {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_blanked_and_what_lies_between_stays() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xda\0\x02\x12\xff\0\x34\xff\xd0\x56\xff\xd9";
        let nested = [&b"\xff\xd8\xff\xe1\0\x17"[..], jpeg, b"\xff\xd9"].concat();
        let png = [PNG, b"\0\0\0\x02IDATxyCRC.", b"\0\0\0\0IENDCRC."].concat();
        let webp = b"RIFF\x06\0\0\0WEBPab";
        let mut bytes = [
            b"one",
            &jpeg[..],
            b"two",
            &nested,
            b"three",
            &png,
            b"four",
            webp,
        ]
        .concat();
        assert!(blank_pictures(&mut bytes));
        let kept: Vec<u8> = bytes.iter().copied().filter(|&b| b != 0).collect();
        assert_eq!(kept, b"onetwothreefour");
        assert!(!blank_pictures(&mut b"nothing at all, \xff\xd8".to_vec()));
        let mut cut = [b"head", &jpeg[..12]].concat();
        assert!(blank_pictures(&mut cut));
        assert_eq!(cut[4..], [0; 12]);
    }

    #[test]
    fn base64_within_other_text_is_found_and_blanked_with_its_padding() {
        let base64 = "/9j/4AAQSkZJRgABAQAA\r\nAQABAAD=";
        for (before, after) in [
            (
                "{\"preview\":\"data:image/jpeg;base64,",
                "\",\"by\":\"Jane\"}",
            ),
            ("thumb=", ""),
            ("Awww", "; Jane"),
        ] {
            let text = format!("{before}{base64}{after}");
            assert!(is_picture_text(&text), "{text}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            for mut bytes in [text.into_bytes(), wide] {
                assert!(holds_picture(&bytes));
                assert!(blank_pictures(&mut bytes));
                let kept: Vec<u8> = bytes.iter().copied().filter(|&b| b != 0).collect();
                assert_eq!(String::from_utf8(kept).unwrap(), format!("{before}{after}"));
            }
        }
        for text in [
            "see /9j/ or iVBORw0KGgo",
            "AAAAHGZ0eXBpc29tAAACAGlzb21pc28y",
            "path/9j/x.jpg of a long name",
        ] {
            assert!(!is_picture_text(text), "{text}");
        }
    }

    #[test]
    fn base64_of_pictures_is_recognised_however_it_is_broken() {
        for text in [
            "/9j/4AAQSkZJRgABAQAAAQABAAD",
            " /9j/4AAQ&#xA;SkZJRgAB\nAQAAAQABAAD",
            "data:image/jpeg;base64,/9j/4AAQSkZJRgABAQAAAQABAAD",
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB",
            "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA",
        ] {
            assert!(is_picture_text(text), "{text}");
        }
        for text in ["", "Jane Doe", "/9j/", "SGVsbG8gd29ybGQsIGhlbGxvIHdvcmxk"] {
            assert!(!is_picture_text(text), "{text}");
        }
    }
}
