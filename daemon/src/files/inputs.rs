//! Uploads of jobs: kept until their job ends, so that any worker can run it, an asynchronous one after a restart too.

use std::path::Path;
use std::time::Duration;

use cleanplate_store::{FailureCode, Job, JobId, Store};
use tempfile::NamedTempFile;

use super::FilesError;
use super::blobs::{Blobs, Kind};

/// Photo and mask of a job.
pub struct Inputs {
    /// The photo.
    pub image: NamedTempFile,
    /// The mask.
    pub mask: Option<NamedTempFile>,
}

fn names(job: JobId) -> [String; 2] {
    [image_name(job), format!("{job}.mask")]
}

/// Name of the photo of a job while it is kept.
pub fn image_name(job: JobId) -> String {
    format!("{job}.image")
}

impl Inputs {
    /// Keeps the files for a job until [`remove`]. When it returns, they survive a power cut.
    pub fn keep(self, blobs: &Blobs, job: JobId) -> Result<(), FilesError> {
        let kept = blobs.keep(Kind::Inputs, self.named(job));
        kept.inspect_err(|_| remove(blobs, job))
    }

    /// The same for a job that somebody waits for: a power cut may take them.
    pub fn keep_passing(self, blobs: &Blobs, job: JobId) -> Result<(), FilesError> {
        let kept = blobs.keep_passing(Kind::Inputs, self.named(job));
        kept.inspect_err(|_| remove(blobs, job))
    }

    fn named(self, job: JobId) -> Vec<(String, NamedTempFile)> {
        let [image, mask] = names(job);
        let mut files = vec![(image, self.image)];
        files.extend(self.mask.map(|file| (mask, file)));
        files
    }

    /// The kept files of a job, to read. They stay where they are.
    pub fn open(blobs: &Blobs, job: JobId) -> Result<Inputs, FilesError> {
        let [image, mask] = names(job);
        let gone = || {
            let place = blobs.place(Kind::Inputs, &image);
            FilesError::io("opening input", Path::new(&place))(std::io::ErrorKind::NotFound.into())
        };
        Ok(Inputs {
            image: blobs.at_hand(Kind::Inputs, &image)?.ok_or_else(gone)?,
            mask: blobs.at_hand(Kind::Inputs, &mask)?,
        })
    }
}

/// Removes the kept files of a job, if there are any.
pub fn remove(blobs: &Blobs, job: JobId) {
    for name in names(job) {
        blobs.remove_soon(Kind::Inputs, &name);
    }
}

/// Whether the upload of a job is kept.
pub fn has(blobs: &Blobs, job: JobId) -> Result<bool, FilesError> {
    blobs.has(Kind::Inputs, &image_name(job))
}

/// Bytes of all uploads that are kept.
pub fn bytes(blobs: &Blobs) -> anyhow::Result<u64> {
    let mut sum = 0;
    blobs.list(Kind::Inputs, &mut |file| {
        sum += file.bytes;
        Ok(())
    })?;
    Ok(sum)
}

/// Gives the upload of one job to another; of several who try, one succeeds. `false` when it is not kept.
pub fn move_to_job(blobs: &Blobs, from: JobId, to: JobId) -> Result<bool, FilesError> {
    let pairs: Vec<_> = names(from).into_iter().zip(names(to)).collect();
    blobs.rename(Kind::Inputs, &pairs)
}

/// Removes files of jobs that have ended, except those of failed ones that `keep` (from their end on) holds for a retry, and
/// files older than `age_min` that were never accepted. Returns how many went.
pub fn sweep(
    store: &dyn Store,
    blobs: &Blobs,
    keep: Duration,
    age_min: Duration,
) -> anyhow::Result<u64> {
    let (mut removed, now_ms) = (0, crate::clock::now_ms());
    let is_kept = |job: &Job| {
        // As `Jobs::keeps_inputs` has it: others cannot be retried.
        let may_retry = job.asynchronous && job.key.is_some();
        let failed = (job.failure.as_ref())
            .is_some_and(|failure| may_retry && failure.code != FailureCode::Cancelled);
        let age_ms = now_ms - job.finished_at_ms.unwrap_or(now_ms);
        !job.status.is_final() || (failed && age_ms < keep.as_millis() as i64)
    };
    blobs.list(Kind::Inputs, &mut |file| {
        let Some(id) = file.job() else {
            return Ok(());
        };
        let needed = match store.job(None, id)? {
            None => file.age < age_min,
            Some(job) => is_kept(&job),
        };
        if !needed {
            // Its job may remove it at the same time.
            removed += u64::from(blobs.remove(Kind::Inputs, &file.name)?);
        }
        Ok(())
    })?;
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;
    use crate::files::Dirs;

    #[test]
    fn kept_files_are_opened_left_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::under(dir.path());
        dirs.prepare().unwrap();
        let blobs = Blobs::local(&dirs);
        let make = |text: &str| {
            let mut file = NamedTempFile::new_in(&dirs.uploads).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let job = JobId::random();
        assert!(!has(&blobs, job).unwrap() && !move_to_job(&blobs, job, JobId::random()).unwrap());
        Inputs {
            image: make("image"),
            mask: Some(make("mask")),
        }
        .keep(&blobs, job)
        .unwrap();
        let count = || fs::read_dir(&dirs.inputs).unwrap().count();
        assert_eq!(count(), 2);
        let opened = Inputs::open(&blobs, job).unwrap();
        assert_eq!(
            fs::read_to_string(opened.mask.as_ref().unwrap().path()).unwrap(),
            "mask"
        );
        drop(opened);
        assert_eq!(count(), 2, "who reads them leaves them");
        let (other, third) = (JobId::random(), JobId::random());
        assert!(move_to_job(&blobs, job, other).unwrap());
        assert!(!move_to_job(&blobs, job, third).unwrap(), "only one has it");
        assert_eq!(
            (
                has(&blobs, job).unwrap(),
                has(&blobs, other).unwrap(),
                count()
            ),
            (false, true, 2)
        );
        assert!(move_to_job(&blobs, other, job).unwrap());
        remove(&blobs, job);
        assert_eq!(count(), 0);
        assert!(Inputs::open(&blobs, job).is_err());
        remove(&blobs, job);
    }
}
