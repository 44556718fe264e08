//! Directories taken out of a TIFF structure with all that they hold, and written anew without gaps.

use super::tag;
use crate::structure::{Directory, Entry, Tiff};

/// Most entries of one structure, all directories together.
const ENTRIES_MAX: usize = 16_384;
/// Deepest directory: the photo's, Exif, interoperability.
const DEPTH_MAX: usize = 3;

/// A directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub values: Vec<Value>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub tag: u16,
    /// TIFF's number of the type.
    pub kind: u16,
    pub count: u32,
    pub data: Data,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// Its bytes, in the byte order of the structure.
    Bytes(Vec<u8>),
    /// A directory that it points at.
    Tree(Tree),
}

impl Tree {
    /// Copies the entries that `keeps` wants, with the directories of Exif, GPS and interoperability. Entries that are
    /// damaged, or come after `bytes_max` bytes (several may stand for the same ones), are left out and counted.
    pub fn read(
        tiff: &Tiff<'_>,
        directory: &Directory,
        keeps: &dyn Fn(&Entry) -> bool,
        bytes_max: usize,
    ) -> (Tree, usize) {
        let mut copy = Copying {
            tiff,
            entries_left: ENTRIES_MAX,
            bytes_left: bytes_max,
            damaged: 0,
        };
        let tree = copy.directory(directory, keeps, DEPTH_MAX);
        (tree, copy.damaged)
    }

    /// The whole of a structure in memory.
    pub fn of_block(block: &[u8]) -> Option<(bool, Tree)> {
        let tiff = Tiff::open(block)?;
        let directory = tiff.directory(tiff.u32(4)? as usize, ENTRIES_MAX)?;
        let (tree, _) = Tree::read(&tiff, &directory, &|_| true, block.len());
        Some((tiff.little, tree))
    }

    /// The entry of this tag, in place of any that is there.
    pub fn set(&mut self, tag: u16, kind: u16, count: usize, bytes: Vec<u8>) {
        self.values.retain(|value| value.tag != tag);
        self.values.push(Value {
            tag,
            kind,
            count: count as u32,
            data: Data::Bytes(bytes),
        });
    }

    /// Whole numbers as an entry of SHORTs (3) or LONGs (4).
    pub fn set_numbers(&mut self, tag: u16, kind: u16, little: bool, numbers: &[u32]) {
        let bytes = numbers.iter().flat_map(|&number| match (kind, little) {
            (3, true) => (number as u16).to_le_bytes().to_vec(),
            (3, false) => (number as u16).to_be_bytes().to_vec(),
            (_, true) => number.to_le_bytes().to_vec(),
            (_, false) => number.to_be_bytes().to_vec(),
        });
        self.set(tag, kind, numbers.len(), bytes.collect());
    }

    /// A structure of its own.
    pub fn block(&self, little: bool) -> Vec<u8> {
        let mut out = header(little);
        self.write(little, &mut out);
        out
    }

    /// Appends the directory and points the header of `out` at it.
    pub fn write(&self, little: bool, out: &mut Vec<u8>) {
        let at = self.append(little, out);
        out[4..8].copy_from_slice(&long(at, little));
    }

    /// Appends values, then the directory; returns where it lies.
    fn append(&self, little: bool, out: &mut Vec<u8>) -> u32 {
        let mut values: Vec<&Value> = self.values.iter().collect();
        values.sort_by_key(|value| value.tag);
        let mut directory = short(values.len() as u16, little).to_vec();
        for value in values {
            let place = match &value.data {
                Data::Tree(tree) => long(tree.append(little, out), little),
                Data::Bytes(bytes) if bytes.len() <= 4 => {
                    let mut inside = [0; 4];
                    inside[..bytes.len()].copy_from_slice(bytes);
                    inside
                }
                Data::Bytes(bytes) => {
                    let at = even(out);
                    out.extend_from_slice(bytes);
                    long(at, little)
                }
            };
            directory.extend(short(value.tag, little));
            directory.extend(short(value.kind, little));
            directory.extend(long(value.count, little));
            directory.extend(place);
        }
        let at = even(out);
        out.extend(directory);
        out.extend([0; 4]);
        at
    }
}

/// The head of a structure whose directory is not yet there.
pub(crate) fn header(little: bool) -> Vec<u8> {
    let head: &[u8] = if little { b"II*\0" } else { b"MM\0*" };
    [head, &[0; 4]].concat()
}

/// Fills up to an even place, which TIFF wants, and returns it.
pub(crate) fn even(out: &mut Vec<u8>) -> u32 {
    out.resize(out.len().next_multiple_of(2), 0);
    out.len() as u32
}

fn short(number: u16, little: bool) -> [u8; 2] {
    match little {
        true => number.to_le_bytes(),
        false => number.to_be_bytes(),
    }
}

fn long(number: u32, little: bool) -> [u8; 4] {
    match little {
        true => number.to_le_bytes(),
        false => number.to_be_bytes(),
    }
}

/// The copying of a structure, and what it may still take.
struct Copying<'a, 't> {
    tiff: &'t Tiff<'a>,
    entries_left: usize,
    bytes_left: usize,
    damaged: usize,
}

impl Copying<'_, '_> {
    fn directory(
        &mut self,
        directory: &Directory,
        keeps: &dyn Fn(&Entry) -> bool,
        depth: usize,
    ) -> Tree {
        let mut values = Vec::new();
        for entry in directory.entries.iter().filter(|entry| keeps(entry)) {
            match self.value(entry, depth) {
                Some(value) => values.push(value),
                None => self.damaged += 1,
            }
        }
        // Of several entries of a tag the first counts.
        values.sort_by_key(|value: &Value| value.tag);
        values.dedup_by_key(|value| value.tag);
        Tree { values }
    }

    fn value(&mut self, entry: &Entry, depth: usize) -> Option<Value> {
        let range = entry.value.clone()?;
        self.entries_left = self.entries_left.checked_sub(1)?;
        self.bytes_left = self.bytes_left.checked_sub(range.len())?;
        let link = matches!(
            entry.tag,
            tag::EXIF_IFD | tag::GPS_IFD | tag::INTEROPERABILITY_IFD
        );
        let (kind, count, data) = match link {
            false => {
                let bytes = self.tiff.bytes[range].to_vec();
                (entry.kind, entry.count, Data::Bytes(bytes))
            }
            true => {
                let at = self.tiff.number(entry).filter(|_| depth > 1)?;
                let below = self.tiff.directory(at as usize, self.entries_left)?;
                let tree = self.directory(&below, &|_| true, depth - 1);
                (4, 1, Data::Tree(tree))
            }
        };
        Some(Value {
            tag: entry.tag,
            kind,
            count,
            data,
        })
    }
}
