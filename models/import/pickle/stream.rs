//! Reading the bytes of a pickle stream.

use super::machine::{Machine, Step};
use crate::error::ImportError;

impl<'a> Machine<'a> {
    pub(super) fn fail(&self, why: impl Into<String>) -> ImportError {
        ImportError::Pickle {
            at: self.op_at,
            why: why.into(),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Step<&'a [u8]> {
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.fail("the stream ends inside this opcode"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        let taken = self.take(N)?;
        taken
            .first_chunk()
            .copied()
            .ok_or_else(|| self.fail("the stream ends inside this opcode"))
    }

    /// A little-endian unsigned number of `N` bytes.
    pub(super) fn unsigned<const N: usize>(&mut self) -> Step<u64> {
        let bytes: [u8; N] = self.array()?;
        Ok(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    pub(super) fn counted<const N: usize>(&mut self) -> Step<&'a [u8]> {
        let length = self.unsigned::<N>()?;
        let length = usize::try_from(length).map_err(|_| self.fail("length overflows"))?;
        self.take(length)
    }

    pub(super) fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or_else(|| self.fail("a name is not ended by a newline"))?;
        self.at += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| self.fail("a name is not UTF-8"))
    }

    pub(super) fn protocol(&mut self) -> Step<()> {
        match self.array()? {
            [2..=5] => Ok(()),
            [version] => Err(self.fail(format!("protocol {version} is not supported, 2 to 5 are"))),
        }
    }
}
