//! Why a request gets no result: one type from the first check to the last stage of a job.

use cleanplate_api::{ErrorCode, FieldError};
use cleanplate_engine::EngineError;
use cleanplate_pictures::ImageError;
use cleanplate_pipeline::PluginError;
use cleanplate_store::StoreError;

use crate::files::FilesError;
use crate::telemetry::{tell_files_away, tell_full, tell_store_error};

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
            ImageError::UnsupportedType { .. } => {
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
            ImageError::Mask { kind, .. } => kind,
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
                "value_error.prompt.whole_photo",
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
            PluginError::Engine { source, .. } if passes(source) => {
                Refusal::new(ErrorCode::Unavailable, error.to_string()).retry_after(10)
            }
            other => Refusal::internal("a pipeline failed", other),
        }
    }
}

/// Whether the engine may do the same work later: the device is gone, or its memory is taken by others.
fn passes(error: &EngineError) -> bool {
    error.retryable()
        || matches!(
            error,
            EngineError::Memory { .. }
                | EngineError::OutOfMemory { .. }
                | EngineError::NoAdapter { .. }
        )
}

impl From<FilesError> for Refusal {
    fn from(error: FilesError) -> Self {
        let text = match &error {
            // Whoever watches the volume tells the log.
            FilesError::NoRoom { .. } => error.to_string(),
            away if away.is_away() => {
                tell_files_away(&error.to_string());
                let text =
                    "the store of files is not reached; the service goes on by itself once it is";
                return Refusal::new(ErrorCode::Unavailable, text).retry_after(10);
            }
            full if full.is_full() => {
                tell_full(&error.to_string());
                "volume full: the disk for uploads and results takes no more; the service goes on by itself once it does".to_string()
            }
            short if short.is_memory() => {
                let text = "no memory for this image; try again later or send a smaller one";
                return Refusal::new(ErrorCode::Unavailable, text).retry_after(10);
            }
            _ => return Refusal::internal("a file operation failed", &error),
        };
        Refusal::new(ErrorCode::StorageFull, text).retry_after(30)
    }
}

impl From<&StoreError> for Refusal {
    fn from(error: &StoreError) -> Self {
        let (code, text, retry_s) = match error {
            StoreError::Full { .. } => {
                let text = "volume full: the disk of the database takes no more; the service goes on by itself once it does";
                (ErrorCode::StorageFull, text, 30)
            }
            StoreError::Busy { .. } => {
                let text = "the database is locked by another process; the service goes on by itself once it is free";
                (ErrorCode::Unavailable, text, 5)
            }
            StoreError::Unavailable { .. } => {
                let text = "the database server cannot be reached; the service goes on by itself once it answers";
                (ErrorCode::Unavailable, text, 5)
            }
            StoreError::Halted { .. } => {
                (ErrorCode::Unavailable, "the service cannot store data", 60)
            }
            other => return Refusal::internal("a store operation failed", other),
        };
        tell_store_error(error, text);
        Refusal::new(code, text).retry_after(retry_s)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::failure_code;

    #[test]
    fn what_is_wrong_with_a_request_is_its_own_fault_by_a_name_that_clients_know() {
        let given = "points";
        let corrupt = || ImageError::Corrupt {
            format: cleanplate_pictures::Format::Png,
            detail: String::new(),
        };
        let scattered = PluginError::Scattered {
            regions: 3,
            crops: 2,
            pixels: 5,
            pixels_max: 4,
        };
        let size = PluginError::MaskSize {
            mask: (1, 2),
            photo: (2, 1),
        };
        let nothing = PluginError::NothingFound {
            model: "sam".to_string(),
            given,
            region: None,
        };
        let parameter = PluginError::Parameter {
            plugin: "grow".to_string(),
            parameter: "radius_px".to_string(),
            value: "251".to_string(),
            expected: String::new(),
        };
        let unknown = PluginError::Unknown {
            kind: "plugin".to_string(),
            name: "gro".to_string(),
            nearest: None,
            known: Vec::new(),
        };
        let (mask, query) = (["body", "mask"], ["query", given]);
        let cases = [
            (PluginError::EmptyMask, "empty_mask", mask),
            (PluginError::WholeImageMask, "whole_image_mask", mask),
            (PluginError::NoMask, "missing_mask", mask),
            (scattered, "scattered_mask", mask),
            (size, "mask_size", mask),
            (nothing, "nothing_found", query),
            (
                PluginError::WholeImageFound { given },
                "whole_image_found",
                query,
            ),
            (parameter, "parameter", ["query", "radius_px"]),
            (unknown, "unknown_name", ["query", "pipeline"]),
            (PluginError::Image(corrupt()), "image", ["body", "image"]),
        ];
        for (error, name, loc) in cases {
            assert_eq!(failure_code(&error).as_str(), name, "{error}");
            let refusal = Refusal::pipeline(&error);
            assert_eq!(refusal.code, ErrorCode::Invalid, "{name}");
            assert_eq!(refusal.fields.len(), 1, "{name}");
            let field = FieldError::new(&loc, "", "");
            assert_eq!(refusal.fields[0].loc, field.loc, "{name}");
        }
    }

    #[test]
    fn a_device_without_memory_or_gone_is_no_fault_of_the_program() {
        let during = || "lama".to_string();
        let errors = [
            EngineError::OutOfMemory {
                during: during(),
                need_bytes: 1,
            },
            EngineError::DeviceLost {
                during: during(),
                detail: String::new(),
            },
        ];
        for source in errors {
            let text = source.to_string();
            let refusal = Refusal::pipeline(&PluginError::Engine {
                during: during(),
                source: Box::new(source),
            });
            assert_eq!(refusal.code, ErrorCode::Unavailable, "{text}");
            assert!(refusal.retry_after_s.is_some(), "{text}");
        }
    }

    #[test]
    fn a_store_that_is_full_or_locked_says_when_to_come_back() {
        let operation = "accepting a job";
        for (error, code) in [
            (StoreError::Full { operation }, ErrorCode::StorageFull),
            (StoreError::Busy { operation }, ErrorCode::Unavailable),
            (
                StoreError::Unavailable {
                    operation,
                    detail: String::new(),
                },
                ErrorCode::Unavailable,
            ),
        ] {
            let refusal = Refusal::from(error);
            assert_eq!(refusal.code, code);
            assert!(refusal.retry_after_s.is_some());
        }
    }
}
