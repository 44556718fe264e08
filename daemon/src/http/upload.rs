//! Uploads: parts streamed to files, counted and recognised while they arrive, never held in memory as a whole.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_multipart::MultipartError;
use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, Payload};
use cleanplate_api::{ErrorCode, FieldError};
use cleanplate_pictures::{Format, ImageError};
use cleanplate_store::AccountId;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::io::{AsyncWriteExt, BufWriter};

use super::fetch;
use super::part::{Form, Part};
use crate::app::App;
use crate::blocking::blocking;
use crate::files::FilesError;
use crate::limits::Held;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};
use crate::tuning::{IN_FORM, PARAMETERS};

/// Bytes of a body besides the files: boundaries, part heads, small fields.
const SLACK_BYTES: u64 = 1 << 20;
/// Bytes that are set aside at a time for a body of unknown length.
const STEP_BYTES: u64 = 1 << 20;
/// Bytes that are enough to recognise a type.
pub(super) const HEAD_BYTES: usize = 16;
/// Bytes that are written to a file at a time.
const WRITE_BYTES: usize = 128 << 10;
/// Most bytes of a field that is not a file.
const SMALL_FIELD_BYTES: u64 = 64 << 10;
/// Fields of a removal that are files.
const FILES: [&str; 2] = ["image", "mask"];

/// A file that a client sent. The file on disk goes when this is dropped.
#[derive(Debug)]
pub struct Upload {
    /// The bytes.
    pub file: NamedTempFile,
    /// Name the client gave it, made safe to show, at most 255 characters. Never used as a path.
    pub filename: String,
    /// SHA-256 of the bytes: what makes a repeated request the same.
    pub sha256: [u8; 32],
}

/// Files of a removal.
#[derive(Debug, Default)]
pub struct Parts {
    /// The photo.
    pub image: Option<Upload>,
    /// The mask.
    pub mask: Option<Upload>,
    /// Parameters that came as fields of the form, in order.
    pub fields: Vec<(String, String)>,
}

struct Source {
    payload: Payload,
    seen_bytes: u64,
    bytes_max: u64,
    held: Option<Held>,
}

impl Source {
    /// Counts bytes that came; more than were set aside find room as they come.
    fn count(&mut self, bytes: usize) -> Result<(), PayloadError> {
        self.seen_bytes += bytes as u64;
        if self.seen_bytes > self.bytes_max {
            return Err(PayloadError::Overflow);
        }
        let Some(held) = &mut self.held else {
            return Ok(());
        };
        let more = self.seen_bytes.saturating_sub(held.bytes());
        if more > 0 {
            held.grow(more.next_multiple_of(STEP_BYTES))
                .map_err(|refusal| PayloadError::Io(std::io::Error::other(refusal)))?;
        }
        held.arrived(bytes as u64);
        Ok(())
    }
}

/// A request body with a limit on its length. Clones share the body.
#[derive(Clone)]
pub struct FormBody(Rc<RefCell<Source>>);

impl FormBody {
    /// Wraps a body that may carry `files` files.
    pub fn new(payload: Payload, app: &App, files: u64) -> Self {
        let bytes_max = app.config.limits.upload_bytes_max * files + SLACK_BYTES;
        FormBody(Rc::new(RefCell::new(Source {
            payload,
            seen_bytes: 0,
            bytes_max,
            held: None,
        })))
    }

    /// Sets the announced bytes aside, and whatever comes beyond them as it comes.
    pub fn hold(&self, mut held: Held, announced: Option<u64>) -> Result<(), Refusal> {
        let mut source = self.0.borrow_mut();
        // More than fits is refused for that when it is opened.
        held.grow(announced.unwrap_or_default().min(source.bytes_max))?;
        source.held = Some(held);
        Ok(())
    }

    /// Sets bytes aside that come from elsewhere.
    pub(super) fn reserve(&self, bytes: u64) -> Result<(), Refusal> {
        match &mut self.0.borrow_mut().held {
            Some(held) => held.grow(bytes),
            None => Ok(()),
        }
    }

    /// Bytes that it may carry.
    pub(super) fn bytes_max(&self) -> u64 {
        self.0.borrow().bytes_max
    }
}

impl Stream for FormBody {
    type Item = Result<Bytes, PayloadError>;
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut source = self.0.borrow_mut();
        let polled = Pin::new(&mut source.payload).poll_next(cx);
        if let Poll::Ready(Some(Ok(chunk))) = &polled
            && let Err(error) = source.count(chunk.len())
        {
            return Poll::Ready(Some(Err(error)));
        }
        polled
    }
}

/// Receives the files of a removal, within the limits on bytes, parts and time. The photo may be fetched instead.
pub async fn receive(
    req: &HttpRequest,
    body: &FormBody,
    app: &App,
    account: AccountId,
    image_url: Option<&str>,
) -> Result<Parts, Refusal> {
    let mut parts = match open(req, body, app)? {
        Some(form) => {
            let bytes = announced(req).unwrap_or_else(|| body.bytes_max());
            let limit = app.config.server.upload.limit(bytes);
            within(limit, read_parts(form, app)).await?
        }
        None => Parts::default(),
    };
    if let Some(url) = image_url {
        if parts.image.is_some() {
            let both = "send `image` or name `image_url`, not both";
            return Err(Refusal::field(
                &["query", "image_url"],
                both,
                "value_error.duplicate",
            ));
        }
        parts.image = Some(fetch::image(url, body, app, account).await?);
    }
    Ok(parts)
}

/// The form in a body; `None` when it is none.
pub(super) fn open(req: &HttpRequest, body: &FormBody, app: &App) -> Result<Option<Form>, Refusal> {
    if announced(req).is_some_and(|bytes| bytes > body.bytes_max()) {
        return Err(too_large(app));
    }
    Ok(Form::of(req, body))
}

/// Waits for an upload no longer than this.
pub(super) async fn within<T>(
    limit: Duration,
    read: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    match tokio::time::timeout(limit, read).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::new(
            ErrorCode::UploadTimeout,
            format!("the upload took longer than {} s", limit.as_secs()),
        )),
    }
}

/// Length of the body that the client announced.
pub fn announced(req: &HttpRequest) -> Option<u64> {
    let value = req.headers().get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

pub(super) fn too_large(app: &App) -> Refusal {
    Refusal::new(
        ErrorCode::TooLarge,
        format!(
            "a file may have at most {} bytes",
            app.config.limits.upload_bytes_max
        ),
    )
}

fn too_slow(app: &App) -> Refusal {
    let least = app.config.server.upload.bytes_per_s_min;
    Refusal::new(
        ErrorCode::UploadTimeout,
        format!("the upload came slower than {least} bytes per second"),
    )
}

async fn read_parts(mut form: Form, app: &App) -> Result<Parts, Refusal> {
    let (mut parts, mut count) = (Parts::default(), 0);
    while let Some(part) = form.next(app).await? {
        count += 1;
        if count > app.config.limits.parts_max {
            let message = format!("at most {} parts are accepted", app.config.limits.parts_max);
            return Err(Refusal::field(&["body"], message, "value_error.parts"));
        }
        match part.name.as_str() {
            // The second is what clients of a hosted segmentation service send.
            "image" | "file" => put(&mut parts.image, "image", part, app).await?,
            "mask" => put(&mut parts.mask, "mask", part, app).await?,
            name if IN_FORM.contains(&name) => parts.fields.extend(parameter(part, app).await?),
            _ => skip(part, app, &FILES).await?,
        }
    }
    Ok(parts)
}

async fn put(slot: &mut Option<Upload>, name: &str, part: Part, app: &App) -> Result<(), Refusal> {
    let upload = store(name, part, app).await?;
    if upload.is_some() && slot.is_some() {
        return Err(Refusal::field(
            &["body", name],
            "the field is there more than once",
            "value_error.duplicate",
        ));
    }
    if upload.is_some() {
        *slot = upload;
    }
    Ok(())
}

/// Streams one part to a file. `None` for what browsers send for a file that was not chosen: no name and no bytes.
pub(super) async fn store(name: &str, part: Part, app: &App) -> Result<Option<Upload>, Refusal> {
    let Part {
        filename,
        mut field,
        ..
    } = part;
    let dir = app.dirs.uploads.clone();
    let make = move || -> std::io::Result<(NamedTempFile, std::fs::File)> {
        let file = tempfile::Builder::new().prefix("up-").tempfile_in(dir)?;
        let handle = file.reopen()?;
        Ok((file, handle))
    };
    let io = |error| {
        Refusal::from(FilesError::io("storing an upload in", &app.dirs.uploads)(
            error,
        ))
    };
    let (file, handle) = blocking(make).await?.map_err(io)?;
    // Each write is a turn of another thread; a client decides how small the pieces are that come.
    let mut handle = BufWriter::with_capacity(WRITE_BYTES, tokio::fs::File::from_std(handle));
    let (mut bytes, mut head, mut known, mut hash) = (0u64, Vec::new(), false, Sha256::new());
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| broken(&error, app))?;
        bytes += chunk.len() as u64;
        if bytes > app.config.limits.upload_bytes_max {
            return Err(too_large(app));
        }
        if !known {
            head.extend_from_slice(&chunk[..chunk.len().min(HEAD_BYTES)]);
            if head.len() >= HEAD_BYTES {
                known = recognise(name, &head)?;
            }
        }
        hash.update(&chunk);
        handle.write_all(&chunk).await.map_err(io)?;
    }
    if bytes == 0 && filename.is_empty() {
        return Ok(None);
    }
    if !known {
        recognise(name, &head)?;
    }
    handle.flush().await.map_err(io)?;
    Ok(Some(Upload {
        file,
        filename,
        sha256: hash.finalize().into(),
    }))
}

pub(super) fn recognise(name: &str, head: &[u8]) -> Result<bool, Refusal> {
    match Format::of(head) {
        Some(_) => Ok(true),
        None => Err(Refusal::new(
            ErrorCode::UnsupportedType,
            format!("{name}: {}", ImageError::unknown(head)),
        )),
    }
}

/// A parameter that came as a field; `None` for one that was left empty, which browsers send.
pub(super) async fn parameter(part: Part, app: &App) -> Result<Option<(String, String)>, Refusal> {
    let Part {
        name, mut field, ..
    } = part;
    let refuse = |message: String| Refusal::field(&["body", &name], message, "value_error.field");
    let mut bytes = Vec::new();
    while let Some(chunk) = field.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| broken(&error, app))?);
        if bytes.len() as u64 > SMALL_FIELD_BYTES {
            let message = format!("the field has more than {SMALL_FIELD_BYTES} bytes");
            return Err(refuse(message));
        }
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| refuse("the field is not UTF-8 text".to_string()))?;
    Ok(Some((name, text)).filter(|(_, text)| !text.trim().is_empty()))
}

/// Reads past a field that the service does not know; `files` are the fields that it does. One that is too long to be a note of the
/// client, or named like a parameter of the query, was meant to count and is refused.
pub(super) async fn skip(part: Part, app: &App, files: &[&str]) -> Result<(), Refusal> {
    let Part {
        name, mut field, ..
    } = part;
    let shown = short(&escaped(&name), 64);
    let place = ["body", shown.as_str()];
    if PARAMETERS.contains(&name.as_str()) {
        let message = format!("{name} is a parameter of the query: send it in the address");
        return Err(Refusal::field(&place, message, "value_error.unknown_field"));
    }
    let mut bytes = 0;
    while let Some(chunk) = field.next().await {
        bytes += chunk.map_err(|error| broken(&error, app))?.len() as u64;
        if bytes > SMALL_FIELD_BYTES {
            let wanted = cleanplate_basics::nearest(&name, files.iter().copied());
            let hint = wanted.map_or_else(
                || format!("files are sent as {}", files.join(" and ")),
                |wanted| format!("did you mean {wanted}?"),
            );
            let message = format!(
                "there is no field of this name, and it has more than {SMALL_FIELD_BYTES} bytes; {hint}"
            );
            return Err(Refusal::field(&place, message, "value_error.unknown_field"));
        }
    }
    Ok(())
}

pub(super) fn broken(error: &MultipartError, app: &App) -> Refusal {
    match error {
        MultipartError::Payload(PayloadError::Overflow) => return too_large(app),
        MultipartError::Payload(PayloadError::Io(error))
            if error.kind() == std::io::ErrorKind::TimedOut =>
        {
            return too_slow(app);
        }
        MultipartError::Payload(PayloadError::Io(error)) => {
            let refusal = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Refusal>());
            if let Some(refusal) = refusal {
                return refusal.clone();
            }
        }
        _ => {}
    }
    let what = match error {
        MultipartError::Parse(error) => format!(
            "the headers of a part cannot be read ({error}); a name may hold no control character, such as NUL"
        ),
        other => other.to_string(),
    };
    Refusal::fields(vec![FieldError::new(
        &["body"],
        format!("the multipart body is malformed: {what}"),
        "value_error.multipart",
    )])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fields_are_those_that_the_interface_declares() {
        let document = serde_json::to_value(cleanplate_api::PUBLIC.document()).unwrap();
        let form = &document["components"]["schemas"]["RemovalForm"]["properties"];
        let declared: BTreeSet<&str> = form.as_object().unwrap().keys().map(|k| &**k).collect();
        let read = FILES.iter().chain(&IN_FORM).copied().collect();
        assert_eq!(declared, read);
    }
}
