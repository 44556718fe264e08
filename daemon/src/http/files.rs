//! `GET /v1/files/{job}`, `/mask` and `/candidates/{n}`: results behind signed addresses.

use std::ops::Range;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use cleanplate_api::endpoint::{Picture, Png};
use cleanplate_api::{ErrorBody, ErrorCode};
use cleanplate_pictures::{EncodeOptions, Format};
use cleanplate_store::{Job, JobId, Store, StoreError, StoredFile};
use futures_util::{StreamExt, stream};

use super::context::guard_public;
use super::{convert, cors};
use crate::answer::{Answer, Opaque};
use crate::app::App;
use crate::clock::now_s;
use crate::files::{
    ByteRange, ByteStream, Refused, Signed, parse_range, read_on, shown_name, verify,
};
use crate::hex::hex;
use crate::refusal::Refusal;

/// The result of a job.
pub async fn get_output(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Answer<Picture>, Refusal> {
    get(&req, &id, &app, convert::wanted, |job| {
        job.result.as_ref().map(|kept| kept.result.output.clone())
    })
    .await
}

/// The mask that a job used, after growing.
pub async fn get_mask(
    req: HttpRequest,
    id: web::Path<String>,
    app: web::Data<App>,
) -> Result<Answer<Png>, Refusal> {
    get(
        &req,
        &id,
        &app,
        |_, _| Ok(None),
        |job| {
            job.result
                .as_ref()
                .and_then(|kept| kept.result.mask.clone())
        },
    )
    .await
}

/// One of the fills that a job made, by its number in the reply.
pub async fn get_candidate(
    req: HttpRequest,
    path: web::Path<(String, String)>,
    app: web::Data<App>,
) -> Result<Answer<Picture>, Refusal> {
    let (id, number) = path.into_inner();
    get(&req, &id, &app, convert::wanted, |job| {
        let kept = job.result.as_ref()?;
        let candidate = kept.result.candidates.get(number.parse::<usize>().ok()?)?;
        Some(candidate.file.clone())
    })
    .await
}

async fn get<C: Opaque>(
    req: &HttpRequest,
    id: &str,
    app: &App,
    form_of: impl FnOnce(&str, &StoredFile) -> Result<Option<EncodeOptions>, Refusal>,
    file_of: impl FnOnce(&Job) -> Option<StoredFile>,
) -> Result<Answer<C>, Refusal> {
    guard_public(req, app)?;
    let signed = Signed::parse(req.query_string()).map_err(refused)?;
    let owner = match id.parse::<JobId>() {
        Ok(id) => app.store(move |store| owner(store, id)).await?,
        Err(_) => None,
    };
    // An unknown job is checked like any other: its answer and its time tell nothing.
    let epoch = owner.as_ref().map_or(0, |(_, epoch)| *epoch);
    verify(&app.url_keys, req.uri().path(), &signed, epoch, now_s()).map_err(refused)?;
    let (job, _) = owner.ok_or_else(gone)?;
    let swept = job
        .result
        .as_ref()
        .is_none_or(|kept| kept.swept_at_ms.is_some());
    let file = file_of(&job).filter(|_| !swept).ok_or_else(gone)?;
    let form = form_of(req.query_string(), &file)?;
    let etag = etag(&file, form.as_ref());
    if matches(req.headers(), IF_NONE_MATCH.as_str(), &etag) {
        let reply = head(HttpResponse::NotModified(), &file, &etag).finish();
        return Ok(Answer::made(reply));
    }
    let reply = match form {
        None => match elsewhere(req, app, &file, &signed).await? {
            Some(reply) => reply,
            None => send(req, app, &job, &file, &etag).await?,
        },
        // Not made for its head alone: the length is left open.
        Some(form) if req.method() == Method::HEAD => {
            drop(open(app, &job, &file, 0..0).await?);
            let mut reply = head(HttpResponse::Ok(), &convert::described(&file, &form), &etag);
            reply.insert_header((ACCEPT_RANGES, "none"));
            reply.streaming(stream::empty::<std::io::Result<web::Bytes>>())
        }
        Some(form) => {
            let made = convert::converted(app, &job, &file, form).await?;
            let mut reply = head(HttpResponse::Ok(), &made.shown, &etag);
            reply.insert_header((ACCEPT_RANGES, "none"));
            let (body, held) = (read_on(made.file, made.shown.bytes), made.held);
            let body = body.inspect(move |_| {
                // Its room is taken until the last byte is on its way.
                let _held = &held;
            });
            reply.body(SizedStream::new(made.shown.bytes, body))
        }
    };
    // Pages that may call the interface may show its pictures.
    let who = if cors::is_open(&app.config.server.cors_origins) {
        "cross-origin"
    } else {
        "same-site"
    };
    Ok(Answer::made(reply).with("Cross-Origin-Resource-Policy", who))
}

pub(super) fn gone() -> Refusal {
    Refusal::new(ErrorCode::Gone, "the result was removed")
}

/// What a client is told, and the log, when a job's result is not there or not what was stored.
pub(super) fn missing(job: &Job, file: &StoredFile) -> Refusal {
    tracing::error!(job_id = %job.id, file = file.name, "a result is missing or differs from what was stored");
    gone()
}

/// Bytes of a job's result as it was stored.
async fn open(
    app: &App,
    job: &Job,
    file: &StoredFile,
    part: Range<u64>,
) -> Result<ByteStream, Refusal> {
    let opened = app.blobs.open(file, part).await?;
    opened.ok_or_else(|| missing(job, file))
}

/// The result of a job as the answer to the call that asked for it.
pub(super) async fn picture(
    req: &HttpRequest,
    app: &App,
    job: &Job,
) -> Result<Answer<Picture>, Refusal> {
    let kept = job.result.as_ref().ok_or_else(gone)?;
    let file = &kept.result.output;
    let etag = etag(file, None);
    let reply = head(HttpResponse::Ok(), file, &etag);
    let reply = send_part(req, reply, app, job, file, 0..file.bytes).await?;
    Ok(Answer::made(reply))
}

fn etag(file: &StoredFile, form: Option<&EncodeOptions>) -> String {
    let form = form.map_or_else(String::new, |form| {
        let format = form.format.map_or("", Format::extension);
        format!("-{format}-{}", form.quality.unwrap_or_default())
    });
    format!("\"{}{form}\"", hex(&file.sha256))
}

fn refused(why: Refused) -> Refusal {
    match why {
        Refused::Malformed => Refusal::new(
            ErrorCode::BadRequest,
            "malformed file address: expected ?expires=...&sig=...",
        ),
        Refused::Forged => Refusal::new(
            ErrorCode::Forbidden,
            "the signature of this address is wrong",
        ),
        Refused::Expired => Refusal::new(ErrorCode::Gone, "this address has expired"),
    }
}

/// The job and the epoch that its addresses are signed with.
fn owner(store: &dyn Store, id: JobId) -> Result<Option<(Job, u32)>, StoreError> {
    let Some(job) = store.job(None, id)? else {
        return Ok(None);
    };
    let key = job.key.map(|key| store.key(key)).transpose()?.flatten();
    Ok(Some((job, key.map_or(0, |key| key.url_epoch))))
}

fn matches(headers: &HeaderMap, name: &str, etag: &str) -> bool {
    let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    value.trim() == "*"
        || value
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/") == etag)
}

/// Headers of every answer about a file.
fn head(mut reply: HttpResponseBuilder, file: &StoredFile, etag: &str) -> HttpResponseBuilder {
    reply.insert_header((ETAG, etag.to_string()));
    reply.insert_header((ACCEPT_RANGES, "bytes"));
    reply.insert_header(("Content-Type", file.media_type.clone()));
    reply.insert_header(("Content-Disposition", disposition(file)));
    reply.insert_header(("X-Content-Type-Options", "nosniff"));
    reply.insert_header(("Content-Security-Policy", "default-src 'none'; sandbox"));
    reply.insert_header(("Cache-Control", "private, no-store"));
    reply.insert_header(("Referrer-Policy", "no-referrer"));
    reply
}

/// Sends a client to the store of files itself, where the configuration says so.
async fn elsewhere(
    req: &HttpRequest,
    app: &App,
    file: &StoredFile,
    signed: &Signed,
) -> Result<Option<HttpResponse>, Refusal> {
    let Some(valid) = app
        .config
        .files
        .presign
        .filter(|_| req.method() == Method::GET)
    else {
        return Ok(None);
    };
    // Never longer than the address that was given out.
    let left = u64::try_from(signed.expires_s - now_s())
        .unwrap_or(0)
        .max(1);
    let valid = valid.min(Duration::from_secs(left));
    let found = app.blobs.signed(file, disposition(file), valid).await?;
    Ok(found.map(|url| {
        HttpResponse::TemporaryRedirect()
            .insert_header(("Location", url))
            .insert_header(("Cache-Control", "private, no-store"))
            .insert_header(("Referrer-Policy", "no-referrer"))
            .finish()
    }))
}

fn disposition(file: &StoredFile) -> String {
    format!("attachment; filename=\"{}\"", shown_name(&file.name))
}

async fn send(
    req: &HttpRequest,
    app: &App,
    job: &Job,
    file: &StoredFile,
    etag: &str,
) -> Result<HttpResponse, Refusal> {
    let fresh =
        !req.headers().contains_key(IF_RANGE) || matches(req.headers(), IF_RANGE.as_str(), etag);
    let range = req
        .headers()
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .filter(|_| fresh);
    let (status, part) = match parse_range(range, file.bytes) {
        ByteRange::Whole => (StatusCode::OK, 0..file.bytes),
        ByteRange::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first..last + 1),
        ByteRange::Outside => {
            let mut reply = head(
                HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE),
                file,
                etag,
            );
            reply.insert_header((CONTENT_RANGE, format!("bytes */{}", file.bytes)));
            reply.insert_header(("Content-Type", "application/json"));
            let error = ErrorBody::new(
                ErrorCode::RangeNotSatisfiable,
                format!("the range lies outside of the file of {} bytes", file.bytes),
            );
            return Ok(reply.json(error));
        }
    };
    let mut reply = head(HttpResponse::build(status), file, etag);
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last, all) = (part.start, part.end - 1, file.bytes);
        reply.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{all}")));
    }
    send_part(req, reply, app, job, file, part).await
}

/// Sends a part of a result, or says how much that would be.
async fn send_part(
    req: &HttpRequest,
    mut reply: HttpResponseBuilder,
    app: &App,
    job: &Job,
    file: &StoredFile,
    part: Range<u64>,
) -> Result<HttpResponse, Refusal> {
    let bytes = part.end - part.start;
    let body = if req.method() == Method::HEAD {
        open(app, job, file, 0..0).await?
    } else {
        open(app, job, file, part).await?
    };
    Ok(reply.body(SizedStream::new(bytes, body)))
}
