//! A stored picture in another format or quality, written when it is fetched: steps in between stay without loss, and the last one
//! keeps camera data and colour profile, which a browser cannot write.

use std::fs::File;
use std::io::{Seek, Write};
use std::time::Duration;

use cleanplate_api::ErrorCode;
use cleanplate_pictures::{EncodeOptions, Format, ImageError};
use cleanplate_store::{Job, KeyId, StoredFile};

use super::files::missing;
use crate::app::App;
use crate::blocking::blocking;
use crate::files::{FilesError, Mapped};
use crate::jobs::conversion_bytes;
use crate::limits::Held;
use crate::params;
use crate::refusal::Refusal;
use crate::tuning::{Query, Tuning};

/// Longest wait for a turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(20);

/// The form that the query of a file's address asks for; `None`: as it is stored. Other parameters are ignored.
pub fn wanted(query: &str, file: &StoredFile) -> Result<Option<EncodeOptions>, Refusal> {
    let mut query: Query = params::query(query)?;
    query.retain(|(name, _)| name == "output_format" || name == "quality");
    let options = Tuning::parse(&query).map_err(Refusal::fields)?.encode();
    let asked = options
        .format
        .map_or(&*file.media_type, |format| format.media_type());
    let lossy = [Format::Jpeg, Format::WebP].map(Format::media_type);
    let other_quality = options.quality.is_some() && lossy.contains(&asked);
    Ok(Some(options).filter(|_| asked != file.media_type || other_quality))
}

/// What to say of a picture in another form before it is made: its size is not known then.
pub fn described(file: &StoredFile, options: &EncodeOptions) -> StoredFile {
    let mut shown = file.clone();
    if let Some(format) = options.format {
        let stem = file.name.rsplit_once('.');
        let stem = stem.map_or(&*file.name, |(stem, _)| stem);
        shown.name = format!("{stem}.{}", format.extension());
        shown.media_type = format.media_type().to_string();
    }
    shown
}

/// A picture in another form: in a file without a name, since who fetches it may read slowly.
pub struct Converted {
    /// What to say of it.
    pub shown: StoredFile,
    /// Its bytes, from their beginning.
    pub file: File,
    /// Its room on the volume, one account with the key's uploads.
    pub held: Held,
}

/// A result of a job in the form asked for. Its room is one account with the uploads of the job's key; jobs without one share
/// theirs.
pub async fn converted(
    app: &App,
    job: &Job,
    file: &StoredFile,
    options: EncodeOptions,
) -> Result<Converted, Refusal> {
    let turn = app.conversions.wait(job.account, TURN_WAIT_MAX).await;
    let turn = turn.ok_or_else(|| {
        let text =
            "other pictures are being written in another format, for this account or for all";
        Refusal::new(ErrorCode::Unavailable, text).retry_after(2)
    })?;
    let (memory, limits) = (app.jobs.memory(), app.jobs.image_limits());
    let mut held = app.limits.uploads.begin(job.key.unwrap_or(KeyId(0)));
    let (dir, blobs) = (app.dirs.uploads.clone(), app.blobs.clone());
    let (of, stored) = (job.clone(), file.clone());
    let made = blocking(move || {
        // Held until it is done, whether or not the client still waits.
        let _turn = turn;
        let wrong = |error: ImageError| Refusal::image("output_format", &error);
        if !blobs.is_private() {
            // A copy of it comes first.
            held.grow(stored.bytes)?;
        }
        let source = blobs.result_at_hand(&stored)?;
        let source = source.ok_or_else(|| missing(&of, &stored))?;
        let bytes = Mapped::of(&source)?;
        let header = cleanplate_pictures::probe(&bytes, &limits).map_err(wrong)?;
        let room = memory.take(conversion_bytes(&header), || false);
        let _room = room.map_err(wrong)?;
        let photo = cleanplate_pictures::decode(&bytes, &limits).map_err(wrong)?;
        photo.check_format(&options).map_err(wrong)?;
        let format = options.format_of(photo.format);
        let bytes = photo.encode_with_warnings(&options, &mut Vec::new());
        let bytes = bytes.map_err(wrong)?;
        held.grow(bytes.len() as u64)?;
        let io = FilesError::io("writing a picture in another format to", &dir);
        let written = tempfile::tempfile_in(&dir).and_then(|mut file| {
            file.write_all(&bytes)?;
            file.rewind()?;
            Ok(file)
        });
        let written = written.map_err(io)?;
        held.arrived(bytes.len() as u64);
        Ok::<_, Refusal>((format, bytes.len(), written, held))
    });
    let (format, bytes, written, held) = made.await??;
    let format = Some(format);
    let mut shown = described(file, &EncodeOptions { format, ..options });
    shown.bytes = bytes as u64;
    Ok(Converted {
        shown,
        file: written,
        held,
    })
}
