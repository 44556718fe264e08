//! Bounds a zip archive's directory before the zip reader trusts it.
//!
//! The reader reserves memory for as many entries as an archive's end record claims, and goes on looking for other
//! end records when one does not hold. Both are bounded here: the claim is checked, and the reader may only look at
//! the archive's last [`DIRECTORY_BYTES_MAX`] bytes' worth of data while it opens it.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::ZipArchive;

use crate::error::ImportError;
use crate::import::{Limits, limit};

/// Bytes that may be read to find and read the directory: over a hundred per entry for 65,536 entries.
const DIRECTORY_BYTES_MAX: u64 = 16 << 20;

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const END64: &[u8] = b"PK\x06\x06";
const END64_BYTES: usize = 56;

/// Opens an archive of `length` bytes.
pub fn open<R: Read + Seek>(
    mut reader: R,
    length: u64,
    limits: &Limits,
) -> Result<ZipArchive<Metered<R>>, ImportError> {
    let fail = |why: String| ImportError::Archive {
        entry: "list of entries".into(),
        why,
    };
    let tail = read_tail(&mut reader, length).map_err(|e| fail(e.to_string()))?;
    if let Some(entries) = claimed_entries(&tail).map_err(|why| fail(why.into()))? {
        limit("archive entries", entries, limits.entries_max)?;
    }
    let left = Rc::new(Cell::new(DIRECTORY_BYTES_MAX));
    let archive = ZipArchive::new(Metered {
        inner: reader,
        left: left.clone(),
    })
    .map_err(|e| fail(e.to_string()))?;
    limit("archive entries", archive.len() as u64, limits.entries_max)?;
    left.set(u64::MAX);
    Ok(archive)
}

fn read_tail<R: Read + Seek>(reader: &mut R, length: u64) -> io::Result<Vec<u8>> {
    let start = length.saturating_sub(DIRECTORY_BYTES_MAX);
    reader.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    reader.take(DIRECTORY_BYTES_MAX).read_to_end(&mut tail)?;
    reader.seek(SeekFrom::Start(0))?;
    Ok(tail)
}

/// The entries that a 64-bit end record claims; `None` where there is none: the 16-bit count is small by itself.
///
/// Accepted is what PyTorch and common tools write: one end, its locator and its 64-bit record, without gaps or comment.
fn claimed_entries(tail: &[u8]) -> Result<Option<u64>, &'static str> {
    let ends = tail.windows(LOCATOR_BYTES + END.len()).enumerate();
    let mut located = ends
        .filter(|(_, window)| window.starts_with(LOCATOR) && window.ends_with(END))
        .map(|(at, _)| at);
    let Some(locator) = located.next() else {
        return Ok(None);
    };
    if located.next().is_some() || locator + LOCATOR_BYTES + END_BYTES != tail.len() {
        return Err("its end is stated more than once or is not at the end of the file");
    }
    let record = locator
        .checked_sub(END64_BYTES)
        .map(|start| &tail[start..locator])
        .filter(|record| record.starts_with(END64));
    let number = |at: usize| {
        record
            .and_then(|record| record[at..].first_chunk())
            .map(|bytes| u64::from_le_bytes(*bytes))
    };
    match (number(4), number(32)) {
        (Some(44), Some(entries)) => Ok(Some(entries)),
        _ => Err("its 64-bit end record is not where it should be"),
    }
}

/// Fails once more bytes were read than allowed.
pub struct Metered<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other(format!(
                "its directory takes more than {DIRECTORY_BYTES_MAX} bytes"
            )));
        }
        let count = buffer
            .len()
            .min(usize::try_from(self.left.get()).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..count])?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// The end of a 64-bit archive that claims `entries` entries.
    fn end(entries: u64) -> Vec<u8> {
        let mut bytes = [END64, &44u64.to_le_bytes()].concat();
        bytes.resize(32, 0);
        bytes.extend(entries.to_le_bytes());
        bytes.resize(END64_BYTES, 0);
        bytes.extend(LOCATOR);
        bytes.resize(END64_BYTES + LOCATOR_BYTES - 4, 0);
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(END);
        bytes.extend([
            0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0,
        ]);
        bytes
    }

    #[test]
    fn claims_are_found_and_limited() {
        assert_eq!(claimed_entries(b""), Ok(None));
        assert_eq!(claimed_entries(&end(7)), Ok(Some(7)));
        assert_eq!(
            claimed_entries(&[vec![0; 100], end(7)].concat()),
            Ok(Some(7))
        );
        assert!(claimed_entries(&[end(7), end(7)].concat()).is_err());
        assert!(claimed_entries(&[end(7), vec![0]].concat()).is_err());
        assert!(claimed_entries(&end(7)[1..]).is_err());
        let file = [vec![0; 1 << 20], end(1 << 40)].concat();
        let length = file.len() as u64;
        assert!(
            matches!(open(Cursor::new(file), length, &Limits::default()), Err(ImportError::Limit { got, .. }) if got == 1 << 40)
        );
    }

    #[test]
    fn a_directory_beyond_the_bound_is_not_searched_for() {
        let file = [b"PK\x03\x04".to_vec(), vec![0; 40 << 20]].concat();
        let length = file.len() as u64;
        let message = open(Cursor::new(file), length, &Limits::default())
            .err()
            .expect("refused")
            .to_string();
        assert!(message.contains("more than 16777216 bytes"), "{message}");
    }
}
