//! Where the files of jobs lie: results, kept uploads, reduced copies. One place for all processes of a service.
//!
//! The name of a result carries its job and attempt, `{job}.{attempt}.png`: a worker that lost its job to another attempt
//! overwrites and removes nothing of it. Which attempt won stands in the job's row, which holds the names. Names without
//! an attempt are of older versions.

use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use actix_web::web;
use cleanplate_store::{JobId, StoredFile};
use futures_util::Stream;
use tempfile::NamedTempFile;

use super::bucket::BucketBlobs;
use super::folder::FolderBlobs;
use super::{Dirs, FilesError};
use crate::config::{Files, FilesPlace};

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
    /// Every kind.
    pub const ALL: [Kind; 3] = [Kind::Results, Kind::Inputs, Kind::Previews];

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
    /// In a bucket.
    Bucket(Box<BucketBlobs>),
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

    /// Where the configuration says. A folder of its own must be there: made in its place, files would vanish once the volume
    /// is mounted over it. A bucket is not asked yet.
    pub fn configured(files: &Files, dirs: &Dirs) -> Result<Blobs, FilesError> {
        Ok(match &files.place {
            FilesPlace::Data => Blobs::local(dirs),
            FilesPlace::Folder(path) => Blobs::Folder(FolderBlobs::shared(path, dirs)?),
            FilesPlace::Bucket(options) => {
                let uploads = dirs.uploads.clone();
                Blobs::Bucket(Box::new(BucketBlobs::new(options, uploads)?))
            }
        })
    }

    /// Whether only this process, which holds the data folder, has files here.
    pub fn is_private(&self) -> bool {
        matches!(self, Blobs::Folder(folder) if folder.is_own())
    }

    /// Where a client can fetch a result itself for `valid`, if it lies where clients can; what is in it is told by these headers.
    pub async fn signed(
        &self,
        file: &StoredFile,
        disposition: String,
        valid: Duration,
    ) -> Result<Option<String>, FilesError> {
        match self {
            Blobs::Folder(_) => Ok(None),
            Blobs::Bucket(bucket) => bucket.signed(file, disposition, valid).await.map(Some),
        }
    }

    /// Puts `bytes` there, whole or not at all. When it returns, they survive a power cut.
    pub fn put(&self, kind: Kind, name: &str, bytes: Vec<u8>) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.put(kind, name, &bytes),
            Blobs::Bucket(bucket) => bucket.put(kind, name, bytes.into()),
        }
    }

    /// The same for what may be lost.
    pub fn put_passing(&self, kind: Kind, name: &str, bytes: Vec<u8>) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.put_passing(kind, name, &bytes),
            Blobs::Bucket(bucket) => bucket.put_passing(kind, name, bytes.into()),
        }
    }

    /// Takes files over under these names. When it returns, they survive a power cut.
    pub fn keep(&self, kind: Kind, files: Vec<(String, NamedTempFile)>) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(folder) => folder.keep(kind, files),
            Blobs::Bucket(bucket) => bucket.keep(kind, files),
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
            Blobs::Bucket(bucket) => bucket.keep(kind, files),
        }
    }

    /// All bytes of a file; `None` when it is not there.
    pub fn read(&self, kind: Kind, name: &str) -> Result<Option<Vec<u8>>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.read(kind, name),
            Blobs::Bucket(bucket) => bucket.read(kind, name),
        }
    }

    /// The file itself or a copy, under a path that nobody changes while this lives; `None` when it is not there.
    pub fn at_hand(&self, kind: Kind, name: &str) -> Result<Option<NamedTempFile>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.at_hand(kind, name),
            Blobs::Bucket(bucket) => bucket.at_hand(kind, name),
        }
    }

    /// The same for a result; `None` too when it is not what was stored.
    pub fn result_at_hand(&self, file: &StoredFile) -> Result<Option<NamedTempFile>, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.result_at_hand(file),
            Blobs::Bucket(bucket) => bucket.result_at_hand(file),
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
            Blobs::Bucket(bucket) => bucket.open(file, part).await,
        }
    }

    /// Whether a file is there.
    pub fn has(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => Ok(folder.path(kind, name).is_file()),
            Blobs::Bucket(bucket) => bucket.has(kind, name),
        }
    }

    /// Removes a file; `false` when it is not there.
    pub fn remove(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.remove(kind, name),
            Blobs::Bucket(bucket) => bucket.remove(kind, name),
        }
    }

    /// Removes a file that a sweep would remove too, unless that would be to wait for a store that is away.
    pub fn remove_soon(&self, kind: Kind, name: &str) {
        if self.failing().is_some() {
            return;
        }
        if let Err(error) = self.remove(kind, name) {
            tracing::warn!(%error, "a file stays until the next sweep");
        }
    }

    /// Names files anew, from first to second; `false` when the first is not there, which leaves the others as they are.
    pub fn rename(&self, kind: Kind, names: &[(String, String)]) -> Result<bool, FilesError> {
        match self {
            Blobs::Folder(folder) => folder.rename(kind, names),
            Blobs::Bucket(bucket) => bucket.rename(kind, names),
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
            Blobs::Bucket(bucket) => bucket.list(kind, see),
        }
    }

    /// Where a file is, for messages.
    pub fn place(&self, kind: Kind, name: &str) -> String {
        match self {
            Blobs::Folder(folder) => folder.path(kind, name).display().to_string(),
            Blobs::Bucket(bucket) => bucket.place(kind, name),
        }
    }

    /// Why files can be neither stored nor read now, if so.
    pub fn failing(&self) -> Option<FilesError> {
        match self {
            Blobs::Folder(_) => None,
            Blobs::Bucket(bucket) => bucket.failing(),
        }
    }

    /// Looks whether files can be stored and read, as far as that shows without doing it.
    pub async fn look(&self) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(_) => Ok(()),
            Blobs::Bucket(bucket) => bucket.look().await,
        }
    }

    /// The same for whoever may wait.
    pub fn look_now(&self) -> Result<(), FilesError> {
        match self {
            Blobs::Folder(_) => Ok(()),
            Blobs::Bucket(bucket) => bucket.look_now(),
        }
    }

    /// Writes, lists, reads and removes a file, to find what the service would find.
    pub fn check(&self) -> anyhow::Result<()> {
        let name = format!("check-{}", uuid::Uuid::new_v4());
        let place = self.place(Kind::Previews, &name);
        self.put(Kind::Previews, &name, b"check".to_vec())?;
        let mut listed = false;
        let read = self.read(Kind::Previews, &name);
        let seen = self.list(Kind::Previews, &mut |file| {
            listed |= file.name == name;
            Ok(())
        });
        self.remove(Kind::Previews, &name)?;
        seen?;
        anyhow::ensure!(listed, "{place} was written and is not listed");
        let same = read?.as_deref() == Some(b"check");
        anyhow::ensure!(same, "{place} was written and does not come back");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::files::s3::S3;

    /// Every kind of place, each with what it needs to stay there.
    fn places(dir: &std::path::Path, server: &S3) -> Vec<Blobs> {
        let dirs = Dirs::under(&dir.join("data"));
        dirs.prepare().unwrap();
        let shared = dir.join("shared");
        std::fs::create_dir(&shared).unwrap();
        let folder = format!("[files]\nurl = \"file://{}\"\n", shared.display());
        let configs = [String::new(), folder, server.config()];
        let open = |config: &String| {
            let file = dir.join("own.toml");
            std::fs::write(&file, config).unwrap();
            let config = crate::config::load(Some(&file), std::iter::empty(), &[]).unwrap();
            Blobs::configured(&config.files, &dirs).unwrap()
        };
        configs.iter().map(open).collect()
    }

    fn listed(blobs: &Blobs, kind: Kind) -> Vec<(String, u64)> {
        let mut files = Vec::new();
        let mut see = |file: Listed| {
            assert!(file.age < Duration::from_secs(60), "{file:?}");
            files.push((file.name, file.bytes));
            Ok(())
        };
        blobs.list(kind, &mut see).unwrap();
        files.sort();
        files
    }

    #[test]
    fn every_place_keeps_what_it_is_given() {
        let (dir, server) = (tempfile::tempdir().unwrap(), S3::start());
        for blobs in places(dir.path(), &server) {
            let told = format!("{blobs:?}");
            blobs.check().unwrap();
            let stored = |content: &[u8]| StoredFile {
                name: "a.png".to_string(),
                sha256: Sha256::digest(content).into(),
                bytes: 3,
                media_type: "image/png".to_string(),
            };
            blobs.put(Kind::Results, "a.png", b"one".to_vec()).unwrap();
            blobs.put(Kind::Results, "a.png", b"abc".to_vec()).unwrap();
            blobs
                .put_passing(Kind::Previews, "a.jpg", Vec::new())
                .unwrap();
            let read = |name| blobs.read(Kind::Results, name).unwrap();
            assert_eq!(read("a.png").as_deref(), Some(b"abc".as_slice()), "{told}");
            assert_eq!(read("b.png"), None, "{told}");
            assert_eq!(
                listed(&blobs, Kind::Results),
                [("a.png".to_string(), 3)],
                "{told}"
            );
            assert_eq!(
                listed(&blobs, Kind::Previews),
                [("a.jpg".to_string(), 0)],
                "{told}"
            );
            let at_hand = blobs.result_at_hand(&stored(b"abc")).unwrap().unwrap();
            assert_eq!(std::fs::read(at_hand.path()).unwrap(), b"abc", "{told}");
            assert!(
                blobs.result_at_hand(&stored(b"xyz")).unwrap().is_none(),
                "{told}"
            );
            drop(at_hand);
            let upload = || {
                let mut file = NamedTempFile::new_in(dir.path().join("data/uploads")).unwrap();
                file.write_all(b"photo").unwrap();
                file
            };
            let (one, two) = ("one".to_string(), "two".to_string());
            blobs
                .keep(Kind::Inputs, vec![(one.clone(), upload())])
                .unwrap();
            let pairs = [
                (one.clone(), two.clone()),
                ("mask".to_string(), "no".to_string()),
            ];
            assert!(blobs.rename(Kind::Inputs, &pairs).unwrap(), "{told}");
            assert!(!blobs.rename(Kind::Inputs, &pairs).unwrap(), "{told}");
            assert_eq!(listed(&blobs, Kind::Inputs), [(two.clone(), 5)], "{told}");
            let there = |name| blobs.has(Kind::Inputs, name).unwrap();
            assert_eq!((there("one"), there("two")), (false, true), "{told}");
            let found = blobs.at_hand(Kind::Inputs, &two).unwrap().unwrap();
            assert_eq!(std::fs::read(found.path()).unwrap(), b"photo", "{told}");
            drop(found);
            assert!(there("two"), "who reads it leaves it: {told}");
            for (kind, name) in [
                (Kind::Results, "a.png"),
                (Kind::Previews, "a.jpg"),
                (Kind::Inputs, "two"),
            ] {
                assert!(blobs.remove(kind, name).unwrap(), "{told}");
                assert_eq!(listed(&blobs, kind), [], "{told}");
            }
            let left = std::fs::read_dir(dir.path().join("data/uploads")).unwrap();
            assert_eq!(left.count(), 0, "a copy stays: {told}");
        }
    }

    #[test]
    fn a_store_that_is_away_is_told_and_found_again() {
        let (dir, mut server) = (tempfile::tempdir().unwrap(), S3::start());
        let blobs = places(dir.path(), &server).pop().unwrap();
        blobs.look_now().unwrap();
        assert!(blobs.failing().is_none());
        server.silence();
        let began = std::time::Instant::now();
        let error = blobs
            .put(Kind::Results, "a.png", b"abc".to_vec())
            .unwrap_err();
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
        let told = error.to_string();
        assert!(error.is_away() && !error.is_full(), "{told}");
        assert!(
            told.starts_with("writing s3://plates/a/b/results/a.png: "),
            "{told}"
        );
        assert!(told.contains("cleanplate config check"), "{told}");
        assert!(blobs.failing().is_some());
        server.resume();
        blobs.look_now().unwrap();
        assert!(blobs.failing().is_none());
        server.stop();
        let error = blobs.read(Kind::Results, "a.png").unwrap_err();
        assert!(error.is_away());
        assert!(error.to_string().contains("Connection refused"), "{error}");
        assert!(blobs.failing().is_some());
    }

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
