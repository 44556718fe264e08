//! Reduced copies of photos, so that an administrator sees before and after once the upload is gone.

use std::time::Duration;

use cleanplate_pictures::{EncodeOptions, Format, Photo};
use cleanplate_store::Job;

use super::blobs::{Blobs, Kind, name_of};

/// Quality of the copies: to be looked at, not worked on.
const QUALITY: u8 = 80;

/// Names under which the copy of a job's photo may lie: that of its last attempt, and that of older versions.
pub fn preview_names(job: &Job) -> [String; 2] {
    [
        name_of(job.id, job.attempt, ".jpg"),
        format!("{}.jpg", job.id),
    ]
}

/// Keeps a copy with a longer side of `side_px_max`; 0 keeps none. A copy that cannot be kept stops no job.
pub fn keep_preview(blobs: &Blobs, job: &Job, photo: &Photo, side_px_max: u32) {
    if side_px_max == 0 {
        return;
    }
    let small = crate::picture::reduced(photo, side_px_max as usize);
    let options = EncodeOptions {
        format: Some(Format::Jpeg),
        quality: Some(QUALITY),
    };
    let [name, _] = preview_names(job);
    let written = small.encode(&options).map_err(|error| error.to_string());
    let written = written.and_then(|bytes| {
        let put = blobs.put_passing(Kind::Previews, &name, bytes);
        put.map_err(|error| error.to_string())
    });
    if let Err(error) = written {
        tracing::warn!(job_id = %job.id, error, "the reduced copy of a photo could not be kept");
    }
}

/// Removes the copy that an attempt at a job made, if there is one.
pub fn remove_preview(blobs: &Blobs, job: &Job) {
    let [name, _] = preview_names(job);
    blobs.remove_soon(Kind::Previews, &name);
}

/// Removes copies older than `keep`. Returns how many went.
pub fn sweep_previews(blobs: &Blobs, keep: Duration) -> anyhow::Result<u64> {
    let mut swept = 0;
    blobs.list(Kind::Previews, &mut |copy| {
        if copy.age > keep {
            swept += u64::from(blobs.remove(Kind::Previews, &copy.name)?);
        }
        Ok(())
    })?;
    Ok(swept)
}
