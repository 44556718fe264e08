//! Bytes that many tensors share, in memory or in a file.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that many tensors share: data embedded in the program, a file or an entry of an archive that was unpacked, or a part
/// of a file that stays where it is. The last is why a file may be larger than half the memory: its tensors are read one at a time.
#[derive(Clone)]
pub enum Bytes {
    /// Embedded in the program.
    Static(&'static [u8]),
    /// On the heap.
    Shared(Arc<Vec<u8>>),
    /// In a file: read when asked for.
    Stored(Stored),
}

/// A part of a file.
#[derive(Clone)]
pub struct Stored {
    file: Arc<Mutex<File>>,
    start: u64,
    len: usize,
}

impl Stored {
    /// The whole file.
    pub fn new(mut file: File) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Stored {
            file: Arc::new(Mutex::new(file)),
            start: 0,
            len: usize::try_from(len).map_err(io::Error::other)?,
        })
    }

    /// Some of its bytes; `None` where they are not all inside.
    pub fn part(&self, start: u64, len: usize) -> Option<Self> {
        let end = start.checked_add(len as u64)?;
        (end <= self.len as u64).then(|| Stored {
            file: Arc::clone(&self.file),
            start: self.start + start,
            len,
        })
    }
}

impl Bytes {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Bytes::Static(bytes) => bytes.len(),
            Bytes::Shared(bytes) => bytes.len(),
            Bytes::Stored(part) => part.len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them. Fails where they do not exist, or where a file does no longer hold them.
    pub fn read(&self, range: Range<usize>) -> io::Result<Cow<'_, [u8]>> {
        let outside = || io::Error::other(format!("bytes {range:?} of {}", self.len()));
        match self {
            Bytes::Static(bytes) => bytes.get(range.clone()).map(Cow::Borrowed),
            Bytes::Shared(bytes) => bytes.get(range.clone()).map(Cow::Borrowed),
            Bytes::Stored(part) => {
                let length = range.end.checked_sub(range.start);
                let Some(length) = length.filter(|_| range.end <= part.len) else {
                    return Err(outside());
                };
                let mut bytes = vec![0; length];
                let mut file = part.file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(part.start + range.start as u64))?;
                file.read_exact(&mut bytes)?;
                Some(Cow::Owned(bytes))
            }
        }
        .ok_or_else(outside)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::Shared(Arc::new(bytes))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_part_of_a_file_is_read_where_it_is_and_nowhere_else() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let whole = Stored::new(file).unwrap();
        let part = whole.part(2, 5).unwrap().part(1, 3).unwrap();
        let bytes = Bytes::Stored(part);
        assert_eq!(bytes.len(), 3);
        assert_eq!(&*bytes.read(0..3).unwrap(), b"345");
        assert_eq!(&*bytes.read(1..2).unwrap(), b"4");
        assert!(bytes.read(0..4).is_err());
        assert!(whole.part(6, 5).is_none() && whole.part(u64::MAX, 1).is_none());
    }
}
