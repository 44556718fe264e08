//! Files as memory, without reading them as a whole.

use std::ops::Deref;
use std::path::Path;

use super::FilesError;

/// The bytes of an upload. Pages come from the file when they are looked at and go again when memory is short.
pub struct Mapped(memmap2::Mmap);

impl Mapped {
    /// Maps a file of the data folder that nobody writes to any more.
    pub fn open(path: &Path) -> Result<Mapped, FilesError> {
        let map = || -> std::io::Result<memmap2::Mmap> {
            let file = std::fs::File::open(path)?;
            // SAFETY: uploads lie in the data folder, which is closed to other users; they were written completely before
            // their names were passed on, and are removed whole, never cut or written again.
            unsafe { memmap2::Mmap::map(&file) }
        };
        map()
            .map(Mapped)
            .map_err(FilesError::io("reading upload", path))
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
    fn a_file_is_mapped_an_empty_one_too_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, b"bytes").unwrap();
        assert_eq!(&*Mapped::open(&path).unwrap(), b"bytes");
        std::fs::write(dir.path().join("empty"), b"").unwrap();
        assert!(Mapped::open(&dir.path().join("empty")).unwrap().is_empty());
        assert!(Mapped::open(&dir.path().join("none")).is_err());
    }
}
