//! Reduced copies of photos, so that an administrator sees before and after once the upload is gone.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use cleanplate_pictures::{EncodeOptions, Format, Photo};
use cleanplate_store::JobId;

use super::Dirs;

/// Quality of the copies: to be looked at, not worked on.
const QUALITY: u8 = 80;

/// Where the copy of a job's photo lies.
pub fn preview_path(dirs: &Dirs, job: JobId) -> PathBuf {
    dirs.previews.join(format!("{job}.jpg"))
}

/// Keeps a copy with a longer side of `side_px_max`; 0 keeps none. A copy that cannot be kept stops no job.
pub fn keep_preview(dirs: &Dirs, job: JobId, photo: &Photo, side_px_max: u32) {
    if side_px_max == 0 {
        return;
    }
    let small = crate::picture::reduced(photo, side_px_max as usize);
    let options = EncodeOptions {
        format: Some(Format::Jpeg),
        quality: Some(QUALITY),
    };
    let path = preview_path(dirs, job);
    let written = small.encode(&options).map_err(|error| error.to_string());
    if let Err(error) =
        written.and_then(|bytes| fs::write(&path, bytes).map_err(|error| error.to_string()))
    {
        // Half a copy is none.
        drop(fs::remove_file(&path));
        tracing::warn!(path = %path.display(), error, "the reduced copy of a photo could not be kept");
    }
}

/// Removes the copy of a job, if there is one.
pub fn remove_preview(dirs: &Dirs, job: JobId) {
    // One that stays goes with the old ones.
    drop(fs::remove_file(preview_path(dirs, job)));
}

/// Removes copies older than `keep`. Returns how many went.
pub fn sweep_previews(dirs: &Dirs, keep: Duration) -> std::io::Result<u64> {
    let mut swept = 0;
    for entry in fs::read_dir(&dirs.previews)? {
        let entry = entry?;
        let written = entry.metadata()?.modified()?;
        if SystemTime::now()
            .duration_since(written)
            .is_ok_and(|age| age > keep)
        {
            fs::remove_file(entry.path())?;
            swept += 1;
        }
    }
    Ok(swept)
}
