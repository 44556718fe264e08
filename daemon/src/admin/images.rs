//! Pictures of jobs: input, result, mask.

use std::io::{Read, Seek};

use actix_web::body::SizedStream;
use actix_web::{HttpResponse, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{GetImage, ImagePart};
use cleanplate_api::endpoint::Picture;
use cleanplate_pictures::{EncodeOptions, Format};
use cleanplate_store::{Job, StoredFile};
use tempfile::NamedTempFile;

use super::{AdminState, errors, jobs};
use crate::answer::Answer;
use crate::app::App;
use crate::blocking::blocking;
use crate::files::{FilesError, Kind, Mapped, input_name, preview_names, read_on};
use crate::params;
use crate::refusal::Refusal;

/// Where a picture of a job lies, if it is there: kind and name. Blocks.
pub fn find(app: &App, job: &Job, part: ImagePart) -> Result<Option<(Kind, String)>, FilesError> {
    let kept = job
        .result
        .as_ref()
        .filter(|kept| kept.swept_at_ms.is_none())
        .map(|kept| &kept.result);
    let result = |file: Option<&StoredFile>| {
        let name = file.map(|file| file.name.clone());
        name.map(|name| (Kind::Results, name)).into_iter().collect()
    };
    let places: Vec<(Kind, String)> = match part {
        ImagePart::Input => {
            let copies = preview_names(job).map(|name| (Kind::Previews, name));
            let upload = [(Kind::Inputs, input_name(job.id))];
            upload.into_iter().chain(copies).collect()
        }
        ImagePart::Result => result(kept.map(|kept| &kept.output)),
        ImagePart::Mask => result(kept.and_then(|kept| kept.mask.as_ref())),
    };
    for (kind, name) in places {
        if app.blobs.has(kind, &name)? {
            return Ok(Some((kind, name)));
        }
    }
    Ok(None)
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
    let at_hand = move || -> Result<_, FilesError> {
        Ok(match find(&inner, &job, part)? {
            Some((kind, name)) => inner.blobs.at_hand(kind, &name)?,
            None => None,
        })
    };
    let picture = blocking(at_hand).await??.ok_or_else(|| {
        let code = if swept {
            ErrorCode::Gone
        } else {
            ErrorCode::NotFound
        };
        Refusal::new(code, format!("the {name} of this job is not there"))
    })?;
    match side {
        None => whole(picture).await,
        Some(side) => reduced(&app, &state, picture, side).await,
    }
}

async fn whole(picture: NamedTempFile) -> Result<Answer<Picture>, Refusal> {
    let open = move || -> std::io::Result<_> {
        let mut file = picture.as_file();
        let bytes = file.metadata()?.len();
        let mut head = vec![0u8; 16.min(bytes as usize)];
        file.read_exact(&mut head)?;
        file.rewind()?;
        Ok((picture.into_parts().0, bytes, head))
    };
    let (file, bytes, head) = blocking(open)
        .await?
        .map_err(|error| Refusal::internal("a picture of a job cannot be read", &error))?;
    let media_type = Format::of(&head).map_or("application/octet-stream", Format::media_type);
    let reply = HttpResponse::Ok()
        .content_type(media_type)
        .insert_header(("Cache-Control", "no-store"))
        .body(SizedStream::new(bytes, read_on(file, bytes)));
    Ok(Answer::made(reply))
}

async fn reduced(
    app: &web::Data<App>,
    state: &AdminState,
    picture: NamedTempFile,
    side: u32,
) -> Result<Answer<Picture>, Refusal> {
    let _turn = state
        .decoding
        .acquire()
        .await
        .map_err(|error| Refusal::internal("waiting to decode a picture", &error))?;
    let (limits, memory) = (app.jobs.image_limits(), app.jobs.memory());
    let make = move || -> Result<Vec<u8>, Refusal> {
        let bytes = Mapped::of(&picture)?;
        let unshown = |error| errors::conflict(format!("the picture cannot be shown: {error}"));
        let header = cleanplate_pictures::probe(&bytes, &limits).map_err(unshown)?;
        let _room = memory
            .take(header.need.decode_bytes_max, || false)
            .map_err(|error| Refusal::image("image", &error))?;
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
