//! Pictures of jobs: input, result, mask.

use std::io::Read;
use std::path::PathBuf;

use actix_web::{HttpResponse, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{GetImage, ImagePart};
use cleanplate_api::endpoint::Picture;
use cleanplate_pictures::{EncodeOptions, Format};
use cleanplate_store::Job;

use super::{AdminState, errors, jobs};
use crate::answer::Answer;
use crate::app::App;
use crate::blocking::blocking;
use crate::params;
use crate::refusal::Refusal;

/// Bytes at a time; a result may have a hundred megabytes.
const CHUNK_BYTES: usize = 256 << 10;

/// Where a picture lies, if it is there. Blocks.
pub fn path(app: &App, job: &Job, part: ImagePart) -> Option<PathBuf> {
    let kept = job
        .result
        .as_ref()
        .filter(|kept| kept.swept_at_ms.is_none())
        .map(|kept| &kept.result);
    let stored = |name: &str| app.dirs.results.join(name);
    let paths = match part {
        ImagePart::Input => vec![
            crate::files::kept_image(&app.dirs, job.id),
            crate::files::preview_path(&app.dirs, job.id),
        ],
        ImagePart::Result => vec![stored(&kept?.output.name)],
        ImagePart::Mask => vec![stored(&kept?.mask.as_ref()?.name)],
    };
    paths.into_iter().find(|path| path.is_file())
}

/// `GET /jobs/{id}/images/{part}`
pub async fn get(
    app: web::Data<App>,
    state: web::Data<AdminState>,
    at: web::Path<(String, String)>,
    params::Params(size): params::Params<GetImage>,
) -> Result<Answer<Picture>, Refusal> {
    let (id, name) = at.into_inner();
    let parts = [ImagePart::Input, ImagePart::Result, ImagePart::Mask];
    let part = parts
        .into_iter()
        .find(|part| part.as_str() == name)
        .ok_or_else(errors::not_found)?;
    let side = size
        .side_px_max
        .map(|side| params::whole("side_px_max", Some(side), 16..=2048, 0))
        .transpose()?;
    let job = jobs::find(&app, &id).await?;
    let swept = job
        .result
        .as_ref()
        .is_some_and(|kept| kept.swept_at_ms.is_some());
    let inner = app.clone().into_inner();
    let path = blocking(move || path(&inner, &job, part))
        .await?
        .ok_or_else(|| {
            let code = if swept {
                ErrorCode::Gone
            } else {
                ErrorCode::NotFound
            };
            Refusal::new(code, format!("the {name} of this job is not there"))
        })?;
    match side {
        None => whole(path).await,
        Some(side) => reduced(&app, &state, path, side).await,
    }
}

async fn whole(path: PathBuf) -> Result<Answer<Picture>, Refusal> {
    let open = move || -> std::io::Result<_> {
        let mut file = std::fs::File::open(&path)?;
        let bytes = file.metadata()?.len();
        let mut head = vec![0u8; 16.min(bytes as usize)];
        file.read_exact(&mut head)?;
        Ok((file, bytes, head))
    };
    let (file, bytes, head) = blocking(open)
        .await?
        .map_err(|error| Refusal::internal("a picture of a job cannot be read", &error))?;
    let media_type = Format::of(&head).map_or("application/octet-stream", Format::media_type);
    let rest =
        futures_util::stream::try_unfold(tokio::fs::File::from_std(file), |mut file| async move {
            let mut chunk = vec![0u8; CHUNK_BYTES];
            let count = tokio::io::AsyncReadExt::read(&mut file, &mut chunk).await?;
            chunk.truncate(count);
            Ok((count > 0).then_some((web::Bytes::from(chunk), file)))
        });
    let head =
        futures_util::stream::once(async { Ok::<_, std::io::Error>(web::Bytes::from(head)) });
    let body = actix_web::body::SizedStream::new(
        bytes,
        futures_util::StreamExt::chain(head, Box::pin(rest)),
    );
    let reply = HttpResponse::Ok()
        .content_type(media_type)
        .insert_header(("Cache-Control", "no-store"))
        .body(body);
    Ok(Answer::made(reply))
}

async fn reduced(
    app: &web::Data<App>,
    state: &AdminState,
    path: PathBuf,
    side: u32,
) -> Result<Answer<Picture>, Refusal> {
    let _turn = state
        .decoding
        .acquire()
        .await
        .map_err(|error| Refusal::internal("waiting to decode a picture", &error))?;
    let (limits, memory) = (app.jobs.image_limits(), app.jobs.memory());
    let make = move || -> Result<Vec<u8>, Refusal> {
        let bytes = std::fs::read(&path)
            .map_err(|error| Refusal::internal("a picture of a job cannot be read", &error))?;
        let unshown = |error| errors::conflict(format!("the picture cannot be shown: {error}"));
        let header = cleanplate_pictures::probe(&bytes, &limits).map_err(unshown)?;
        let _room = memory.take(header.need.decode_bytes_max, || false);
        let photo = cleanplate_pictures::decode(&bytes, &limits).map_err(unshown)?;
        let small = crate::picture::reduced(&photo, side as usize);
        let options = EncodeOptions {
            format: Some(Format::Png),
            quality: None,
        };
        small
            .encode(&options)
            .map_err(|error| Refusal::internal("a reduced picture cannot be written", &error))
    };
    let png = blocking(make).await??;
    let reply = HttpResponse::Ok()
        .content_type("image/png")
        .insert_header(("Cache-Control", "no-store"))
        .body(png);
    Ok(Answer::made(reply))
}
