//! EXIF: reads the orientation, makes the block fit the upright result, and leaves no picture of the original in it.

mod edit;

use std::ops::Range;

use crate::structure::{Directory, Entry, Tiff};
use edit::Edits;

use crate::notes::Notes;
use crate::{Orientation, photoshop, xmp};

const ORIENTATION: u16 = 0x0112;
const EXIF_IFD: u16 = 0x8769;
const GPS_IFD: u16 = 0x8825;
const INTEROPERABILITY_IFD: u16 = 0xa005;
const SUB_IFDS: u16 = 0x014a;
const PIXEL_WIDTH: u16 = 0xa002;
const PIXEL_HEIGHT: u16 = 0xa003;
const XMP: u16 = 0x02bc;
const PHOTOSHOP: u16 = 0x8649;
/// Tags of the places and of the lengths of pictures: strips, tiles, JPEG streams.
const PICTURES: [(u16, u16); 3] = [(0x0111, 0x0117), (0x0144, 0x0145), (0x0201, 0x0202)];
/// Most entries read of one block, all directories together; cameras write some hundred.
const ENTRIES_MAX: usize = 16_384;
/// Most directories read.
const DIRECTORIES_MAX: usize = 64;
/// Values up to this many bytes hold no picture.
const SMALL_BYTES: usize = 64;

/// The orientation that a block gives; upright when it gives none that can be read.
pub(crate) fn orientation(bytes: &[u8]) -> Orientation {
    let found = || {
        let tiff = Tiff::open(bytes)?;
        let directory = tiff.directory(tiff.u32(4)? as usize, ENTRIES_MAX)?;
        directory
            .entries
            .iter()
            .find_map(|entry| value(&tiff, entry))
    };
    found().unwrap_or(Orientation::UPRIGHT)
}

/// The orientation in an entry: one BYTE, SHORT or LONG, 1 to 8. Several are damage, by which no viewer turns a picture.
fn value(tiff: &Tiff<'_>, entry: &Entry) -> Option<Orientation> {
    let mut numbers = tiff.numbers(entry);
    let number = (entry.tag == ORIENTATION).then(|| numbers.next())??;
    if numbers.next().is_some() {
        return None;
    }
    (1..=8)
        .contains(&number)
        .then(|| Orientation::from_exif(number as u16))
}

/// Reads the orientation of a TIFF structure and changes it in place: orientation 1, sizes exchanged when the picture was
/// turned, no picture of the original left. Damaged entries go, the rest stays. `None` when it is not a TIFF structure.
pub(crate) fn tidy(bytes: &mut Vec<u8>, notes: &mut Notes) -> Option<Orientation> {
    let tiff = Tiff::open(bytes)?;
    let little = tiff.little;
    let mut walk = Walk {
        tiff,
        notes,
        edits: Edits::default(),
        seen: Vec::new(),
        entries: 0,
        orientation: None,
    };
    walk.run();
    let (orientation, edits) = (walk.orientation.unwrap_or(Orientation::UPRIGHT), walk.edits);
    if edits.apply(bytes, little) {
        notes.picture("EXIF preview");
    }
    if orientation.turns() {
        exchange_sizes(bytes);
    }
    Some(orientation)
}

/// Turns a block that says "upright" into one for pixels that are stored with `orientation`.
pub(crate) fn set_orientation(bytes: &mut [u8], orientation: Orientation) -> Option<()> {
    let tiff = Tiff::open(bytes)?;
    let directory = tiff.directory(tiff.u32(4)? as usize, ENTRIES_MAX)?;
    let new = tiff.short(u16::from(orientation.exif()));
    for entry in directory.entries.iter().filter(|e| e.tag == ORIENTATION) {
        bytes[entry.at + 8..entry.at + 10].copy_from_slice(&new);
    }
    if orientation.turns() {
        exchange_sizes(bytes);
    }
    Some(())
}

/// Exchanges the values of PixelXDimension and PixelYDimension.
fn exchange_sizes(bytes: &mut [u8]) -> Option<()> {
    let tiff = Tiff::open(bytes)?;
    let first = tiff.directory(tiff.u32(4)? as usize, ENTRIES_MAX)?;
    let link = first.entries.iter().find(|e| e.tag == EXIF_IFD)?;
    let exif = tiff.directory(tiff.number(link)? as usize, ENTRIES_MAX)?;
    let place = |tag| exif.entries.iter().find(|e| e.tag == tag).map(|e| e.at);
    let (w, h) = (place(PIXEL_WIDTH)?, place(PIXEL_HEIGHT)?);
    // Type and count may differ (short or long), so everything after the tag changes places.
    for i in 2..12 {
        bytes.swap(w + i, h + i);
    }
    Some(())
}

/// What a directory describes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The photo.
    Main,
    /// More about the photo: Exif, GPS.
    More,
    /// Another picture: a thumbnail, a preview.
    Picture(&'static str),
}

/// Reads all directories and collects what has to change.
struct Walk<'a> {
    tiff: Tiff<'a>,
    notes: &'a mut Notes,
    edits: Edits,
    /// Places of directories already read: links may lead back.
    seen: Vec<usize>,
    entries: usize,
    orientation: Option<Orientation>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut open: Vec<(usize, Kind)> = Vec::new();
        open.extend(self.tiff.u32(4).map(|at| (at as usize, Kind::Main)));
        while let Some((at, kind)) = open.pop() {
            if at == 0 || self.seen.contains(&at) || self.seen.len() >= DIRECTORIES_MAX {
                continue;
            }
            self.seen.push(at);
            let left = ENTRIES_MAX.saturating_sub(self.entries);
            let Some(directory) = self.tiff.directory(at, left) else {
                continue;
            };
            self.entries += directory.entries.len();
            let next = self.tiff.u32(directory.link).unwrap_or(0) as usize;
            let next_kind = match kind {
                Kind::Picture(_) => kind,
                _ => Kind::Picture("EXIF thumbnail"),
            };
            open.push((next, next_kind));
            match kind {
                Kind::Picture(name) => self.drop_picture(&directory, name, &mut open),
                kind => self.keep(directory, kind, &mut open),
            }
        }
    }

    /// A directory that describes another picture goes with it.
    fn drop_picture(
        &mut self,
        directory: &Directory,
        name: &'static str,
        open: &mut Vec<(usize, Kind)>,
    ) {
        self.notes.picture(name);
        self.blank_described(directory);
        let end = (directory.link + 4).min(self.tiff.bytes.len());
        self.edits.blanks.push(directory.at..end);
        for entry in directory.entries.iter().filter(|e| e.tag == SUB_IFDS) {
            open.extend(self.links(entry, Kind::Picture(name)));
        }
    }

    /// A directory of the photo stays, but for entries that are damaged or describe another picture.
    fn keep(&mut self, directory: Directory, kind: Kind, open: &mut Vec<(usize, Kind)>) {
        let mut gone = Vec::new();
        if self.blank_described(&directory) {
            self.notes.picture("EXIF thumbnail");
        }
        for entry in &directory.entries {
            if self.entry(entry, kind, open) {
                gone.push(entry.at);
            }
        }
        self.edits.kept.push((directory, gone));
    }

    /// Looks at one entry of a directory that stays; true when the entry goes.
    fn entry(&mut self, entry: &Entry, kind: Kind, open: &mut Vec<(usize, Kind)>) -> bool {
        if entry.tag == ORIENTATION && kind == Kind::Main {
            self.read_orientation(entry);
            return false;
        }
        let known_kind = (1..=13).contains(&entry.kind);
        let Some(value) = entry.value.clone() else {
            if known_kind {
                self.notes
                    .say("damaged EXIF entries were left out; the others were kept");
            }
            return known_kind;
        };
        match entry.tag {
            EXIF_IFD | GPS_IFD | INTEROPERABILITY_IFD => {
                open.extend(self.links(entry, Kind::More).take(1))
            }
            SUB_IFDS => {
                open.extend(self.links(entry, Kind::Picture("EXIF sub-image")));
                return true;
            }
            tag if PICTURES.iter().any(|&(a, b)| a == tag || b == tag) => return true,
            XMP => self.packet(value),
            PHOTOSHOP if photoshop::tidy(&self.tiff.bytes[value.clone()], self.notes).is_some() => {
                self.edits.blanks.push(value);
                return true;
            }
            _ if value.len() > SMALL_BYTES => self.edits.doubtful.push(value),
            _ => {}
        }
        false
    }

    /// The first readable orientation counts. Every one becomes a SHORT that says "upright".
    fn read_orientation(&mut self, entry: &Entry) {
        match value(&self.tiff, entry) {
            Some(found) => self.orientation = self.orientation.or(Some(found)),
            None => self
                .notes
                .say("the EXIF orientation is not a number from 1 to 8 and was ignored"),
        }
        let short = |v| self.tiff.short(v);
        let count: [u8; 4] = match self.tiff.little {
            true => 1u32.to_le_bytes(),
            false => 1u32.to_be_bytes(),
        };
        let new = [&short(3)[..], &count, &short(1), &[0, 0]].concat();
        self.edits.writes.push((entry.at + 2, new));
    }

    /// An XMP packet inside of EXIF: without pictures, padded to its old length.
    fn packet(&mut self, value: Range<usize>) {
        let packet = &self.tiff.bytes[value.clone()];
        let new = match xmp::tidy(packet, false, self.notes) {
            xmp::Tidied::Same => return,
            xmp::Tidied::Changed(new) if new.len() <= value.len() => new,
            xmp::Tidied::Changed(_) | xmp::Tidied::Unsafe => Vec::new(),
        };
        let mut padded = new;
        padded.resize(value.len(), b' ');
        self.edits.writes.push((value.start, padded));
    }

    /// Directories that an entry points at.
    fn links(&self, entry: &Entry, kind: Kind) -> impl Iterator<Item = (usize, Kind)> + use<> {
        let places: Vec<u32> = self.tiff.numbers(entry).take(DIRECTORIES_MAX).collect();
        places.into_iter().map(move |at| (at as usize, kind))
    }

    /// Has the pictures blanked that a directory describes; true when there are any.
    fn blank_described(&mut self, directory: &Directory) -> bool {
        let before = self.edits.blanks.len();
        let find = |tag| directory.entries.iter().find(|e| e.tag == tag);
        for (places, lengths) in PICTURES {
            let (Some(places), Some(lengths)) = (find(places), find(lengths)) else {
                continue;
            };
            let both = self.tiff.numbers(places).zip(self.tiff.numbers(lengths));
            for (start, length) in both.take(ENTRIES_MAX) {
                let start = start as usize;
                let end = start
                    .saturating_add(length as usize)
                    .min(self.tiff.bytes.len());
                if start < end {
                    self.edits.blanks.push(start..end);
                }
            }
        }
        self.edits.blanks.len() > before
    }
}

#[cfg(test)]
mod tests;
