//! What is asked before the body of a service call is read: whether the queue has room, the account its price, and the
//! volume the bytes. Who is refused here is told at once, and no byte of theirs is stored.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_ENCODING;
use cleanplate_api::ErrorCode;
use cleanplate_store::{IdempotencyKey, IdempotencyScope, Inquiry, KeyRecord, QueueLimits};

use super::batch_upload::PAIRS_MAX;
use super::check::RequestOptions;
use super::upload::{FormBody, announced};
use crate::app::App;
use crate::blocking::blocking;
use crate::jobs::Service;
use crate::refusal::Refusal;

/// Whether the body of this call is read at all. Bytes are set aside for it; the rest is decided again, for good, when the
/// job is accepted.
pub async fn admit(
    req: &HttpRequest,
    body: &FormBody,
    app: &App,
    key: &KeyRecord,
    ask: &RequestOptions,
    service: Service,
    once: Option<&IdempotencyKey>,
) -> Result<(), Refusal> {
    if let Some(refusal) = app.closed() {
        return Err(refusal);
    }
    check_encoding(req)?;
    body.hold(app.limits.uploads.begin(key.id), announced(req))?;
    // A quote costs nothing and takes no place.
    if ask.tuning.dry_run {
        return Ok(());
    }
    let queue = &app.config.queue;
    // An asynchronous batch puts all its pairs into the queue.
    let batch = req.path().ends_with("/batch") && ask.tuning.asynchronous;
    let beyond = if batch { PAIRS_MAX as u32 } else { 0 };
    let limits = QueueLimits {
        pending_max: queue.length_max as u32,
        in_flight_per_key_max: queue.per_key_in_flight_max + beyond,
    };
    let inquiry = Inquiry {
        account: key.account,
        key: Some(key.id),
        price: service.price(&app.config.pricing),
        idempotency: once.map(|once| (IdempotencyScope::Key(key.id), once.clone())),
    };
    let jobs = app.jobs.clone();
    match blocking(move || jobs.foresee(&inquiry, &limits)).await?? {
        None => Ok(()),
        Some(refused) => Err(app.jobs.refusal(&refused)),
    }
}

/// Bodies come as they are: unpacking them would multiply what a client sends.
fn check_encoding(req: &HttpRequest) -> Result<(), Refusal> {
    let packed = req.headers().get_all(CONTENT_ENCODING).any(|value| {
        !value
            .to_str()
            .is_ok_and(|word| word.trim().eq_ignore_ascii_case("identity"))
    });
    if packed {
        let text = "a body in a content coding is not taken: send it without Content-Encoding";
        return Err(Refusal::new(ErrorCode::UnsupportedType, text));
    }
    Ok(())
}
