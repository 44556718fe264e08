//! Files of jobs in a folder: temporary name, fsync, rename, fsync of the folder.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::web;
use cleanplate_store::StoredFile;
use futures_util::stream;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncReadExt;

use super::blobs::{ByteStream, Kind, Listed};
use super::intact::Intact;
use super::{Dirs, FilesError};

/// Ending of files that are not whole yet; no job owns them.
const UNFINISHED: &str = ".tmp";
/// Bytes read from disk at a time: what one download holds in memory.
const CHUNK_BYTES: u64 = 64 << 10;

/// A folder with a folder for each kind.
#[derive(Debug)]
pub struct FolderBlobs {
    root: PathBuf,
    /// Where copies of files go that another machine may remove while they are read; `None`: nobody else has files here.
    copies: Option<PathBuf>,
    /// Results that were found as they were stored.
    intact: Arc<Intact>,
}

impl FolderBlobs {
    /// The data folder.
    pub fn own(dirs: &Dirs) -> FolderBlobs {
        FolderBlobs {
            root: dirs.data.clone(),
            copies: None,
            intact: Arc::default(),
        }
    }

    /// A folder that other processes may use too.
    pub fn shared(root: &Path, dirs: &Dirs) -> Result<FolderBlobs, FilesError> {
        fs::metadata(root)
            .and_then(|meta| match meta.is_dir() {
                true => Ok(()),
                false => Err(std::io::ErrorKind::NotADirectory.into()),
            })
            .map_err(FilesError::io("opening the folder of files.url,", root))?;
        let folder = FolderBlobs {
            root: root.to_path_buf(),
            copies: Some(dirs.uploads.clone()),
            intact: Arc::default(),
        };
        for kind in Kind::ALL {
            super::dirs::make_private(&folder.path(kind, ""))?;
        }
        Ok(folder)
    }

    /// Whether it is the data folder.
    pub fn is_own(&self) -> bool {
        self.copies.is_none()
    }

    /// Where a file lies.
    pub fn path(&self, kind: Kind, name: &str) -> PathBuf {
        self.root.join(kind.folder()).join(name)
    }

    pub(super) fn put(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), FilesError> {
        let last = self.path(kind, name);
        let fresh = self.path(kind, &format!("{name}{UNFINISHED}"));
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
            self.sync(kind)
        };
        write().map_err(|error| {
            // Best effort: the sweep of what no job owns removes what stays.
            drop(fs::remove_file(&fresh));
            FilesError::io("writing", &last)(error)
        })
    }

    pub(super) fn put_passing(
        &self,
        kind: Kind,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), FilesError> {
        let path = self.path(kind, name);
        fs::write(&path, bytes).map_err(|error| {
            // Half a file is none.
            drop(fs::remove_file(&path));
            FilesError::io("writing", &path)(error)
        })
    }

    pub(super) fn keep(
        &self,
        kind: Kind,
        files: Vec<(String, NamedTempFile)>,
    ) -> Result<(), FilesError> {
        let moved = files
            .into_iter()
            .try_for_each(|(name, file)| self.take_over(kind, &name, file, true));
        moved
            .and_then(|()| self.sync(kind))
            .map_err(FilesError::io("keeping files in", &self.path(kind, "")))
    }

    pub(super) fn keep_passing(
        &self,
        kind: Kind,
        files: Vec<(String, NamedTempFile)>,
    ) -> Result<(), FilesError> {
        files
            .into_iter()
            .try_for_each(|(name, file)| self.take_over(kind, &name, file, false))
            .map_err(FilesError::io("keeping files in", &self.path(kind, "")))
    }

    /// `lasting`: it survives a power cut once its folder was synced.
    fn take_over(
        &self,
        kind: Kind,
        name: &str,
        file: NamedTempFile,
        lasting: bool,
    ) -> std::io::Result<()> {
        let settle = |file: &NamedTempFile| {
            if lasting {
                file.as_file().sync_all()
            } else {
                Ok(())
            }
        };
        settle(&file)?;
        let file = match file.persist(self.path(kind, name)) {
            Ok(_) => return Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::CrossesDevices => error.file,
            Err(error) => return Err(error.error),
        };
        // On another volume: a copy, whole or not at all.
        let mut copy = NamedTempFile::new_in(self.path(kind, ""))?;
        std::io::copy(&mut file.reopen()?, &mut copy)?;
        settle(&copy)?;
        copy.persist(self.path(kind, name))?;
        Ok(())
    }

    fn sync(&self, kind: Kind) -> std::io::Result<()> {
        fs::File::open(self.path(kind, ""))?.sync_all()
    }

    pub(super) fn read(&self, kind: Kind, name: &str) -> Result<Option<Vec<u8>>, FilesError> {
        let path = self.path(kind, name);
        found(fs::read(&path)).map_err(FilesError::io("reading", &path))
    }

    pub(super) fn at_hand(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<Option<NamedTempFile>, FilesError> {
        let path = self.path(kind, name);
        let open = || -> std::io::Result<Option<NamedTempFile>> {
            let Some(mut file) = found(fs::File::open(&path))? else {
                return Ok(None);
            };
            if let Some(copies) = &self.copies {
                // A file that is mapped and removed on another machine would end this process.
                let mut copy = NamedTempFile::new_in(copies)?;
                std::io::copy(&mut file, &mut copy)?;
                copy.rewind()?;
                return Ok(Some(copy));
            }
            let mut path = TempPath::try_from_path(&path)?;
            // It is the file itself.
            path.disable_cleanup(true);
            Ok(Some(NamedTempFile::from_parts(file, path)))
        };
        open().map_err(FilesError::io("reading", &path))
    }

    pub(super) fn result_at_hand(
        &self,
        file: &StoredFile,
    ) -> Result<Option<NamedTempFile>, FilesError> {
        let path = self.path(Kind::Results, &file.name);
        if self.intact.open(&path, file).is_none() {
            return Ok(None);
        }
        self.at_hand(Kind::Results, &file.name)
    }

    pub(super) async fn open(
        &self,
        file: &StoredFile,
        part: Range<u64>,
    ) -> Result<Option<ByteStream>, FilesError> {
        let path = self.path(Kind::Results, &file.name);
        let (want, at, intact) = (file.clone(), path.clone(), self.intact.clone());
        let first = part.start;
        let open = move || {
            let Some(mut file) = intact.open(&at, &want) else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(first))?;
            Ok(Some(file))
        };
        let opened = web::block(open)
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(FilesError::io("reading", &path))?;
        Ok(opened.map(|file| read_on(file, part.end - part.start)))
    }

    pub(super) fn remove(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        let path = self.path(kind, name);
        let removed = found(fs::remove_file(&path)).map_err(FilesError::io("removing", &path))?;
        Ok(removed.is_some())
    }

    pub(super) fn rename(
        &self,
        kind: Kind,
        names: &[(String, String)],
    ) -> Result<bool, FilesError> {
        let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
        for (at, (from, to)) in names.iter().enumerate() {
            let (from, to) = (self.path(kind, from), self.path(kind, to));
            match found(fs::rename(&from, &to)) {
                Ok(Some(())) => moved.push((from, to)),
                // The first decides: who moves it has the others too, as far as they are there.
                Ok(None) if at == 0 => return Ok(false),
                Ok(None) => {}
                Err(error) => return Err(undone(&moved, &from, error)),
            }
        }
        let synced = self.sync(kind);
        synced.map_err(|error| undone(&moved, &self.path(kind, ""), error))?;
        Ok(true)
    }

    pub(super) fn list(
        &self,
        kind: Kind,
        see: &mut dyn FnMut(Listed) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let folder = self.path(kind, "");
        let entries = match found(fs::read_dir(&folder)) {
            Ok(None) => return Ok(()),
            entries => entries.map_err(FilesError::io("reading", &folder))?,
        };
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(FilesError::io("reading", &folder))?;
            let name = entry.file_name();
            let (Some(name), Ok(meta)) = (name.to_str(), entry.metadata()) else {
                continue;
            };
            let written = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let age = SystemTime::now().duration_since(written);
            see(Listed {
                name: name.to_string(),
                bytes: meta.len(),
                age: age.unwrap_or(Duration::ZERO),
            })?;
        }
        Ok(())
    }
}

/// Puts back what was renamed.
fn undone(moved: &[(PathBuf, PathBuf)], at: &Path, error: std::io::Error) -> FilesError {
    for (from, to) in moved.iter().rev() {
        drop(fs::rename(to, from));
    }
    FilesError::io("renaming", at)(error)
}

/// `None` for what is not there.
fn found<T>(outcome: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// The next `bytes` bytes of a file.
pub fn read_on(file: fs::File, bytes: u64) -> ByteStream {
    let file = tokio::fs::File::from_std(file);
    Box::pin(stream::try_unfold(
        (file, bytes),
        |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            let mut chunk = vec![0u8; left.min(CHUNK_BYTES) as usize];
            file.read_exact(&mut chunk).await?;
            let left = left - chunk.len() as u64;
            Ok(Some((web::Bytes::from(chunk), (file, left))))
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, FolderBlobs) {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        dirs.prepare().unwrap();
        (dir, FolderBlobs::own(&dirs))
    }

    #[test]
    fn a_file_is_whole_and_leaves_nothing_else() {
        let (_dir, folder) = folder();
        folder.put(Kind::Results, "a.png", b"abc").unwrap();
        let mut seen = Vec::new();
        folder
            .list(Kind::Results, &mut |file| {
                seen.push((file.name, file.bytes));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [("a.png".to_string(), 3)]);
        let read = |name| folder.read(Kind::Results, name).unwrap();
        assert_eq!(read("a.png").as_deref(), Some(b"abc".as_slice()));
        assert_eq!(read("b.png"), None);
        assert!(folder.remove(Kind::Results, "a.png").unwrap());
        assert!(!folder.remove(Kind::Results, "a.png").unwrap());
    }

    #[test]
    fn files_are_renamed_together_or_not_at_all() {
        let (dir, folder) = folder();
        for name in ["a", "b"] {
            folder.put(Kind::Inputs, name, b"x").unwrap();
        }
        let pairs = |names: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(from, to): &(&str, &str)| (from.to_string(), to.to_string());
            names.iter().map(owned).collect()
        };
        let rename = |names: &[(&str, &str)]| folder.rename(Kind::Inputs, &pairs(names));
        assert!(!rename(&[("none", "c"), ("b", "d")]).unwrap());
        assert!(rename(&[("a", "c"), ("none", "d")]).unwrap());
        fs::create_dir(dir.path().join("inputs/in-the-way")).unwrap();
        assert!(rename(&[("c", "e"), ("b", "in-the-way")]).is_err());
        for (name, there) in [("a", false), ("b", true), ("c", true), ("e", false)] {
            assert_eq!(folder.path(Kind::Inputs, name).is_file(), there, "{name}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = FolderBlobs::own(&Dirs::under(Path::new("/nonexistent/x")));
        let error = folder.put(Kind::Results, "a.png", b"abc").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("writing /nonexistent/x/results/a.png: "),
            "{error}"
        );
    }
}
