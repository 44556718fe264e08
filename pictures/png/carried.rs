//! What of a PNG's chunks travels on, and what must not.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::PngFile;
use crate::embedded::{holds_picture, is_picture_text};
use crate::notes::Notes;
use crate::{Limits, Metadata, Orientation, exif, photoshop, xmp};

/// What EXIF and XMP begin with in a JPEG.
const EXIF_HEAD: &[u8] = b"Exif\0\0";
const XMP_HEAD: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Most text chunks carried.
const TEXTS_MAX: usize = 256;
/// Longest chunk of colour, size and time.
const PLAIN_BYTES_MAX: usize = 256;
/// Chunks that this program does not know stay when all of them together have at most this many bytes: more might be a picture
/// in some program's own coding.
const UNKNOWN_BYTES_MAX: usize = 2_048;
/// Chunks of colour, size and time; a file has one of each.
#[rustfmt::skip]
const PLAIN: [&[u8; 4]; 16] = [
    b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"pHYs", b"sBIT",
    b"bKGD", b"oFFs", b"pCAL", b"sCAL", b"sTER", b"tIME",
];

/// Gathers what is carried.
struct Carried<'n> {
    m: Metadata,
    orientation: Orientation,
    notes: &'n mut Notes,
    texts: usize,
    /// Bytes that may still be inflated, whether they are kept afterwards or not.
    inflate_left: usize,
    exif_seen: bool,
    xmp_seen: bool,
    /// EXIF and XMP as older programs write them: hexadecimal digits in a text.
    raw_exif: Option<Vec<u8>>,
    raw_xmp: Option<Vec<u8>>,
    unknown: Vec<([u8; 4], Vec<u8>)>,
}

/// The metadata of a file, made true for the upright picture without what the edit takes away, and the orientation it had.
pub(crate) fn metadata(
    file: &mut PngFile<'_>,
    limits: &Limits,
    notes: &mut Notes,
) -> (Orientation, Metadata) {
    let mut carried = Carried {
        m: Metadata {
            icc: file.icc.take(),
            ..Metadata::default()
        },
        orientation: Orientation::UPRIGHT,
        notes,
        texts: 0,
        inflate_left: limits.metadata_bytes_max,
        exif_seen: false,
        xmp_seen: false,
        raw_exif: None,
        raw_xmp: None,
        unknown: Vec::new(),
    };
    for (kind, body) in &file.chunks {
        carried.add(*kind, body);
    }
    carried.add_raw();
    carried.add_unknown();
    if file.unended {
        carried.notes.unended = true;
        carried
            .notes
            .say("the file has no end chunk; all pixels are there");
    }
    // Colour and size before text: the order in which they are written again.
    carried.m.png_chunks.sort_by_key(|(kind, _)| is_text(kind));
    (carried.orientation, carried.m)
}

/// The orientation in the first EXIF chunk.
pub(crate) fn orientation(file: &PngFile<'_>) -> Orientation {
    let first = file.chunks.iter().find(|(kind, _)| kind == b"eXIf");
    first.map_or(Orientation::UPRIGHT, |(_, body)| {
        exif::orientation(without_head(body))
    })
}

/// An EXIF block without the head that it has in a JPEG only, and that some programs write here too.
fn without_head(block: &[u8]) -> &[u8] {
    block.strip_prefix(EXIF_HEAD).unwrap_or(block)
}

impl Carried<'_> {
    fn add(&mut self, kind: [u8; 4], body: &[u8]) {
        match &kind {
            b"eXIf" if self.exif_seen => {}
            b"eXIf" => {
                self.exif_seen = true;
                self.orientation = self.add_exif(body);
            }
            b"caBX" => self.notes.say(
                "the content credentials (C2PA) were left out: they vouch for the original picture",
            ),
            kind if PLAIN.contains(&kind) => {
                let first = !self.m.png_chunks.iter().any(|(seen, _)| seen == kind);
                if first && body.len() <= PLAIN_BYTES_MAX {
                    self.m.png_chunks.push((*kind, body.to_vec()));
                }
            }
            kind if is_text(kind) => self.add_text(*kind, body),
            _ => self.unknown.push((kind, body.to_vec())),
        }
    }

    /// The orientation that the block gave.
    fn add_exif(&mut self, block: &[u8]) -> Orientation {
        let mut block = without_head(block).to_vec();
        let found = exif::tidy(&mut block, self.notes);
        match found {
            Some(_) => self.m.exif = Some(block),
            None => self.notes.say("the EXIF block was left out: it is damaged"),
        }
        found.unwrap_or(Orientation::UPRIGHT)
    }

    /// What stands in texts only. Viewers do not turn a picture by such EXIF, so it is not turned here.
    fn add_raw(&mut self) {
        if let Some(block) = self.raw_exif.take().filter(|_| !self.exif_seen) {
            self.add_exif(&block);
        }
        if let Some(packet) = self.raw_xmp.take().filter(|_| !self.xmp_seen) {
            self.keep_xmp(packet);
        }
    }

    fn add_text(&mut self, kind: [u8; 4], body: &[u8]) {
        let keyword = body.split(|&b| b == 0).next().unwrap_or(&[]);
        if keyword == b"XML:com.adobe.xmp" {
            return self.add_xmp(kind, body);
        }
        if self.texts == TEXTS_MAX {
            return self
                .notes
                .say(format!("texts beyond the first {TEXTS_MAX} were left out"));
        }
        let Some(text) = self.text(kind, body) else {
            return self
                .notes
                .say("texts that are damaged or inflate to too much were left out");
        };
        if let Some(name) = keyword.strip_prefix(b"Raw profile type ") {
            let profile = unhex(&text);
            let block = profile.as_deref().unwrap_or(&[]);
            if matches!(name, b"exif" | b"APP1") && block.starts_with(EXIF_HEAD) {
                return self.raw_exif = profile;
            }
            if let (b"xmp" | b"APP1", Some(packet)) = (name, xmp_packet(name, block)) {
                return self.raw_xmp = Some(packet.to_vec());
            }
            let Some(profile) = profile.filter(|_| matches!(name, b"iptc" | b"8bim")) else {
                let name = String::from_utf8_lossy(&name[..name.len().min(16)]).into_owned();
                return self.notes.say(format!(
                    "metadata in a text chunk was left out: Raw profile type {name}"
                ));
            };
            if photoshop::tidy(&profile, self.notes).is_some() {
                return;
            }
        } else if holds_picture(&text) || std::str::from_utf8(&text).is_ok_and(is_picture_text) {
            return self.notes.picture("picture in a text chunk");
        }
        self.texts += 1;
        self.m.png_chunks.push((kind, body.to_vec()));
    }

    /// XMP belongs into iTXt; some programs write it into the other kinds.
    fn add_xmp(&mut self, kind: [u8; 4], body: &[u8]) {
        if self.xmp_seen {
            return;
        }
        self.xmp_seen = true;
        let Some(packet) = self.text(kind, body) else {
            return self
                .notes
                .say("the XMP was left out: it is damaged or inflates to too much");
        };
        self.keep_xmp(packet);
    }

    fn keep_xmp(&mut self, packet: Vec<u8>) {
        self.m.xmp = match xmp::tidy(&packet, false, self.notes) {
            xmp::Tidied::Same => Some(packet),
            xmp::Tidied::Changed(packet) => Some(packet),
            xmp::Tidied::Unsafe => None,
        };
    }

    /// The text of a chunk, inflated; `None` when it is damaged or too much was inflated already.
    fn text(&mut self, kind: [u8; 4], body: &[u8]) -> Option<Vec<u8>> {
        let (text, compressed) = split_text(kind, body)?;
        if !compressed {
            return Some(text.to_vec());
        }
        // Counted before it is done: a text that proves too long has cost as much as one that is kept.
        let inflated = decompress_to_vec_zlib_with_limit(text, self.inflate_left);
        let cost = inflated.as_ref().map_or(self.inflate_left, Vec::len);
        self.inflate_left -= cost.max(text.len()).min(self.inflate_left);
        inflated.ok()
    }

    /// Unknown chunks stay when they are safe to copy and cannot hold a picture.
    fn add_unknown(&mut self) {
        let unknown = std::mem::take(&mut self.unknown);
        let bytes: usize = unknown.iter().map(|(_, body)| body.len()).sum();
        let keeps = |(kind, body): &([u8; 4], Vec<u8>)| {
            kind[3].is_ascii_lowercase() && bytes <= UNKNOWN_BYTES_MAX && !holds_picture(body)
        };
        let (kept, gone): (Vec<_>, Vec<_>) = unknown.into_iter().partition(keeps);
        self.m.png_chunks.extend(kept);
        let mut names: Vec<_> = gone
            .iter()
            .map(|(kind, _)| String::from_utf8_lossy(kind).into_owned())
            .collect();
        names.dedup();
        names.truncate(16);
        if !names.is_empty() {
            self.notes.say(format!(
                "chunks that depend on the original pixels, or may show them, were left out: {}",
                names.join(", ")
            ));
        }
    }
}

pub(super) fn is_text(kind: &[u8; 4]) -> bool {
    matches!(kind, b"tEXt" | b"zTXt" | b"iTXt")
}

/// The stored text of a chunk and whether it is compressed.
fn split_text(kind: [u8; 4], body: &[u8]) -> Option<(&[u8], bool)> {
    let flag_at = body.iter().take(80).position(|&b| b == 0)? + 1;
    match &kind {
        b"tEXt" => Some((&body[flag_at..], false)),
        b"zTXt" => (body.get(flag_at) == Some(&0)).then(|| (&body[flag_at + 1..], true)),
        _ => {
            let (compressed, method) = (*body.get(flag_at)?, *body.get(flag_at + 1)?);
            let rest = body.get(flag_at + 2..)?;
            let language_end = rest.iter().position(|&b| b == 0)? + 1;
            let translated = rest[language_end..].iter().position(|&b| b == 0)? + 1;
            let text = &rest[language_end + translated..];
            matches!((compressed, method), (0, _) | (1, 0)).then_some((text, compressed == 1))
        }
    }
}

/// The packet in a raw profile: the whole of one of the name `xmp`, or behind the head that it has in a JPEG.
fn xmp_packet<'a>(name: &[u8], block: &'a [u8]) -> Option<&'a [u8]> {
    let packet = block.strip_prefix(XMP_HEAD);
    packet.or_else(|| (name == b"xmp" && !block.is_empty()).then_some(block))
}

/// The bytes of a raw profile: a name, a length and hexadecimal digits, each on lines of their own.
fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text.split_ascii_whitespace();
    let (_name, length) = (words.next()?, words.next()?.parse::<usize>().ok()?);
    let digits: Vec<u8> = words.flat_map(str::bytes).collect();
    let pairs = digits.chunks_exact(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes.filter(|bytes| bytes.len() == length)
}
