//! Uploads of asynchronous jobs: kept on disk until their job ends, so that it can run after a restart.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cleanplate_store::{FailureCode, JobId, Store};
use tempfile::{NamedTempFile, TempPath};

use super::{Dirs, FilesError};

/// Photo and mask of a job.
pub struct Inputs {
    /// The photo.
    pub image: NamedTempFile,
    /// The mask.
    pub mask: Option<NamedTempFile>,
}

fn paths(dirs: &Dirs, job: JobId) -> [PathBuf; 2] {
    [
        dirs.inputs.join(format!("{job}.image")),
        dirs.inputs.join(format!("{job}.mask")),
    ]
}

impl Inputs {
    /// Keeps the files for a job. When it returns, they survive a power cut.
    pub fn keep(self, dirs: &Dirs, job: JobId) -> Result<(), FilesError> {
        let [image, mask] = paths(dirs, job);
        let kept = move_to(self.image, &image)
            .and_then(|()| self.mask.map_or(Ok(()), |file| move_to(file, &mask)));
        let kept = kept.and_then(|()| fs::File::open(&dirs.inputs)?.sync_all());
        kept.map_err(|error| {
            remove(dirs, job);
            FilesError::io("keeping inputs in", &dirs.inputs)(error)
        })
    }

    /// The kept files of a job. They go when this is dropped, unless [`Inputs::leave`] is called.
    pub fn open(dirs: &Dirs, job: JobId) -> Result<Inputs, FilesError> {
        let [image, mask] = paths(dirs, job);
        let open = |path: &Path| -> std::io::Result<NamedTempFile> {
            Ok(NamedTempFile::from_parts(
                fs::File::open(path)?,
                TempPath::try_from_path(path)?,
            ))
        };
        let mask = if mask.exists() {
            Some(open(&mask).map_err(FilesError::io("opening input", &mask))?)
        } else {
            None
        };
        Ok(Inputs {
            image: open(&image).map_err(FilesError::io("opening input", &image))?,
            mask,
        })
    }

    /// Leaves the files where they are: the job runs again.
    pub fn leave(mut self) {
        self.image.disable_cleanup(true);
        if let Some(mask) = &mut self.mask {
            mask.disable_cleanup(true);
        }
    }
}

fn move_to(file: NamedTempFile, path: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Removes the kept files of a job, if there are any.
pub fn remove(dirs: &Dirs, job: JobId) {
    for path in paths(dirs, job) {
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(path = %path.display(), %error, "an input could not be removed; the next start does it");
        }
    }
}

/// Where the photo of a job lies while it is kept.
pub fn image(dirs: &Dirs, job: JobId) -> PathBuf {
    let [image, _] = paths(dirs, job);
    image
}

/// Where photo and mask of a job lie while they are kept; no mask if there is none.
pub fn both(dirs: &Dirs, job: JobId) -> (PathBuf, Option<PathBuf>) {
    let [image, mask] = paths(dirs, job);
    let there = mask.exists();
    (image, Some(mask).filter(|_| there))
}

/// Whether the upload of a job is kept.
pub fn has(dirs: &Dirs, job: JobId) -> bool {
    image(dirs, job).is_file()
}

/// Bytes of all uploads that are kept.
pub fn bytes(dirs: &Dirs) -> std::io::Result<u64> {
    fs::read_dir(&dirs.inputs)?
        // One that goes meanwhile has none.
        .map(|entry| Ok(entry?.metadata().map_or(0, |meta| meta.len())))
        .sum()
}

/// Gives the upload of one job to another; of several who try, one succeeds. `false` when it is not kept.
pub fn move_to_job(dirs: &Dirs, from: JobId, to: JobId) -> Result<bool, FilesError> {
    let ([image, mask], [new_image, new_mask]) = (paths(dirs, from), paths(dirs, to));
    // The photo decides: who moves it has the mask too.
    match fs::rename(&image, &new_image) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FilesError::io("moving input", &image)(error)),
    }
    let moved = match fs::rename(&mask, &new_mask) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => fs::File::open(&dirs.inputs).and_then(|folder| folder.sync_all()),
    };
    moved.map_err(|error| {
        drop(fs::rename(&new_image, &image));
        FilesError::io("moving input", &mask)(error)
    })?;
    Ok(true)
}

/// Removes files of jobs that have ended, except those of failed ones that `keep` (from their end on) holds for a retry, and
/// files that were never accepted. Call only while no job is accepted or run.
pub fn remove_ended(store: &dyn Store, dirs: &Dirs, keep: Duration) -> anyhow::Result<u64> {
    clean(store, dirs, keep, true)
}

/// Removes files of failed jobs that were kept for a retry longer than `keep`.
pub fn sweep(store: &dyn Store, dirs: &Dirs, keep: Duration) -> anyhow::Result<u64> {
    clean(store, dirs, keep, false)
}

/// `quiet`: no job is accepted or run, so that a file without a job never gets one.
fn clean(store: &dyn Store, dirs: &Dirs, keep: Duration, quiet: bool) -> anyhow::Result<u64> {
    let (mut removed, now_ms) = (0, crate::clock::now_ms());
    for entry in fs::read_dir(&dirs.inputs).map_err(FilesError::io("reading", &dirs.inputs))? {
        let path = entry
            .map_err(FilesError::io("reading", &dirs.inputs))?
            .path();
        let id = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse::<JobId>().ok());
        let Some(id) = id else { continue };
        let needed = match store.job(None, id)? {
            None => !quiet,
            Some(job) => {
                let failed = job
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.code != FailureCode::Cancelled);
                let age_ms = now_ms - job.finished_at_ms.unwrap_or(now_ms);
                !job.status.is_final() || (failed && age_ms < keep.as_millis() as i64)
            }
        };
        if needed {
            continue;
        }
        match fs::remove_file(&path) {
            // Its job may remove it at the same time.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            outcome => {
                outcome.map_err(FilesError::io("removing", &path))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn kept_files_are_opened_left_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        dirs.prepare().unwrap();
        let make = |text: &str| {
            let mut file = NamedTempFile::new_in(&dirs.uploads).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let job = JobId::random();
        assert!(!has(&dirs, job) && !move_to_job(&dirs, job, JobId::random()).unwrap());
        Inputs {
            image: make("image"),
            mask: Some(make("mask")),
        }
        .keep(&dirs, job)
        .unwrap();
        let count = || fs::read_dir(&dirs.inputs).unwrap().count();
        assert_eq!(count(), 2);
        let opened = Inputs::open(&dirs, job).unwrap();
        assert_eq!(
            fs::read_to_string(opened.mask.as_ref().unwrap().path()).unwrap(),
            "mask"
        );
        opened.leave();
        assert_eq!(count(), 2);
        let (other, third) = (JobId::random(), JobId::random());
        assert!(move_to_job(&dirs, job, other).unwrap());
        assert!(!move_to_job(&dirs, job, third).unwrap(), "only one has it");
        assert_eq!(
            (has(&dirs, job), has(&dirs, other), count()),
            (false, true, 2)
        );
        assert!(move_to_job(&dirs, other, job).unwrap());
        drop(Inputs::open(&dirs, job).unwrap());
        assert_eq!(count(), 0);
        assert!(Inputs::open(&dirs, job).is_err());
        remove(&dirs, job);
    }
}
