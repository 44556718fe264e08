//! Layout of the data folder.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::disk_space;

/// A file operation of the data folder failed.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refused.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The store of files did not do what was asked, or did not answer.
    #[error(
        "{operation} {place}: {why}; `cleanplate config check` tries the store that files.url names"
    )]
    Bucket {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        place: String,
        /// What the store said.
        why: String,
    },
    /// The volume of the data folder has less room than work needs.
    #[error("volume full: {why}; the service goes on by itself once there is room")]
    NoRoom {
        /// How much there is and how much is needed.
        why: String,
    },
    /// The secrets file has a line that is no key.
    #[error(
        "{path}:{line}: not a signing key (64 hexadecimal characters); remove the line, or the file to get new keys"
    )]
    Secret {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

impl FilesError {
    /// Wraps an error with what was tried.
    pub fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source: std::io::Error| {
            if source.kind() == std::io::ErrorKind::ReadOnlyFilesystem {
                disk_space::note_read_only();
            }
            FilesError::Io {
                operation,
                path,
                source,
            }
        }
    }
    /// Whether the store of files is not reached, or does not let this program in.
    pub fn is_away(&self) -> bool {
        matches!(self, FilesError::Bucket { .. })
    }
    /// Whether the disk takes no more: it is full, or takes nothing at all.
    pub fn is_full(&self) -> bool {
        match self {
            FilesError::Io { source, .. } => is_full(source),
            FilesError::NoRoom { .. } => true,
            FilesError::Secret { .. } | FilesError::Bucket { .. } => false,
        }
    }
}

impl FilesError {
    /// Whether the system had no memory to map a file.
    pub fn is_memory(&self) -> bool {
        let short = std::io::ErrorKind::OutOfMemory;
        matches!(self, FilesError::Io { source, .. } if source.kind() == short)
    }
}

/// Whether there is no room on the disk, none left of a share of it, or nothing may be written to it.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

/// Folders under the data folder. The database lies at its top, made by the store.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// The data folder, mode 0700.
    pub data: PathBuf,
    /// Uploads under way; emptied at every start.
    pub uploads: PathBuf,
    /// Inputs of asynchronous jobs, kept until they end.
    pub inputs: PathBuf,
    /// Reduced copies of photos.
    pub previews: PathBuf,
    /// Results, served by signed addresses.
    pub results: PathBuf,
    /// GPU pipeline cache; may be removed at any time.
    pub cache: PathBuf,
    /// Space that is kept back for the ends of jobs; may be removed at any time.
    pub ballast: PathBuf,
    /// Keys that sign addresses.
    pub secrets: PathBuf,
    /// Key from which the secrets of webhooks are derived.
    pub webhook_key: PathBuf,
}

impl Dirs {
    /// Paths under `data`, without touching the disk.
    pub fn under(data: &Path) -> Dirs {
        Dirs {
            data: data.to_path_buf(),
            uploads: data.join("uploads"),
            inputs: data.join("inputs"),
            previews: data.join("previews"),
            results: data.join("results"),
            cache: data.join("cache"),
            ballast: data.join("ballast"),
            secrets: data.join("url-keys"),
            webhook_key: data.join("webhook-key"),
        }
    }

    /// Makes the data folder, private to this user.
    pub fn make_data(&self) -> Result<(), FilesError> {
        make_private(&self.data)
    }

    /// Makes the folders inside it and empties `uploads`. Only for the holder of the store's lock.
    pub fn prepare(&self) -> Result<(), FilesError> {
        if self.uploads.exists() {
            fs::remove_dir_all(&self.uploads).map_err(FilesError::io("emptying", &self.uploads))?;
        }
        for dir in [
            &self.uploads,
            &self.inputs,
            &self.previews,
            &self.results,
            &self.cache,
        ] {
            make_private(dir)?;
        }
        Ok(())
    }
}

pub(super) fn make_private(dir: &Path) -> Result<(), FilesError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(FilesError::io("creating", dir))?;
    let meta = fs::metadata(dir).map_err(FilesError::io("reading", dir))?;
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(FilesError::io("making private", dir))?;
    }
    Ok(())
}
