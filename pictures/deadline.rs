//! Readers that give up when decoding takes too long.

use std::borrow::Cow;
use std::io::{BufRead, Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::time::{Duration, Instant};

use super::{Format, ImageError};

/// Until when a decoder may read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    until: Instant,
    max: Duration,
}

impl Deadline {
    /// From now on.
    pub fn after(max: Duration) -> Self {
        Deadline {
            until: Instant::now() + max,
            max,
        }
    }

    /// Whether there is no time left.
    pub fn passed(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Why decoding stopped: the time, or what the decoder says.
    pub fn fault(&self, format: Format, detail: impl std::fmt::Display) -> ImageError {
        match self.passed() {
            true => ImageError::TooSlow {
                format,
                max: self.max,
            },
            false => ImageError::corrupt(format, detail),
        }
    }

    fn check(&self) -> Result<()> {
        match self.passed() {
            true => Err(Error::from(ErrorKind::TimedOut)),
            false => Ok(()),
        }
    }
}

/// Reads pieces of a file as if they were one, until the deadline.
pub(crate) struct Pieces<'a> {
    pieces: Vec<Cow<'a, [u8]>>,
    /// Piece to be read next, and how much of it was read.
    at: (usize, usize),
    deadline: Deadline,
}

impl<'a> Pieces<'a> {
    pub fn new(pieces: Vec<Cow<'a, [u8]>>, deadline: Deadline) -> Self {
        Pieces {
            pieces,
            at: (0, 0),
            deadline,
        }
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.deadline.check()?;
        while self
            .pieces
            .get(self.at.0)
            .is_some_and(|piece| piece.len() <= self.at.1)
        {
            self.at = (self.at.0 + 1, 0);
        }
        let piece = self.pieces.get(self.at.0);
        Ok(piece.map_or(&[], |piece| &piece[self.at.1..]))
    }
    fn consume(&mut self, bytes: usize) {
        self.at.1 += bytes;
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        let bytes = self.fill_buf()?.read(to)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

impl Seek for Pieces<'_> {
    /// Absolute places only: what decoders ask for.
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let total: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        let before: usize = self.pieces.iter().take(self.at.0).map(|p| p.len()).sum();
        let now = (before + self.at.1) as i64;
        let place = match to {
            SeekFrom::Start(place) => i64::try_from(place).ok(),
            SeekFrom::Current(by) => now.checked_add(by),
            SeekFrom::End(by) => (total as i64).checked_add(by),
        };
        let place = place
            .filter(|&place| place >= 0)
            .ok_or(ErrorKind::InvalidInput)?;
        let mut rest = place as usize;
        let mut piece = 0;
        while let Some(found) = self.pieces.get(piece).filter(|p| p.len() <= rest) {
            rest -= found.len();
            piece += 1;
        }
        self.at = (piece, rest);
        Ok(place as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_read_and_seek_like_one_file() {
        let pieces = || vec![b"ab"[..].into(), b""[..].into(), b"cde".to_vec().into()];
        let mut reader = Pieces::new(pieces(), Deadline::after(Duration::from_secs(60)));
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"abcde");
        for (place, want) in [(0, "abcde"), (2, "cde"), (4, "e"), (9, "")] {
            let mut rest = String::new();
            reader.seek(SeekFrom::Start(place)).unwrap();
            reader.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, want);
        }
        assert_eq!(reader.seek(SeekFrom::End(-2)).unwrap(), 3);
        assert_eq!(reader.seek(SeekFrom::Current(-1)).unwrap(), 2);
        assert!(reader.seek(SeekFrom::Current(-3)).is_err());
        let mut late = Pieces::new(pieces(), Deadline::after(Duration::ZERO));
        assert_eq!(late.fill_buf().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
