//! What of a TIFF's entries travels on, and what must not.

use super::TiffFile;
use super::tag;
use super::tree::Tree;
use crate::notes::Notes;
use crate::structure::Entry;
use crate::{Limits, Metadata, Orientation, exif, photoshop, xmp};

/// Private entries that this program does not know stay when all of them together have at most this many bytes: more might be a
/// picture in some program's own coding.
const UNKNOWN_BYTES_MAX: usize = 2_048;
/// First private tag.
const PRIVATE: u16 = 32_768;
/// Private tags of known content: copyright, places on the earth, directories of EXIF, tags of EXIF (which some programs write
/// among those of the photo), texts of Windows, of GDAL, and print matching.
#[rustfmt::skip]
const KNOWN: [std::ops::RangeInclusive<u16>; 12] = [
    33_432..=33_432, 33_434..=33_437, 33_550..=33_550, 33_922..=33_922, 34_264..=34_264, 34_665..=34_665,
    34_735..=34_737, 34_850..=34_866, 36_864..=37_500, 37_510..=37_522, 40_091..=40_095, 40_960..=42_240,
];
const KNOWN_MORE: [u16; 3] = [42_112, 42_113, 50_341];

/// The orientation that the directory gives.
pub(crate) fn orientation(file: &TiffFile<'_>) -> Orientation {
    let entry = file
        .directory
        .entries
        .iter()
        .find(|e| e.tag == tag::ORIENTATION);
    let number = entry.and_then(|entry| file.tiff.number(entry));
    Orientation::from_exif(number.and_then(|n| u16::try_from(n).ok()).unwrap_or(1))
}

/// What describes the picture's samples, is written by the encoder, or is carried beside EXIF.
fn structural(tag: u16) -> bool {
    matches!(
        tag,
        tag::SUBFILE..=tag::COMPRESSION
            | tag::PHOTOMETRIC..=268
            | tag::STRIP_OFFSETS
            | tag::SAMPLES..=281
            | tag::PLANAR
            | 288..=293
            | tag::PREDICTOR
            | 320..=tag::INK_SET
            | 334
            | tag::EXTRA_SAMPLES..=347
            | 512..=521
            | tag::XMP
            | tag::IPTC
            | tag::PHOTOSHOP
            | tag::ICC
            | tag::LAYERS
    )
}

/// The metadata of a file, made true for the upright picture without what the edit takes away, and the orientation it had.
pub(crate) fn metadata(
    file: &TiffFile<'_>,
    limits: &Limits,
    notes: &mut Notes,
) -> (Orientation, Metadata) {
    let mut m = Metadata::default();
    if file.thumbnails {
        notes.picture("TIFF thumbnail or mask");
    }
    for entry in &file.directory.entries {
        if let Some(value) = entry.value.clone() {
            beside(entry, &file.tiff.bytes[value], &mut m, notes);
        }
    }
    let unknown = unknown(file);
    if !unknown.is_empty() {
        let names: Vec<String> = unknown.iter().take(16).map(u16::to_string).collect();
        notes.say(format!(
            "private TIFF tags of unknown content, which may be a picture of the original, were left out: {}",
            names.join(", ")
        ));
    }
    let keeps =
        |entry: &Entry| !structural(entry.tag) && unknown.binary_search(&entry.tag).is_err();
    let (tree, damaged) = Tree::read(
        &file.tiff,
        &file.directory,
        &keeps,
        limits.metadata_bytes_max,
    );
    if damaged > 0 {
        notes.say("damaged TIFF entries were left out; the others were kept");
    }
    if !tree.values.is_empty() {
        let mut block = tree.block(file.tiff.little);
        // Only a structure that cannot be read is refused, and this one was just written.
        m.exif = exif::tidy(&mut block, notes).map(|_| block);
    }
    if file.layout.samples
        > file.layout.photometric.count() + usize::from(file.layout.alpha.is_some())
    {
        notes.say("further channels (spot colours, saved selections) were kept as they are, in the hole too");
    }
    (orientation(file), m)
}

/// An entry that is carried beside EXIF, or named because it is not.
fn beside(entry: &Entry, value: &[u8], m: &mut Metadata, notes: &mut Notes) {
    match entry.tag {
        tag::ICC => m.icc = m.icc.take().or_else(|| Some(value.to_vec())),
        tag::XMP if m.xmp.is_none() => {
            m.xmp = match xmp::tidy(value, false, notes) {
                xmp::Tidied::Same => Some(value.to_vec()),
                xmp::Tidied::Changed(packet) => Some(packet),
                xmp::Tidied::Unsafe => None,
            }
        }
        tag::IPTC if m.iptc.is_none() => {
            m.iptc = photoshop::tidy_iptc(value, notes).or_else(|| Some(value.to_vec()));
        }
        tag::PHOTOSHOP if m.photoshop.is_none() => {
            m.photoshop = photoshop::tidy(value, notes).or_else(|| Some(value.to_vec()));
        }
        tag::LAYERS => notes.picture("Photoshop layers"),
        tag::SUB_IFDS => notes.picture("TIFF sub-image"),
        _ => {}
    }
}

/// Private tags that may not stay, ascending.
fn unknown(file: &TiffFile<'_>) -> Vec<u16> {
    let known = |tag: &u16| {
        *tag < PRIVATE
            || structural(*tag)
            || KNOWN_MORE.contains(tag)
            || KNOWN.iter().any(|range| range.contains(tag))
    };
    let private: Vec<&Entry> = file
        .directory
        .entries
        .iter()
        .filter(|entry| !known(&entry.tag))
        .collect();
    let bytes: usize = private
        .iter()
        .filter_map(|entry| entry.value.as_ref().map(ExactSizeIterator::len))
        .sum();
    if bytes <= UNKNOWN_BYTES_MAX {
        return Vec::new();
    }
    let mut tags: Vec<u16> = private.iter().map(|entry| entry.tag).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}
