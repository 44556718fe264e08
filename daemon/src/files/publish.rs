//! Results of one attempt at a job: whole or not there.

use cleanplate_store::{JobId, StoredFile};
use sha2::{Digest, Sha256};

use super::FilesError;
use super::blobs::{Blobs, Kind, name_of};

/// The files of one attempt at a job. They go again when this is dropped before they are kept: a job that fails between two of
/// them, or panics, leaves none.
#[derive(Debug)]
pub struct Publication<'a> {
    blobs: &'a Blobs,
    job: JobId,
    attempt: u32,
    names: Vec<String>,
}

impl<'a> Publication<'a> {
    /// Nothing yet.
    pub fn new(blobs: &'a Blobs, job: JobId, attempt: u32) -> Self {
        Publication {
            blobs,
            job,
            attempt,
            names: Vec::new(),
        }
    }

    /// Puts `bytes` there; `part` is what follows job and attempt in the name. When it returns, the file survives a power
    /// cut.
    pub fn add(
        &mut self,
        part: &str,
        bytes: Vec<u8>,
        media_type: &str,
    ) -> Result<StoredFile, FilesError> {
        let name = name_of(self.job, self.attempt, part);
        // First noted: also a file that was renamed and not synced goes.
        self.names.push(name.clone());
        let file = StoredFile {
            sha256: Sha256::digest(&bytes).into(),
            bytes: bytes.len() as u64,
            media_type: media_type.to_string(),
            name,
        };
        self.blobs.put(Kind::Results, &file.name, bytes)?;
        Ok(file)
    }

    /// They stay.
    pub fn keep(mut self) {
        self.names.clear();
    }
}

impl Drop for Publication<'_> {
    fn drop(&mut self) {
        remove_results(self.blobs, self.names.iter().map(String::as_str));
    }
}

/// Removes results that no job will own.
pub fn remove_results<'a>(blobs: &Blobs, names: impl Iterator<Item = &'a str>) {
    for name in names {
        blobs.remove_soon(Kind::Results, name);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::Dirs;

    #[test]
    fn files_that_are_not_kept_go_and_those_of_another_attempt_stay() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        dirs.prepare().unwrap();
        let blobs = Blobs::local(&dirs);
        let job = JobId::random();
        let there = |name: &str| dirs.results.join(name).exists();
        let mut late = Publication::new(&blobs, job, 1);
        let lost = late
            .add(".png", b"late".to_vec(), "image/png")
            .unwrap()
            .name;
        let mut winner = Publication::new(&blobs, job, 2);
        let won = winner.add(".png", b"abc".to_vec(), "image/png").unwrap();
        assert_eq!(won.name, format!("{}.2.png", job));
        assert_eq!(
            (won.bytes, &won.sha256[..4]),
            (3, [0xba, 0x78, 0x16, 0xbf].as_slice())
        );
        winner.keep();
        fs::create_dir(dirs.results.join(format!("{}.1.mask.png", job))).unwrap();
        assert!(late.add(".mask.png", b"abc".to_vec(), "image/png").is_err());
        assert!(there(&lost));
        drop(late);
        assert!(!there(&lost) && there(&won.name));
        assert!(!there(&format!("{}.1.mask.png.tmp", job)));
        let kept = fs::read(dirs.results.join(&won.name)).unwrap();
        assert_eq!(kept, b"abc");
    }
}
