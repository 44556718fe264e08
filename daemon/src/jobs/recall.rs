//! Inputs on disk and parameters in the store are all that is needed to run a job: here or elsewhere, now or after a restart.

use std::sync::Arc;
use std::time::Instant;

use cleanplate_api::ErrorCode;
use cleanplate_pictures::{EncodeOptions, Format, MaskChannel};
use cleanplate_pipeline::{Frame, Prompts};
use cleanplate_store::{FailureCode, Job};
use serde::{Deserialize, Serialize};

use super::run::JobFault;
use super::{JobInput, Jobs, lock};
use crate::clock;
use crate::files::Inputs;
use crate::refusal::Refusal;

/// Where the end of a job is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// Scheme and host of result addresses.
    pub base: String,
}

/// Parameters of a job, kept in its `request`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recipe {
    /// `plugin.parameter` and value, over the pipeline's own.
    pub overrides: Vec<(String, String)>,
    /// Points: x, y, label.
    pub points: Vec<(f64, f64, u8)>,
    /// Left, top, right, bottom.
    pub rect: Option<[f64; 4]>,
    /// What else the prompts say, where they mean several things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Prompts>,
    /// Which frame of a shot the photo is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<Frame>,
    /// What of the mask removes.
    #[serde(default)]
    pub mask_channel: MaskChannel,
    /// Format of the result.
    pub output_format: Option<Format>,
    /// Quality of a JPEG result.
    pub quality: Option<u8>,
    /// Fills that come back besides the result.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub candidates: usize,
    /// For log lines.
    pub request_id: String,
    /// Where its end is told. The store reads it when the job ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Fills that the jobs of this recipe keep besides their results.
pub(super) fn candidates_of(request: &serde_json::Value) -> u64 {
    request["candidates"].as_u64().unwrap_or(0)
}

impl Jobs {
    /// Since when a job waits. Of one that an earlier run accepted, only the wall clock knows.
    fn since(&self, job: &Job) -> Instant {
        let reserved = lock(&self.reservations)
            .get(&job.id)
            .map(|reserved| reserved.since);
        reserved.unwrap_or_else(|| clock::instant_of(job.created_at_ms))
    }

    /// The work of a job, from its inputs and recipe.
    pub(super) fn recall(&self, job: &Job) -> Result<JobInput, Box<JobFault>> {
        let recipe: Recipe = serde_json::from_value(job.request.clone()).map_err(|error| {
            JobFault::new(
                FailureCode::Internal,
                Refusal::internal("the parameters of a job cannot be read", &error),
            )
        })?;
        let pipeline = self
            .pipelines
            .get(&job.pipeline)
            .and_then(|found| found.with_overrides(&recipe.overrides));
        let pipeline = pipeline.map_err(|error| {
            // The files of pipelines may have changed while the daemon was stopped.
            JobFault::new(
                FailureCode::Pipeline,
                Refusal::new(
                    ErrorCode::Unavailable,
                    format!("the pipeline of this job is gone: {error}"),
                ),
            )
        })?;
        let inputs = Inputs::open(&self.blobs, job.id)?;
        let some = !recipe.points.is_empty() || recipe.rect.is_some();
        let prompts = some
            .then_some(Prompts {
                points: recipe.points,
                boxes: recipe.rect,
                others: recipe.others,
            })
            .filter(|_| inputs.mask.is_none());
        Ok(JobInput {
            image: inputs.image,
            mask: inputs.mask,
            prompts,
            pipeline: Arc::new(pipeline),
            mask_channel: recipe.mask_channel,
            encode: EncodeOptions {
                format: recipe.output_format,
                quality: recipe.quality,
            },
            candidates: recipe.candidates,
            frame: recipe.frame,
            request_id: recipe.request_id,
            accepted: self.since(job),
        })
    }
}
