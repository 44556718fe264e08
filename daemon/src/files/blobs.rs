//! Where the files of jobs lie: results, kept uploads, reduced copies. One place for all processes of a service.
//!
//! The name of a result carries its job and attempt, `{job}.{attempt}.png`: a worker that lost its job to another attempt
//! overwrites and removes nothing of it. Which attempt won stands in the job's row, which holds the names. Names without
//! an attempt are of older versions.

use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use actix_web::web;
use cleanplate_store::{JobId, StoredFile};
use futures_util::Stream;
use tempfile::NamedTempFile;

use super::folder::FolderBlobs;
use super::{Dirs, FilesError};

/// What a file is to its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Pictures that a job made.
    Results,
    /// Uploads that are kept until their job has ended.
    Inputs,
    /// Reduced copies of photos.
    Previews,
}

impl Kind {
    /// The folder of such files.
    pub fn folder(self) -> &'static str {
        match self {
            Kind::Results => "results",
            Kind::Inputs => "inputs",
            Kind::Previews => "previews",
        }
    }
}

/// A file of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Time since it was written.
    pub age: Duration,
}

impl Listed {
    /// The job that it is named after, if it is. Anything else was put there by someone and is not ours to remove.
    pub fn job(&self) -> Option<JobId> {
        self.name.get(..36)?.parse().ok()
    }
}

/// Bytes of a file as they come, a bounded part of them in memory.
pub type ByteStream = Pin<Box<dyn Stream<Item = std::io::Result<web::Bytes>>>>;

/// Where files lie. Everything blocks, except [`Blobs::open`].
#[derive(Debug)]
pub enum Blobs {
    /// In a folder.
    Folder(FolderBlobs),
}

/// Name of a file that an attempt at a job makes.
pub fn name_of(job: JobId, attempt: u32, part: &str) -> String {
    format!("{job}.{attempt}{part}")
}

/// What a file is called before clients: by its job.
pub fn shown_name(name: &str) -> String {
    let parts = name.split_once('.').and_then(|(job, rest)| {
        let (attempt, rest) = rest.split_once('.')?;
        let is_attempt = !attempt.is_empty() && attempt.bytes().all(|byte| byte.is_ascii_digit());
        is_attempt.then(|| format!("{job}.{rest}"))
    });
    parts.unwrap_or_else(|| name.to_string())
}

impl Blobs {
    /// The folder inside the data folder.
    pub fn local(dirs: &Dirs) -> Blobs {
        Blobs::Folder(FolderBlobs::own(dirs))
    }

    /// Puts `bytes` there, whole or not at all. When it returns, they survive a power cut.
    pub fn put(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.put(kind, name, bytes),
        }
    }

    /// The same for what may be lost.
    pub fn put_passing(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.put_passing(kind, name, bytes),
        }
    }

    /// Takes files over under these names. When it returns, they survive a power cut.
    pub fn keep(&self, kind: Kind, files: Vec<(String, NamedTempFile)>) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.keep(kind, files),
        }
    }

    /// The same for what may be lost.
    pub fn keep_passing(
        &self,
        kind: Kind,
        files: Vec<(String, NamedTempFile)>,
    ) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.keep_passing(kind, files),
        }
    }

    /// All bytes of a file; `None` when it is not there.
    pub fn read(&self, kind: Kind, name: &str) -> Result<Option<Vec<u8>>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.read(kind, name),
        }
    }

    /// The file itself or a copy, under a path that nobody changes while this lives; `None` when it is not there.
    pub fn at_hand(&self, kind: Kind, name: &str) -> Result<Option<NamedTempFile>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.at_hand(kind, name),
        }
    }

    /// The same for a result; `None` too when it is not what was stored.
    pub fn result_at_hand(&self, file: &StoredFile) -> Result<Option<NamedTempFile>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.result_at_hand(file),
        }
    }

    /// Bytes of a result; `None` when it is missing or is not what was stored. Of an empty part only that is found out.
    pub async fn open(
        &self,
        file: &StoredFile,
        part: Range<u64>,
    ) -> Result<Option<ByteStream>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.open(file, part).await,
        }
    }

    /// Whether a file is there.
    pub fn has(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => Ok(folder.path(kind, name).is_file()),
        }
    }

    /// Removes a file; `false` when it is not there.
    pub fn remove(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.remove(kind, name),
        }
    }

    /// Names files anew, from first to second; `false` when the first is not there, which leaves the others as they are.
    pub fn rename(&self, kind: Kind, names: &[(String, String)]) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.rename(kind, names),
        }
    }

    /// Shows every file; one that comes or goes meanwhile may be missing.
    pub fn list(
        &self,
        kind: Kind,
        see: &mut dyn FnMut(Listed) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Blobs::Folder(folder) => folder.list(kind, see),
        }
    }

    /// Where the files of a kind are, for messages.
    pub fn place(&self, kind: Kind) -> PathBuf {
        match self {
            Blobs::Folder(folder) => folder.path(kind, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_see_the_job_and_not_the_attempt() {
        let job: JobId = "0b4b9c1e-0000-4000-8000-000000000000".parse().unwrap();
        for (attempt, part, shown) in [
            (1, ".png", "0b4b9c1e-0000-4000-8000-000000000000.png"),
            (
                12,
                ".mask.png",
                "0b4b9c1e-0000-4000-8000-000000000000.mask.png",
            ),
            (
                1,
                ".lama.webp",
                "0b4b9c1e-0000-4000-8000-000000000000.lama.webp",
            ),
        ] {
            let name = name_of(job, attempt, part);
            assert_eq!(shown_name(&name), shown);
            assert_eq!(shown_name(shown), shown, "of an older version");
        }
    }
}
