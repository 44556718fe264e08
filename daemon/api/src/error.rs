//! Error codes: one table from what went wrong to the HTTP status and the shape of the body.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, independent of HTTP. Every error reply of the daemon is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request cannot be understood (a malformed signed URL, no files, counts that differ).
    BadRequest,
    /// No key, or a key that is malformed, unknown, expired or revoked.
    Unauthorized,
    /// The balance is below the price.
    InsufficientCredits,
    /// A signed URL whose signature does not match, or an option the key may not use.
    Forbidden,
    /// No such route, or no such job for this key.
    NotFound,
    /// The route exists, the method does not.
    MethodNotAllowed,
    /// The upload did not arrive in time.
    UploadTimeout,
    /// The same request is under way, or the job was cancelled.
    Conflict,
    /// A signed URL past its expiry, or a result that was swept.
    Gone,
    /// An upload above the byte limit.
    TooLarge,
    /// Bytes that are not JPEG, PNG, WebP, TIFF or BMP.
    UnsupportedType,
    /// Fields that are missing or do not make sense; the body lists each.
    Invalid,
    /// The rate limit of the key or address is used up.
    RateLimited,
    /// The queue, or the key's share of it, is full.
    QueueFull,
    /// A fault of the service itself; nothing was charged.
    Internal,
    /// The daemon is shutting down, or has no device, or lacks a model.
    Unavailable,
    /// The disk that holds uploads and results is full.
    StorageFull,
    /// The bytes asked for lie outside of the file.
    RangeNotSatisfiable,
}

/// Shape of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyShape {
    /// `{"detail": "text", "code": "..."}`
    Text,
    /// `{"detail": [{"loc": [...], "msg": "...", "type": "..."}], "code": "invalid"}`
    Fields,
}

/// One row of [`ERRORS`].
#[derive(Debug, Clone, Copy)]
pub struct ErrorRow {
    /// The code.
    pub code: ErrorCode,
    /// HTTP status.
    pub status: u16,
    /// Shape of the body.
    pub body: BodyShape,
    /// Whether `Retry-After` accompanies it.
    pub retry_after: bool,
    /// Stable name: `code` of the body, label of metrics.
    pub name: &'static str,
    /// When it is sent, for the interface's documentation.
    pub when: &'static str,
}

const fn row(
    code: ErrorCode,
    status: u16,
    body: BodyShape,
    retry_after: bool,
    name: &'static str,
    when: &'static str,
) -> ErrorRow {
    ErrorRow {
        code,
        status,
        body,
        retry_after,
        name,
        when,
    }
}

/// Every error the interface can answer with.
pub static ERRORS: &[ErrorRow] = &[
    row(
        ErrorCode::BadRequest,
        400,
        BodyShape::Text,
        false,
        "bad_request",
        "counts of images and masks differ, no files, malformed signed URL",
    ),
    row(
        ErrorCode::Unauthorized,
        401,
        BodyShape::Text,
        false,
        "unauthorized",
        "missing, malformed, unknown, expired or revoked key",
    ),
    row(
        ErrorCode::InsufficientCredits,
        402,
        BodyShape::Text,
        false,
        "insufficient_credits",
        "balance below the price",
    ),
    row(
        ErrorCode::Forbidden,
        403,
        BodyShape::Text,
        false,
        "forbidden",
        "file URL with a wrong signature; an option this key may not use",
    ),
    row(
        ErrorCode::NotFound,
        404,
        BodyShape::Text,
        false,
        "not_found",
        "no such route, or no such job for this key",
    ),
    row(
        ErrorCode::MethodNotAllowed,
        405,
        BodyShape::Text,
        false,
        "method_not_allowed",
        "the route has other methods",
    ),
    row(
        ErrorCode::UploadTimeout,
        408,
        BodyShape::Text,
        false,
        "upload_timeout",
        "the upload did not arrive in time",
    ),
    row(
        ErrorCode::Conflict,
        409,
        BodyShape::Text,
        false,
        "conflict",
        "a request with the same Idempotency-Key is under way; the job was cancelled or has ended",
    ),
    row(
        ErrorCode::Gone,
        410,
        BodyShape::Text,
        false,
        "gone",
        "file URL past its expiry, or a result that was removed",
    ),
    row(
        ErrorCode::TooLarge,
        413,
        BodyShape::Text,
        false,
        "too_large",
        "image or mask above the byte limit, counted while streaming",
    ),
    row(
        ErrorCode::UnsupportedType,
        415,
        BodyShape::Text,
        false,
        "unsupported_type",
        "bytes that are not JPEG, PNG, WebP, TIFF or BMP, or a body with a Content-Encoding",
    ),
    row(
        ErrorCode::Invalid,
        422,
        BodyShape::Fields,
        false,
        "invalid",
        "missing or malformed fields, corrupt images, sizes that differ, prompts outside the image",
    ),
    row(
        ErrorCode::RateLimited,
        429,
        BodyShape::Text,
        true,
        "rate_limited",
        "the rate limit is used up",
    ),
    row(
        ErrorCode::QueueFull,
        429,
        BodyShape::Text,
        true,
        "queue_full",
        "the queue, or this key's share of it, is full",
    ),
    row(
        ErrorCode::Internal,
        500,
        BodyShape::Text,
        false,
        "internal",
        "a fault of the service; nothing was charged",
    ),
    row(
        ErrorCode::Unavailable,
        503,
        BodyShape::Text,
        true,
        "unavailable",
        "shutting down, no device, or a model is missing",
    ),
    row(
        ErrorCode::StorageFull,
        507,
        BodyShape::Text,
        true,
        "storage_full",
        "the disk for uploads and results is full",
    ),
    row(
        ErrorCode::RangeNotSatisfiable,
        416,
        BodyShape::Text,
        false,
        "range_not_satisfiable",
        "the bytes asked for with Range lie outside of the file",
    ),
];

/// Row for a code that the table lacks; a test proves that there is none.
const UNLISTED: ErrorRow = row(
    ErrorCode::Internal,
    500,
    BodyShape::Text,
    false,
    "internal",
    "a fault of the service",
);

impl ErrorCode {
    /// The code's row in [`ERRORS`].
    pub fn row(self) -> &'static ErrorRow {
        ERRORS
            .iter()
            .find(|row| row.code == self)
            .unwrap_or(&UNLISTED)
    }
    /// HTTP status.
    pub fn status(self) -> u16 {
        self.row().status
    }
}

/// Body of every error but 422.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong, for a reader.
    pub detail: String,
    /// What went wrong, for a program: `rate_limited` and `queue_full` are both 429.
    #[serde(default)]
    #[schema(required = true)]
    pub code: String,
}

impl ErrorBody {
    /// The body of an error.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        ErrorBody {
            detail: detail.into(),
            code: code.row().name.to_string(),
        }
    }
}

/// One step of the place of a field: a name, or an index in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Loc {
    /// A field name, or the part of the request (`body`, `query`).
    Name(String),
    /// Position in a list, from 0.
    Index(u64),
}

/// One field that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Place: `["body", "mask"]`, `["query", "points"]`.
    pub loc: Vec<Loc>,
    /// What is wrong, for a reader.
    pub msg: String,
    /// What is wrong, for a program: `value_error.missing`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl FieldError {
    /// An error at a place of names.
    pub fn new(loc: &[&str], msg: impl Into<String>, kind: &str) -> Self {
        FieldError {
            loc: loc
                .iter()
                .map(|part| Loc::Name((*part).to_string()))
                .collect(),
            msg: msg.into(),
            kind: kind.to_string(),
        }
    }
    /// A required field that is not there.
    pub fn missing(loc: &[&str]) -> Self {
        FieldError::new(loc, "field required", "value_error.missing")
    }
}

/// Body of a 422.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvalidBody {
    /// Every field that is wrong.
    pub detail: Vec<FieldError>,
    /// `invalid`; each field's `type` says more.
    #[serde(default)]
    #[schema(required = true)]
    pub code: String,
}

impl InvalidBody {
    /// The body of a 422.
    pub fn new(detail: Vec<FieldError>) -> Self {
        InvalidBody {
            detail,
            code: ErrorCode::Invalid.row().name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[ErrorCode] = &[
        ErrorCode::BadRequest,
        ErrorCode::Unauthorized,
        ErrorCode::InsufficientCredits,
        ErrorCode::Forbidden,
        ErrorCode::NotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::UploadTimeout,
        ErrorCode::Conflict,
        ErrorCode::Gone,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedType,
        ErrorCode::Invalid,
        ErrorCode::RateLimited,
        ErrorCode::QueueFull,
        ErrorCode::Internal,
        ErrorCode::Unavailable,
        ErrorCode::StorageFull,
        ErrorCode::RangeNotSatisfiable,
    ];

    #[test]
    fn every_code_has_one_row_and_one_name() {
        for code in ALL {
            assert_eq!(
                ERRORS.iter().filter(|row| row.code == *code).count(),
                1,
                "{code:?}"
            );
        }
        let names: std::collections::BTreeSet<_> = ERRORS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ERRORS.len());
        assert_eq!(ALL.len(), ERRORS.len());
    }

    #[test]
    fn missing_field_has_the_documented_body() {
        let body = InvalidBody::new(vec![FieldError::missing(&["body", "mask"])]);
        let json = serde_json::to_string(&body).unwrap();
        assert_eq!(
            json,
            r#"{"detail":[{"loc":["body","mask"],"msg":"field required","type":"value_error.missing"}],"code":"invalid"}"#
        );
    }
}
