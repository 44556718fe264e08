//! What of a JPEG's segments travels on, and what must not.

use super::JpegFile;
use super::parse::{EXIF, ICC, PHOTOSHOP};
use crate::embedded::{holds_picture, is_picture};
use crate::notes::Notes;
use crate::{Metadata, Orientation, exif, photoshop, xmp};

const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Followed by the GUID (32 bytes), the length of the whole and the place of this part (4 each).
const EXTENDED_XMP: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
const EXTENDED_HEAD_BYTES: usize = 40;
const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
/// Segments that this program does not know stay when all of them together have at most this many bytes: more might be a
/// picture in some coding of the camera's maker.
const UNKNOWN_BYTES_MAX: usize = 2_048;

const CREDENTIALS: &str =
    "the content credentials (C2PA) were left out: they vouch for the original picture";

/// Segments by kind.
#[derive(Default)]
struct Sorted<'a> {
    exif: Option<&'a [u8]>,
    xmp: Option<&'a [u8]>,
    extended: Vec<&'a [u8]>,
    icc: Vec<&'a [u8]>,
    photoshop: Vec<u8>,
    comments: Vec<&'a [u8]>,
    unknown: Vec<(u8, &'a [u8])>,
    density: Option<(u8, u16, u16)>,
}

/// The metadata of a file, made true for the upright picture without what the edit takes away, and the orientation it had.
pub(crate) fn metadata(file: &JpegFile<'_>, notes: &mut Notes) -> (Orientation, Metadata) {
    let mut sorted = Sorted::default();
    for (marker, body) in &file.segments {
        sorted.add(*marker, body, notes);
    }
    let mut m = Metadata {
        icc: profile(&mut sorted.icc),
        jfif_density: sorted.density,
        ..Metadata::default()
    };
    let orientation = sorted.exif.and_then(|block| {
        let mut block = block.to_vec();
        let found = exif::tidy(&mut block, notes);
        m.exif = found.map(|_| block);
        found
    });
    if sorted.exif.is_some() && orientation.is_none() {
        notes.say("the EXIF block was left out: it is damaged");
    }
    let extended_kept = extended_stays(&sorted.extended, notes);
    m.xmp = sorted
        .xmp
        .and_then(|packet| match xmp::tidy(packet, extended_kept, notes) {
            xmp::Tidied::Same => Some(packet.to_vec()),
            xmp::Tidied::Changed(packet) => Some(packet),
            xmp::Tidied::Unsafe => None,
        });
    m.photoshop = sorted.resources(notes);
    m.jpeg_segments = sorted.others(extended_kept, notes);
    note_trailer(file.trailer, notes);
    if file.trailer.is_none() {
        notes.unended = true;
        notes.say("the file has no end marker; all pixels are there");
    }
    (orientation.unwrap_or(Orientation::UPRIGHT), m)
}

impl<'a> Sorted<'a> {
    fn add(&mut self, marker: u8, body: &'a [u8], notes: &mut Notes) {
        let starts = |head: &[u8]| body.starts_with(head);
        match marker {
            0xe0 if starts(b"JFIF\0") && body.len() >= 12 => {
                let pair = |i: usize| u16::from_be_bytes([body[i], body[i + 1]]);
                self.density
                    .get_or_insert((body[7].min(2), pair(8), pair(10)));
                if body.len() > 14 {
                    notes.picture("JFIF thumbnail");
                }
            }
            0xe0 if starts(b"JFXX\0") => notes.picture("JFIF extension thumbnail (JFXX)"),
            0xe1 if starts(EXIF) && self.exif.is_none() => self.exif = body.get(EXIF.len()..),
            0xe1 if starts(EXIF) => notes.say("a second EXIF block was left out"),
            0xe1 if starts(XMP) && self.xmp.is_none() => self.xmp = body.get(XMP.len()..),
            0xe1 if starts(XMP) => notes.say("a second XMP packet was left out"),
            0xe1 if starts(EXTENDED_XMP) => self.extended.push(&body[EXTENDED_XMP.len()..]),
            0xe2 if starts(ICC) => self.icc.push(&body[ICC.len()..]),
            0xe2 if starts(b"MPF\0") => notes.picture("further pictures of the file (MPF)"),
            0xe2 if starts(b"FPXR\0") => notes.picture("FlashPix pictures (FPXR)"),
            0xe2 if starts(GAIN_MAP) => notes.say(xmp::HDR),
            0xeb if starts(b"HDR_RI") => notes.say(xmp::HDR),
            0xeb if starts(b"JP") => notes.say(CREDENTIALS),
            0xed if starts(PHOTOSHOP) => {
                self.photoshop.extend_from_slice(&body[PHOTOSHOP.len()..]);
            }
            // How the samples are coded: the encoder's business.
            0xee if starts(b"Adobe") => {}
            0xfe if holds_picture(body) => notes.picture("picture in a comment"),
            0xfe => self.comments.push(body),
            _ => self.unknown.push((marker, body)),
        }
    }

    /// IPTC with the other Photoshop resources.
    fn resources(&self, notes: &mut Notes) -> Option<Vec<u8>> {
        let tidied = photoshop::tidy(&self.photoshop, notes);
        let resources = tidied.unwrap_or_else(|| self.photoshop.clone());
        (!resources.is_empty()).then_some(resources)
    }

    /// Comments, extended XMP, and unknown segments that can hold no picture.
    fn others(&self, extended_kept: bool, notes: &mut Notes) -> Vec<(u8, Vec<u8>)> {
        let mut out: Vec<(u8, Vec<u8>)> = Vec::new();
        out.extend(self.comments.iter().map(|body| (0xfe, body.to_vec())));
        if extended_kept {
            let parts = self.extended.iter();
            out.extend(parts.map(|part| (0xe1, [EXTENDED_XMP, part].concat())));
        }
        let bytes: usize = self.unknown.iter().map(|(_, body)| body.len()).sum();
        if bytes <= UNKNOWN_BYTES_MAX && !self.unknown.iter().any(|(_, body)| holds_picture(body)) {
            let small = self.unknown.iter();
            out.extend(small.map(|(marker, body)| (*marker, body.to_vec())));
        } else {
            let mut names: Vec<String> = self.unknown.iter().map(name).collect();
            names.dedup();
            notes.say(format!(
                "segments of unknown content, which may be a picture of the original, were left out: {}",
                names.join(", ")
            ));
        }
        out
    }
}

/// An application segment's number and the name that it begins with.
fn name((marker, body): &(u8, &[u8])) -> String {
    let letters = body.iter().take(16).take_while(|b| b.is_ascii_graphic());
    let letters: String = letters.map(|&b| char::from(b)).collect();
    format!("APP{} {letters}", marker - 0xe0)
        .trim_end()
        .to_string()
}

/// The ICC profile joined from its parts in one pass, `None` without one or with a part missing or repeated.
fn profile(parts: &mut Vec<&[u8]>) -> Option<Vec<u8>> {
    parts.retain(|part| part.len() >= 2);
    parts.sort_by_key(|part| part[0]);
    let complete = parts
        .iter()
        .enumerate()
        .all(|(i, part)| usize::from(part[0]) == i + 1);
    let joined: Vec<u8> = parts.iter().flat_map(|part| &part[2..]).copied().collect();
    (complete && !joined.is_empty()).then_some(joined)
}

/// Whether extended XMP can be carried as it is: complete, and nothing in it has to go.
fn extended_stays(parts: &[&[u8]], notes: &mut Notes) -> bool {
    if parts.is_empty() {
        return false;
    }
    let mut places: Vec<(u32, &[u8])> = parts
        .iter()
        .filter_map(|part| {
            let place: [u8; 4] = part.get(36..EXTENDED_HEAD_BYTES)?.try_into().ok()?;
            Some((u32::from_be_bytes(place), &part[EXTENDED_HEAD_BYTES..]))
        })
        .collect();
    places.sort_by_key(|(place, _)| *place);
    let joined: Vec<u8> = places.iter().flat_map(|(_, part)| *part).copied().collect();
    let mut inside = Notes::default();
    if xmp::tidy(&joined, true, &mut inside) == xmp::Tidied::Same {
        return true;
    }
    inside.sentences().into_iter().for_each(|s| notes.say(s));
    notes.say("the extended XMP was left out as a whole: its parts go together");
    false
}

/// Says what lay behind the image: it is never carried.
fn note_trailer(trailer: Option<&[u8]>, notes: &mut Notes) {
    let Some(trailer) = trailer.filter(|t| t.iter().any(|&b| b != 0)) else {
        return;
    };
    let start = trailer.iter().position(|&b| b != 0).unwrap_or(0);
    if is_picture(&trailer[start..]) {
        notes.picture("picture behind the image");
    } else if trailer.get(4..8) == Some(b"ftyp") {
        notes.say(xmp::MOTION);
    } else {
        notes.say(format!(
            "{} bytes behind the end of the image were left out",
            trailer.len()
        ));
    }
}
