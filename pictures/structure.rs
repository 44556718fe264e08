//! Reads a TIFF structure. Offsets are checked at every access: `None` is "outside the block".

use std::ops::Range;

/// Bytes of a directory entry.
pub(crate) const ENTRY_BYTES: usize = 12;

/// A TIFF structure in memory.
#[derive(Clone, Copy)]
pub(crate) struct Tiff<'a> {
    pub bytes: &'a [u8],
    pub little: bool,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where its 12 bytes lie.
    pub at: usize,
    pub tag: u16,
    /// TIFF's number of the type.
    pub kind: u16,
    pub count: u32,
    /// Where its value lies; `None` when that is outside of the block or the type is unknown.
    pub value: Option<Range<usize>>,
}

/// One directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Where it begins, the two bytes of the number of entries.
    pub at: usize,
    pub entries: Vec<Entry>,
    /// Where the link to the next directory lies, or would lie.
    pub link: usize,
}

/// Bytes of one value of a type, `None` for types that TIFF does not know.
fn size_of_kind(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 => Some(8),
        _ => None,
    }
}

impl<'a> Tiff<'a> {
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        Some(Tiff { bytes, little })
    }

    pub fn u16(&self, at: usize) -> Option<u16> {
        let b = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self.little {
            true => u16::from_le_bytes(b),
            false => u16::from_be_bytes(b),
        })
    }

    pub fn u32(&self, at: usize) -> Option<u32> {
        let b = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self.little {
            true => u32::from_le_bytes(b),
            false => u32::from_be_bytes(b),
        })
    }

    /// `value` in the structure's byte order.
    pub fn short(&self, value: u16) -> [u8; 2] {
        match self.little {
            true => value.to_le_bytes(),
            false => value.to_be_bytes(),
        }
    }

    /// The directory at `at`, at most `entries_max` entries of it; entries behind the end of the block are left out.
    pub fn directory(&self, at: usize, entries_max: usize) -> Option<Directory> {
        let announced = usize::from(self.u16(at)?);
        let first = at + 2;
        let there = (self.bytes.len() - first) / ENTRY_BYTES;
        let entries = (0..announced.min(there).min(entries_max))
            .filter_map(|i| self.entry(first + i * ENTRY_BYTES))
            .collect();
        Some(Directory {
            at,
            entries,
            link: first + announced * ENTRY_BYTES,
        })
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let (tag, kind, count) = (self.u16(at)?, self.u16(at + 2)?, self.u32(at + 4)?);
        let value = size_of_kind(kind).and_then(|size| {
            let bytes = size.checked_mul(count as usize)?;
            let start = match bytes {
                0..=4 => at + 8,
                _ => self.u32(at + 8)? as usize,
            };
            let end = start.checked_add(bytes)?;
            (end <= self.bytes.len()).then_some(start..end)
        });
        Some(Entry {
            at,
            tag,
            kind,
            count,
            value,
        })
    }

    /// The first value of an entry of whole numbers.
    pub fn number(&self, entry: &Entry) -> Option<u32> {
        self.numbers(entry).next()
    }

    /// The values of an entry of whole numbers (BYTE, SHORT, LONG, IFD); none for other types.
    pub fn numbers(&self, entry: &Entry) -> impl Iterator<Item = u32> + use<'a> {
        let this = *self;
        let step = match entry.kind {
            1 => 1,
            3 => 2,
            4 | 13 => 4,
            _ => 0,
        };
        let value = entry.value.clone().filter(|_| step > 0).unwrap_or(0..0);
        value.step_by(step.max(1)).filter_map(move |at| match step {
            1 => this.bytes.get(at).map(|&b| u32::from(b)),
            2 => this.u16(at).map(u32::from),
            _ => this.u32(at),
        })
    }
}
