//! A stored picture in another format or quality, written when it is fetched: steps in between stay without loss, and the last one
//! keeps camera data and colour profile, which a browser cannot write.

use std::path::PathBuf;
use std::time::Duration;

use actix_web::web;
use cleanplate_api::ErrorCode;
use cleanplate_pictures::{EncodeOptions, Format, ImageError};
use cleanplate_store::StoredFile;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::blocking::blocking;
use crate::files::Mapped;
use crate::jobs::removal_bytes;
use crate::refusal::Refusal;
use crate::tuning::{Query, Tuning};

/// Conversions at a time: each decodes a picture beside the jobs.
static CONVERSIONS: Semaphore = Semaphore::const_new(1);
/// Longest wait for a turn.
const TURN_WAIT_MAX: Duration = Duration::from_secs(20);

/// The form that the query of a file's address asks for; `None`: as it is stored.
pub fn wanted(query: &str, file: &StoredFile) -> Result<Option<EncodeOptions>, Refusal> {
    let query = web::Query::<Query>::from_query(query)
        .map(web::Query::into_inner)
        .unwrap_or_default();
    let options = Tuning::parse(&query).map_err(Refusal::fields)?.encode();
    let same = options
        .format
        .is_none_or(|format| format.media_type() == file.media_type);
    Ok(Some(options).filter(|options| !same || options.quality.is_some()))
}

/// The picture at `path` in the form asked for: what to say of it, and its bytes.
pub async fn converted(
    app: &App,
    path: PathBuf,
    file: &StoredFile,
    options: EncodeOptions,
) -> Result<(StoredFile, Vec<u8>), Refusal> {
    let busy = |_| {
        let text = "other pictures are being written in another format";
        Refusal::new(ErrorCode::Unavailable, text).retry_after(2)
    };
    let turn = tokio::time::timeout(TURN_WAIT_MAX, CONVERSIONS.acquire())
        .await
        .map_err(busy)?;
    let (memory, limits) = (app.jobs.memory(), app.jobs.image_limits());
    let made = blocking(move || {
        // Held until it is done, whether or not the client still waits.
        let _turn = turn;
        let wrong = |error: ImageError| Refusal::image("output_format", &error);
        let bytes = Mapped::open(&path)?;
        let header = cleanplate_pictures::probe(&bytes, &limits).map_err(wrong)?;
        let _room = memory.take(removal_bytes(&header, None, 0), || false);
        let photo = cleanplate_pictures::decode(&bytes, &limits).map_err(wrong)?;
        photo.check_format(&options).map_err(wrong)?;
        let format = options.format_of(photo.format);
        let bytes = photo.encode_with_warnings(&options, &mut Vec::new());
        Ok::<_, Refusal>((format, bytes.map_err(wrong)?))
    });
    let (format, bytes) = made.await??;
    Ok((described(file, format, bytes.len()), bytes))
}

fn described(file: &StoredFile, format: Format, bytes: usize) -> StoredFile {
    let stem = file
        .name
        .rsplit_once('.')
        .map_or(&*file.name, |(stem, _)| stem);
    StoredFile {
        name: format!("{stem}.{}", format.extension()),
        bytes: bytes as u64,
        media_type: format.media_type().to_string(),
        ..file.clone()
    }
}
