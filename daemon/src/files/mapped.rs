//! Files as memory, without reading them as a whole.

use std::ops::Deref;
use tempfile::NamedTempFile;

use super::FilesError;

/// The bytes of an upload. Pages come from the file when they are looked at and go again when memory is short.
pub struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps a file of the data folder that nobody writes to any more. It may have lost its name: a sweep removes results and
    /// uploads past their time whoever reads them.
    pub fn of(file: &NamedTempFile) -> Result<Mapped, FilesError> {
        // SAFETY: uploads lie in the data folder, which is closed to other users; they were written completely before
        // their names were passed on, and are removed whole, never cut or written again.
        unsafe { memmap2::Mmap::map(file.as_file()) }
            .map(Mapped)
            .map_err(FilesError::io("reading upload", file.path()))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Mapped {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_mapped_an_empty_one_too_and_one_that_has_lost_its_name() {
        let mut file = NamedTempFile::new().unwrap();
        assert!(Mapped::of(&file).unwrap().is_empty());
        std::io::Write::write_all(&mut file, b"bytes").unwrap();
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!(&*Mapped::of(&file).unwrap(), b"bytes");
    }
}
