//! A runner as a desk: no store, no account, one pair at a time.

use std::time::Instant;

use cleanplate_plugins::image::{self, EncodeOptions, Limits};
use cleanplate_plugins::pipeline::{NoObserver, Request, Runner};
use serde_json::json;

use super::desk::{Begun, Bytes, Desk, Ending, Made, Task};
use super::report::Fault;

/// A runner with its limits.
pub struct DirectDesk {
    runner: Runner,
    limits: Limits,
}

impl DirectDesk {
    /// A desk on this runner.
    pub fn new(runner: Runner, limits: Limits) -> Self {
        DirectDesk { runner, limits }
    }

    fn make(&self, task: &Task) -> Result<Made, Fault> {
        let started = Instant::now();
        let picture = |what: &str, error: &image::ImageError| Fault::new("image", format!("{what}: {error}"));
        let photo = image::decode(&task.photo, &self.limits).map_err(|error| picture("photo", &error))?;
        let mask = match &task.mask {
            Some(bytes) => Some(image::decode_mask(bytes, &self.limits).map_err(|error| picture("mask", &error))?),
            None => None,
        };
        let request = Request { photo, mask, prompts: task.prompts.clone(), overrides: Vec::new() };
        let outcome = self.runner.run(&task.pipeline, request, &NoObserver).map_err(|error| Fault::new(error.code(), error.to_string()))?;
        let bytes =
            outcome.photo.encode(&EncodeOptions { format: task.format, quality: None }).map_err(|error| picture("result", &error))?;
        Ok(Made {
            bytes: Bytes::Here(bytes),
            extension: task.format.unwrap_or(outcome.photo.format).extension(),
            size: (outcome.photo.width as u32, outcome.photo.height as u32),
            job: None,
            credits: 0,
            duplicate: false,
            processing_ms: started.elapsed().as_secs_f64() * 1000.0,
            timings: json!({ "stages": outcome.stages, "mask_share": outcome.mask_share }),
            models: json!(outcome.models),
            device: json!(outcome.device),
            warnings: json!(outcome.warnings),
        })
    }
}

impl Desk for DirectDesk {
    fn closed(&self) -> Option<String> {
        None
    }

    fn begin(&self, task: Task) -> Begun {
        Begun::Ended(match self.make(&task) {
            Ok(made) => Ending::Made(Box::new(made)),
            Err(fault) => Ending::Failed(fault, None),
        })
    }
}
