//! What of a WebP's metadata travels on, and what must not.

use super::WebPFile;
use crate::notes::Notes;
use crate::{Metadata, Orientation, exif, xmp};

/// The orientation in the EXIF chunk.
pub(crate) fn orientation(file: &WebPFile<'_>) -> Orientation {
    file.exif.map_or(Orientation::UPRIGHT, exif::orientation)
}

/// The metadata of a file, made true for the upright picture without what the edit takes away, and the orientation it had.
pub(crate) fn metadata(file: &WebPFile<'_>, notes: &mut Notes) -> (Orientation, Metadata) {
    let mut m = Metadata {
        icc: file.icc.map(<[u8]>::to_vec),
        ..Metadata::default()
    };
    let mut orientation = Orientation::UPRIGHT;
    if let Some(block) = file.exif {
        let mut block = block.to_vec();
        match exif::tidy(&mut block, notes) {
            Some(found) => (orientation, m.exif) = (found, Some(block)),
            None => notes.say("the EXIF block was left out: it is damaged"),
        }
    }
    m.xmp = file
        .xmp
        .and_then(|packet| match xmp::tidy(packet, false, notes) {
            xmp::Tidied::Same => Some(packet.to_vec()),
            xmp::Tidied::Changed(packet) => Some(packet),
            xmp::Tidied::Unsafe => None,
        });
    let mut names: Vec<_> = file
        .unknown
        .iter()
        .map(|(kind, _)| String::from_utf8_lossy(kind).into_owned())
        .collect();
    names.dedup();
    names.truncate(16);
    if !names.is_empty() {
        notes.say(format!(
            "chunks of unknown content were left out: {}",
            names.join(", ")
        ));
    }
    if file.trailer.iter().any(|&b| b != 0) {
        notes.say(format!(
            "{} bytes behind the end of the image were left out",
            file.trailer.len()
        ));
    }
    (orientation, m)
}
