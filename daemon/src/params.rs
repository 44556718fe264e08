//! What requests carry: bodies, query parameters, ids; and pages of replies.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{PAGE_ROWS_MAX, Page};
use cleanplate_api::endpoint::{Decode, Endpoint};
use cleanplate_store as store;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;

/// Longest body, bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Longest time for a body.
const BODY_MAX: Duration = Duration::from_secs(10);
/// Longest text of a filter, characters.
const TEXT_CHARS_MAX: usize = 100;

/// The body of a request of `E`.
pub struct Body<E: Endpoint>(pub E::Body);

impl<E: Endpoint<Body: Decode>> FromRequest for Body<E> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Body<E>, Refusal>>>>;

    fn from_request(_: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = payload.take();
        Box::pin(async move {
            let bytes = tokio::time::timeout(BODY_MAX, read(payload)).await;
            let bytes = bytes.map_err(|_| {
                Refusal::new(ErrorCode::UploadTimeout, "the body did not arrive in time")
            })??;
            parse(bytes).map(Body)
        })
    }
}

async fn read(mut payload: Payload) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            Refusal::new(ErrorCode::BadRequest, format!("reading the body: {error}"))
        })?;
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(Refusal::new(
                ErrorCode::TooLarge,
                format!("the body has more than {BODY_BYTES_MAX} bytes"),
            ));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse<T: Decode>(bytes: Vec<u8>) -> Result<T, Refusal> {
    T::decode(bytes).map_err(|error| {
        if error.is_data() {
            Refusal::field(&["body"], error.to_string(), "value_error.json")
        } else {
            Refusal::new(
                ErrorCode::BadRequest,
                format!("the body is not JSON: {error}"),
            )
        }
    })
}

/// The query of a request of `E`; unknown parameters are refused by its type.
pub struct Params<E: Endpoint>(pub E::Query);

impl<E: Endpoint> FromRequest for Params<E> {
    type Error = Refusal;
    type Future = Ready<Result<Params<E>, Refusal>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(query(req.query_string()).map(Params))
    }
}

/// What a query says; one that cannot be read must not be as if it had not been sent.
pub fn query<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    actix_web::web::Query::<T>::from_query(text)
        .map(actix_web::web::Query::into_inner)
        .map_err(|error| Refusal::field(&["query"], error.to_string(), "value_error.query"))
}

/// Reads a number of the path; one that cannot be an id does not exist.
pub fn id<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|_| {
        let shown = crate::telemetry::escaped(&crate::telemetry::short(text, 64));
        Refusal::new(ErrorCode::NotFound, format!("there is no {what} {shown}"))
    })
}

/// A whole number within limits.
pub fn whole(
    name: &str,
    value: Option<u32>,
    range: std::ops::RangeInclusive<u32>,
    without: u32,
) -> Result<u32, Refusal> {
    match value {
        None => Ok(without),
        Some(value) if range.contains(&value) => Ok(value),
        Some(value) => {
            let text = format!(
                "must be a whole number from {} to {}, got {value}",
                range.start(),
                range.end()
            );
            Err(Refusal::field(&["query", name], text, "value_error.range"))
        }
    }
}

/// The page that is asked for.
pub fn page(after: Option<&str>, rows: Option<u32>) -> Result<store::PageRequest, Refusal> {
    let rows = whole("rows", rows, 1..=PAGE_ROWS_MAX, PAGE_ROWS_MAX)?;
    let wrong = |_| {
        Refusal::field(
            &["query", "after"],
            "is not the `next` of a page",
            "value_error.cursor",
        )
    };
    Ok(store::PageRequest {
        after: after.map(str::parse).transpose().map_err(wrong)?,
        rows,
    })
}

/// The text that is looked for; an empty one finds everything.
pub fn text(text: Option<String>) -> Result<Option<String>, Refusal> {
    let text = text.filter(|text| !text.is_empty());
    if text
        .as_ref()
        .is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX)
    {
        let problem = format!("has more than {TEXT_CHARS_MAX} characters");
        return Err(Refusal::field(
            &["query", "text"],
            problem,
            "value_error.length",
        ));
    }
    Ok(text)
}

/// A page of the store as rows of the interface.
pub fn rows<T, R>(page: store::Page<T>, row: impl FnMut(T) -> R) -> Page<R> {
    Page {
        items: page.items.into_iter().map(row).collect(),
        next: page.next.map(|next| next.to_string()),
    }
}
