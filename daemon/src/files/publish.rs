//! Writes results so that they are whole or not there: temporary name, fsync, rename, fsync of the folder.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::FilesError;

/// Ending of files that are not whole yet; swept at start.
pub const UNFINISHED: &str = ".tmp";

/// A file that is on disk under its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its name in the folder.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
    /// Its length.
    pub bytes: u64,
}

/// The files of one job. They go again when this is dropped before they are kept: a job that fails between two of them, or
/// panics, leaves none.
#[derive(Debug)]
pub struct Publication<'a> {
    dir: &'a Path,
    names: Vec<String>,
}

impl<'a> Publication<'a> {
    /// Nothing yet, in this folder.
    pub fn new(dir: &'a Path) -> Self {
        let names = Vec::new();
        Publication { dir, names }
    }

    /// Puts `bytes` into the folder as `name`. When it returns, the file survives a power cut.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Published, FilesError> {
        // First noted: also a file that was renamed and not synced goes.
        self.names.push(name.to_string());
        publish(self.dir, name, bytes)
    }

    /// They stay.
    pub fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Publication<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            drop(fs::remove_file(self.dir.join(name)));
        }
    }
}

fn publish(dir: &Path, name: &str, bytes: &[u8]) -> Result<Published, FilesError> {
    let (fresh, last) = (dir.join(format!("{name}{UNFINISHED}")), dir.join(name));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &last)?;
        fs::File::open(dir)?.sync_all()
    };
    write().map_err(|error| {
        // Best effort: the start-up sweep removes what stays.
        drop(fs::remove_file(&fresh));
        FilesError::io("writing result", &last)(error)
    })?;
    Ok(Published {
        name: name.to_string(),
        sha256: Sha256::digest(bytes).into(),
        bytes: bytes.len() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_file_is_whole_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let published = publish(dir.path(), "a.png", b"abc").unwrap();
        assert_eq!(published.bytes, 3);
        assert_eq!(published.sha256[..4], [0xba, 0x78, 0x16, 0xbf]);
        let names: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["a.png"]);
    }

    #[test]
    fn files_that_are_not_kept_go() {
        let dir = tempfile::tempdir().unwrap();
        let there = |name: &str| dir.path().join(name).exists();
        let mut kept = Publication::new(dir.path());
        kept.add("a.png", b"abc").unwrap();
        kept.keep();
        let mut cut_short = Publication::new(dir.path());
        cut_short.add("b.png", b"abc").unwrap();
        fs::create_dir(dir.path().join("b.mask.png")).unwrap();
        assert!(cut_short.add("b.mask.png", b"abc").is_err());
        assert!(there("b.png"));
        drop(cut_short);
        assert!(there("a.png") && !there("b.png"));
        assert!(!there("b.mask.png.tmp"));
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = publish(Path::new("/nonexistent/x"), "a.png", b"abc").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("writing result /nonexistent/x/a.png: "),
            "{error}"
        );
    }
}
