//! Why a request gets no result: one type from the first check to the last stage of a job.

use cleanplate_api::{ErrorCode, FieldError};
use cleanplate_pictures::ImageError;
use cleanplate_pipeline::PluginError;
use cleanplate_store::StoreError;

use crate::files::FilesError;

/// Why a request gets no result, as its client is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {text}", code.row().name)]
pub struct Refusal {
    /// Decides status and shape of the body.
    pub code: ErrorCode,
    /// For a reader. With fields, what they say in one line.
    pub text: String,
    /// What is wrong with which field, for 422.
    pub fields: Vec<FieldError>,
    /// Seconds after which another attempt makes sense, for 429, 503 and 507.
    pub retry_after_s: Option<u64>,
}

impl Refusal {
    /// A refusal with a text.
    pub fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Refusal {
            code,
            text: text.into(),
            fields: Vec::new(),
            retry_after_s: None,
        }
    }

    /// A 422 for these fields.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let text = fields
            .iter()
            .map(|field| field.msg.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        Refusal {
            code: ErrorCode::Invalid,
            text,
            fields,
            retry_after_s: None,
        }
    }

    /// A 422 for one field.
    pub fn field(loc: &[&str], msg: impl Into<String>, kind: &str) -> Self {
        Refusal::fields(vec![FieldError::new(loc, msg, kind)])
    }

    /// The same with a time to wait.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// A fault of the service. What happened goes to the log, the client gets no inner workings.
    pub fn internal(what: &str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "{what}");
        Refusal::new(ErrorCode::Internal, "internal error; nothing was charged")
    }

    /// A picture in a field that cannot be taken.
    pub fn image(field: &str, error: &ImageError) -> Self {
        let kind = match error {
            ImageError::UnsupportedType => {
                return Refusal::new(ErrorCode::UnsupportedType, format!("{field}: {error}"));
            }
            ImageError::OutOfMemory { .. } => {
                return Refusal::new(ErrorCode::Unavailable, format!("{field}: {error}"))
                    .retry_after(10);
            }
            ImageError::TooSlow { .. } => "value_error.image.too_slow",
            ImageError::TooManyPixels { .. } => "value_error.image.too_many_pixels",
            ImageError::SideTooLong { .. } => "value_error.image.side_too_long",
            ImageError::Corrupt { .. } => "value_error.image.corrupt",
            ImageError::Unsupported { .. } => "value_error.image.unsupported",
            ImageError::Limit { .. } => "value_error.image.limit",
            ImageError::Encode { .. } => "value_error.image.encode",
        };
        Refusal::field(&["body", field], error.to_string(), kind)
    }

    /// A pipeline that did not come to an end.
    pub fn pipeline(error: &PluginError) -> Self {
        match error {
            PluginError::EmptyMask => Refusal::field(
                &["body", "mask"],
                error.to_string(),
                "value_error.mask.empty",
            ),
            PluginError::WholeImageMask => Refusal::field(
                &["body", "mask"],
                error.to_string(),
                "value_error.mask.whole_image",
            ),
            PluginError::Scattered { .. } => Refusal::field(
                &["body", "mask"],
                error.to_string(),
                "value_error.mask.scattered",
            ),
            PluginError::MaskSize { .. } => Refusal::field(
                &["body", "mask"],
                error.to_string(),
                "value_error.mask.size",
            ),
            PluginError::NothingFound { given, .. } => Refusal::field(
                &["query", given],
                error.to_string(),
                "value_error.prompt.nothing_found",
            ),
            PluginError::WholeImageFound { given } => Refusal::field(
                &["query", given],
                error.to_string(),
                "value_error.prompt.whole_image",
            ),
            PluginError::NoMask => Refusal::fields(vec![FieldError::missing(&["body", "mask"])]),
            PluginError::Parameter { parameter, .. } => Refusal::field(
                &["query", parameter],
                error.to_string(),
                "value_error.parameter",
            ),
            PluginError::Unknown { .. } => Refusal::field(
                &["query", "pipeline"],
                error.to_string(),
                "value_error.unknown",
            ),
            PluginError::Image(image) => Refusal::image("image", image),
            PluginError::Unavailable { .. } | PluginError::Model { .. } => {
                Refusal::new(ErrorCode::Unavailable, error.to_string()).retry_after(60)
            }
            PluginError::Engine { source, .. } if source.retryable() => {
                Refusal::new(ErrorCode::Unavailable, error.to_string()).retry_after(10)
            }
            other => Refusal::internal("a pipeline failed", other),
        }
    }
}

impl From<FilesError> for Refusal {
    fn from(error: FilesError) -> Self {
        if error.is_full() {
            tracing::error!(%error, "the disk is full");
            return Refusal::new(
                ErrorCode::StorageFull,
                "the disk for uploads and results is full",
            )
            .retry_after(60);
        }
        Refusal::internal("a file operation failed", &error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full { .. } => {
                tracing::error!(%error, "the disk is full");
                Refusal::new(
                    ErrorCode::StorageFull,
                    "the disk of the data folder is full",
                )
                .retry_after(60)
            }
            StoreError::Halted { .. } => {
                tracing::error!(%error, "the store halted");
                Refusal::new(ErrorCode::Unavailable, "the service cannot store data")
                    .retry_after(60)
            }
            other => Refusal::internal("a store operation failed", &other),
        }
    }
}
