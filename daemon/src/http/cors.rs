//! Calls of web pages from other origins, as far as `server.cors_origins` allows them.

use actix_cors::Cors;
use actix_web::http::Method;

use crate::config::Origins;

/// Seconds that a browser may keep the answer to its question beforehand.
const ASK_AGAIN_S: usize = 3600;

/// Headers of requests that a page may send.
const REQUEST: &[&str] = &[
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Prefer",
    "Range",
    "If-None-Match",
    "If-Range",
    "Last-Event-ID",
];

/// Headers of replies that a page may read, besides the usual ones.
const REPLY: &[&str] = &[
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Location",
    "Content-Range",
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Credits-Charged",
    "X-Credits-Remaining",
    "X-Job-Id",
    "X-Mask-Share",
    "X-Model",
    "X-Predicted-Iou",
    "X-Processing-Time-Ms",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
];

/// Whether any page may call at all.
pub fn is_open(origins: &Origins) -> bool {
    *origins != Origins::Listed(Vec::new())
}

/// The middleware. Keys travel in a header that pages set themselves: cookies are never asked for.
pub fn middleware(origins: &Origins) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allowed_headers(REQUEST.iter().copied())
        .expose_headers(REPLY.iter().copied())
        .max_age(ASK_AGAIN_S);
    match origins {
        Origins::All => cors.allow_any_origin().send_wildcard(),
        Origins::Listed(list) => list
            .iter()
            .fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
}
