//! Room on the volume of the data folder: work is taken only while there is room for its result, and a little is kept back
//! so that a daemon can start on a volume that others have filled. Ends of what was taken have room in the store itself.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Dirs, FilesError};
use crate::telemetry::tell_full;

/// Bytes kept back: a recovery at the start.
const BALLAST_BYTES: u64 = 4 << 20;
/// Of the space that is to stay free, the part below which not even accepted jobs are begun.
const EXHAUSTED: u64 = 4;
/// Files that the volume must still take.
const FILES_MIN: u64 = 64;

/// A file could not be written because the volume had become read-only, as systems make one whose structure is damaged.
static READ_ONLY: AtomicBool = AtomicBool::new(false);

/// Somebody met a read-only volume. It is tried again by whoever tends the data folder's.
pub(super) fn note_read_only() {
    READ_ONLY.store(true, Ordering::Relaxed);
}

/// What a volume has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    bytes: u64,
    files: u64,
}

impl Left {
    fn of(path: &Path) -> std::io::Result<Left> {
        let volume = rustix::fs::statvfs(path)?;
        Ok(Left {
            bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
            // File systems without a table of files count none.
            files: if volume.f_files == 0 {
                u64::MAX
            } else {
                volume.f_favail
            },
        })
    }
}

/// The volume of the data folder.
#[derive(Debug)]
pub struct DiskSpace {
    data: PathBuf,
    /// A folder on the volume of results, where that is another one.
    other: Option<PathBuf>,
    ballast: PathBuf,
    free_bytes_min: u64,
    reserved: AtomicU64,
    was_full: AtomicBool,
}

/// Bytes set aside until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    space: Arc<DiskSpace>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.space.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Reservation {
    /// Sets `bytes` more aside, or says why not and leaves it at what there is.
    pub fn grow(&mut self, bytes: u64) -> Result<(), FilesError> {
        // First taken, then looked: two that come at once cannot both have the last room.
        self.space.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        match self.space.full() {
            None => Ok(()),
            Some(error) => {
                self.shrink(bytes);
                Err(error)
            }
        }
    }

    /// Gives `bytes` back, or what there is: they lie on the volume by now, or never will.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.space.reserved.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl DiskSpace {
    /// The volume of these folders and, if results lie on another one, that of the folder `other`; of each, `free_bytes_min`
    /// bytes are to stay free, and whatever is set aside is set aside.
    pub fn new(dirs: &Dirs, other: Option<PathBuf>, free_bytes_min: u64) -> Arc<DiskSpace> {
        let space = DiskSpace {
            data: dirs.data.clone(),
            other,
            ballast: dirs.ballast.clone(),
            free_bytes_min,
            reserved: AtomicU64::new(0),
            was_full: AtomicBool::new(false),
        };
        space.tend();
        Arc::new(space)
    }

    /// A reservation of nothing, to grow.
    pub fn none(self: &Arc<Self>) -> Reservation {
        Reservation {
            space: self.clone(),
            bytes: 0,
        }
    }

    /// Sets `bytes` aside, or says why not.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Result<Reservation, FilesError> {
        let mut taken = self.none();
        taken.grow(bytes)?;
        Ok(taken)
    }

    /// Why no new work is taken, if so.
    pub fn full(&self) -> Option<FilesError> {
        let reserved = self.reserved.load(Ordering::Relaxed);
        self.below(self.free_bytes_min.saturating_add(reserved))
    }

    /// Why not even accepted work is begun, if so.
    pub fn exhausted(&self) -> Option<FilesError> {
        self.below(self.free_bytes_min / EXHAUSTED)
    }

    /// Bytes that can still be set aside; none when the volume cannot be examined.
    pub fn left(&self) -> u64 {
        let taken = self
            .free_bytes_min
            .saturating_add(self.reserved.load(Ordering::Relaxed));
        let left = |path: &PathBuf| Left::of(path).map_or(0, |left| left.bytes);
        let least = left(&self.data).min(self.other.as_ref().map_or(u64::MAX, left));
        least.saturating_sub(taken)
    }

    fn below(&self, bytes_min: u64) -> Option<FilesError> {
        let own = below(&self.data, "the data folder", bytes_min);
        own.or_else(|| {
            let other = self.other.as_ref()?;
            below(other, &other.display().to_string(), bytes_min)
        })
    }

    /// Gives up what is kept back, so that ends can be recorded. True when there was something.
    pub fn drop_ballast(&self) -> bool {
        fs::remove_file(&self.ballast).is_ok()
    }

    /// Tells of a full volume once a minute and of its end, and keeps a little back whenever there is room. Called often.
    pub fn tend(&self) {
        if READ_ONLY.load(Ordering::Relaxed) && tempfile::tempfile_in(&self.data).is_ok() {
            READ_ONLY.store(false, Ordering::Relaxed);
        }
        let full = self.full();
        if self.exhausted().is_some() {
            self.drop_ballast();
        }
        let was_full = self.was_full.swap(full.is_some(), Ordering::Relaxed);
        match full {
            Some(error) => tell_full(&error.to_string()),
            None => {
                if was_full {
                    tracing::info!(data = %self.data.display(), "the volume has room again; the service goes on");
                }
                self.make_ballast();
            }
        }
    }

    /// Whether as much as is kept back could be kept back once more without taking it from anybody.
    pub fn has_room_to_keep(&self) -> bool {
        let reserved = self.reserved.load(Ordering::Relaxed);
        let needed = self.free_bytes_min + reserved + 2 * BALLAST_BYTES;
        self.below(needed).is_none()
    }

    fn make_ballast(&self) {
        let there = fs::metadata(&self.ballast).is_ok_and(|meta| meta.len() == BALLAST_BYTES);
        if there || !self.has_room_to_keep() {
            return;
        }
        let made = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.ballast)
            .and_then(|file| {
                let flags = rustix::fs::FallocateFlags::empty();
                Ok(rustix::fs::fallocate(&file, flags, 0, BALLAST_BYTES)?)
            });
        if made.is_err() {
            // A file system that cannot set space aside: what is to stay free has to do.
            self.drop_ballast();
        }
    }
}

/// What a volume lacks; `whose`: what lies on it.
fn below(path: &Path, whose: &str, bytes_min: u64) -> Option<FilesError> {
    let why = match Left::of(path) {
        Ok(_) if READ_ONLY.load(Ordering::Relaxed) => format!(
            "the volume of {whose} has become read-only; look for damage of its file system"
        ),
        Ok(left) if left.files < FILES_MIN => {
            format!("the volume of {whose} takes {} more files", left.files)
        }
        Ok(left) if left.bytes < bytes_min => format!(
            "{} MiB are free on the volume of {whose}, {} MiB are needed",
            left.bytes >> 20,
            bytes_min.div_ceil(1 << 20)
        ),
        Ok(_) => return None,
        Err(error) => format!("the volume of {whose} cannot be examined: {error}"),
    };
    Some(FilesError::NoRoom { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs() -> (tempfile::TempDir, Dirs) {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        dirs.prepare().unwrap();
        (dir, dirs)
    }

    #[test]
    fn what_is_promised_is_not_there_for_others() {
        let (_dir, dirs) = dirs();
        let free = Left::of(&dirs.data).unwrap().bytes;
        let space = DiskSpace::new(&dirs, None, 0);
        // Others use the volume too: halves, not bytes, are told apart.
        let first = space.take(free / 2).unwrap();
        let error = space.take(free).unwrap_err();
        assert!(error.is_full());
        assert!(error.to_string().starts_with("volume full: "), "{error}");
        drop(first);
        let mut other = space.take(free / 2).unwrap();
        assert!(other.grow(free).is_err());
        assert_eq!(other.bytes, free / 2);
        other.shrink(free);
        assert_eq!(other.bytes, 0);
        drop(other);
        assert_eq!(space.reserved.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_volume_that_became_read_only_is_full_until_it_can_be_written_again() {
        let (_dir, dirs) = dirs();
        let space = DiskSpace::new(&dirs, None, 0);
        let met = std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem);
        let error = FilesError::io("storing an upload in", &dirs.uploads)(met);
        assert!(error.is_full());
        let full = space.full().unwrap();
        assert!(full.to_string().contains("read-only"), "{full}");
        space.tend();
        assert!(space.full().is_none());
    }

    #[test]
    fn a_little_is_kept_back_and_given_up_once() {
        let (_dir, dirs) = dirs();
        let space = DiskSpace::new(&dirs, None, 0);
        assert_eq!(fs::metadata(&dirs.ballast).unwrap().len(), BALLAST_BYTES);
        assert!(space.drop_ballast() && !space.drop_ballast());
        space.tend();
        assert!(dirs.ballast.exists());
    }

    #[test]
    fn a_volume_that_must_stay_emptier_than_it_is_takes_nothing() {
        let (_dir, dirs) = dirs();
        let space = DiskSpace::new(&dirs, None, 1 << 60);
        assert!(space.full().is_some() && space.exhausted().is_some());
        assert!(!dirs.ballast.exists());
        assert!(space.take(1).is_err());
        assert_eq!(space.reserved.load(Ordering::Relaxed), 0);
    }
}
