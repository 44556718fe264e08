//! A file that ends for the decoder when decoding takes too long.

use zune_jpeg::zune_core::bytestream::{ZByteIoError, ZByteReaderTrait, ZCursor, ZSeekFrom};

use crate::deadline::Deadline;

/// Reads between looks at the clock, each of a few bytes: few enough that the headers of some scans without data have as many.
const READS: u32 = 64;

/// Bytes in memory, until the deadline.
pub(super) struct Timed<'a> {
    cursor: ZCursor<&'a [u8]>,
    reads: u32,
    deadline: Deadline,
}

impl<'a> Timed<'a> {
    pub fn new(bytes: &'a [u8], deadline: Deadline) -> Self {
        Timed {
            cursor: ZCursor::new(bytes),
            reads: 0,
            deadline,
        }
    }

    #[inline(always)]
    fn count(&mut self) {
        self.reads += 1;
        if self.reads >= READS {
            self.look();
        }
    }

    #[cold]
    fn look(&mut self) {
        self.reads = 0;
        if self.deadline.passed() {
            // Nothing is left: the decoder comes to its end, and whoever called it sees why.
            drop(self.cursor.z_seek(ZSeekFrom::End(0)));
        }
    }
}

impl ZByteReaderTrait for Timed<'_> {
    #[inline(always)]
    fn read_byte_no_error(&mut self) -> u8 {
        self.count();
        self.cursor.read_byte_no_error()
    }
    #[inline(always)]
    fn read_exact_bytes(&mut self, to: &mut [u8]) -> Result<(), ZByteIoError> {
        self.count();
        self.cursor.read_exact_bytes(to)
    }
    #[inline(always)]
    fn read_bytes(&mut self, to: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.count();
        self.cursor.read_bytes(to)
    }
    #[inline(always)]
    fn peek_bytes(&mut self, to: &mut [u8]) -> Result<usize, ZByteIoError> {
        self.cursor.peek_bytes(to)
    }
    #[inline(always)]
    fn peek_exact_bytes(&mut self, to: &mut [u8]) -> Result<(), ZByteIoError> {
        self.cursor.peek_exact_bytes(to)
    }
    #[inline(always)]
    fn z_seek(&mut self, to: ZSeekFrom) -> Result<u64, ZByteIoError> {
        self.cursor.z_seek(to)
    }
    #[inline(always)]
    fn is_eof(&mut self) -> Result<bool, ZByteIoError> {
        self.cursor.is_eof()
    }
    #[inline(always)]
    fn z_position(&mut self) -> Result<u64, ZByteIoError> {
        self.cursor.z_position()
    }
    fn read_remaining(&mut self, to: &mut Vec<u8>) -> Result<usize, ZByteIoError> {
        self.cursor.read_remaining(to)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_is_an_end_when_time_is_up() {
        let bytes = vec![7; 3 * READS as usize];
        let read = |max: Duration| {
            let mut file = Timed::new(&bytes, Deadline::after(max));
            let read = std::iter::from_fn(|| match file.is_eof() {
                Ok(false) => Some(file.read_byte_no_error()),
                _ => None,
            });
            read.count()
        };
        assert_eq!(read(Duration::from_secs(60)), bytes.len());
        assert_eq!(read(Duration::ZERO), READS as usize);
    }
}
