//! Previews: the mask of what points or a box mean, at once. They leave no job, no file and no entry in the ledger.

use std::sync::atomic::Ordering;
use std::time::Instant;

use cleanplate_api::ErrorCode;
use cleanplate_pipeline::{Observer, Outcome, Pipeline, Prompts, Request};
use tempfile::NamedTempFile;

use super::{Jobs, preview_bytes};
use crate::files::Mapped;
use crate::refusal::Refusal;

/// What a preview shows.
pub struct Preview {
    /// The mask as a PNG.
    pub png: Vec<u8>,
    /// What else was found out.
    pub outcome: Outcome,
}

/// Stops what takes too long, and everything once the daemon ends.
struct Until<'a>(&'a Jobs, Instant);

impl Observer for Until<'_> {
    fn stage(&self, _: &str, _: f32) {}
    fn cancelled(&self) -> bool {
        Instant::now() >= self.1 || self.0.abort.load(Ordering::Relaxed)
    }
}

impl Jobs {
    /// Finds what `prompts` mean in the photo at `image`. Blocks until the device is free for it.
    pub fn preview(
        &self,
        image: &NamedTempFile,
        pipeline: &Pipeline,
        prompts: Prompts,
    ) -> Result<Preview, Refusal> {
        if !self.config.server.role.does_jobs() {
            let text =
                "this process has no device for previews; ask for a segmentation without `preview`";
            return Err(Refusal::new(ErrorCode::Unavailable, text).retry_after(3600));
        }
        let bytes = Mapped::of(image)?;
        let limits = self.image_limits();
        let wrong = |error| Refusal::image("image", &error);
        let header = cleanplate_pictures::probe(&bytes, &limits).map_err(wrong)?;
        let needed = preview_bytes(&header);
        let until = Until(self, Instant::now() + self.config.queue.job_wall_max);
        let room = self.memory.take(needed, || until.cancelled());
        if until.cancelled() {
            let text = "there was no memory for the preview in time";
            return Err(Refusal::new(ErrorCode::Unavailable, text).retry_after(2));
        }
        let _room = room.map_err(wrong)?;
        let photo = cleanplate_pictures::decode(&bytes, &limits).map_err(wrong)?;
        let runner = self.devices.runners().next().ok_or_else(|| {
            Refusal::new(ErrorCode::Unavailable, "the device is being opened").retry_after(2)
        })?;
        let request = Request {
            photo,
            mask: None,
            prompts: Some(prompts),
            overrides: Vec::new(),
            frame: None,
        };
        let outcome = runner.segment(pipeline, request, &until);
        self.idle.begin();
        let outcome = outcome.map_err(|error| {
            if error.retryable() {
                self.devices.lost(&runner);
            }
            Refusal::pipeline(&error)
        })?;
        let png = crate::picture::mask_png(&outcome.mask)
            .map_err(|error| Refusal::image("mask", &error))?;
        Ok(Preview { png, outcome })
    }
}
