//! One job from its uploads to files on disk: decode, pipeline, encode, publish.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use cleanplate_api::{ErrorCode, ModelUse, StageTiming};
use cleanplate_pictures::{MaskFile, Photo};
use cleanplate_pipeline::PluginError;
use cleanplate_pipeline::{Observer, Outcome, Pipeline, Request, Runner};
use cleanplate_store::{Failure, FailureCode, Job, JobId, JobResult, KeptCandidate, StoredFile};
use serde_json::json;

use super::cancel::{Current, cancelled};
use super::step_times::Advance;
use super::{DeviceState, JobInput, Jobs, Service, lock};
use crate::files::{FilesError, Mapped, Publication, keep_preview};
use crate::refusal::Refusal;
use crate::telemetry::names;

/// What follows job and attempt in the name of a mask.
const MASK: &str = ".mask.png";

/// Why a job has no result.
pub struct JobFault {
    /// For the job's record.
    pub failure: Failure,
    /// For the client.
    pub refusal: Refusal,
    /// Whether the device went away: another attempt may succeed.
    pub device_lost: bool,
}

impl JobFault {
    pub(super) fn new(code: FailureCode, refusal: Refusal) -> Box<Self> {
        Box::new(JobFault {
            failure: Failure::new(code, refusal.text.clone()),
            refusal,
            device_lost: false,
        })
    }
}

impl JobFault {
    /// The device went away before the job began.
    pub(super) fn no_device(state: &DeviceState) -> JobFault {
        let detail = match state {
            DeviceState::Failed(error) => format!("no device: {error}"),
            DeviceState::Opening | DeviceState::Ready(_) => "the device was lost".to_string(),
        };
        let refusal = Refusal::new(ErrorCode::Unavailable, detail).retry_after(10);
        JobFault {
            failure: Failure::new(FailureCode::Engine, refusal.text.clone()),
            refusal,
            device_lost: true,
        }
    }
}

impl From<FilesError> for Box<JobFault> {
    fn from(error: FilesError) -> Self {
        let code = if error.is_full() {
            FailureCode::StorageFull
        } else if error.is_away() {
            FailureCode::FilesAway
        } else if error.is_memory() {
            FailureCode::Image
        } else {
            FailureCode::Internal
        };
        JobFault::new(code, error.into())
    }
}

/// Stops a run that takes too long, and one that runs while the daemon is stopped. Notes when each plugin began.
struct JobObserver<'a> {
    jobs: &'a Jobs,
    /// Job and attempt.
    attempt: (JobId, u32),
    until: Instant,
    begun: Mutex<Vec<(String, Instant)>>,
}

impl Observer for JobObserver<'_> {
    fn stage(&self, name: &str, fraction: f32) {
        let mut begun = lock(&self.begun);
        if begun.last().is_none_or(|(last, _)| last != name) {
            begun.push((name.to_string(), Instant::now()));
        }
        drop(begun);
        self.jobs.advance(self.attempt, name, fraction);
    }
    fn cancelled(&self) -> bool {
        Instant::now() >= self.until || self.jobs.abort.load(Ordering::Relaxed) || self.unwanted()
    }
}

impl JobObserver<'_> {
    /// What the plugins took up to now, for a run that ends without a result.
    fn timings(&self, pipeline: &Pipeline) -> Vec<StageTiming> {
        let begun = lock(&self.begun);
        let ends = begun
            .iter()
            .skip(1)
            .map(|(_, at)| *at)
            .chain([Instant::now()]);
        let timing = |((plugin, from), to): (&(String, Instant), Instant)| {
            let step = pipeline.steps.iter().find(|step| step.plugin == *plugin);
            let stage = step.map_or("composite".to_string(), |step| {
                format!("{:?}", step.stage).to_lowercase()
            });
            let ms = to.saturating_duration_since(*from).as_secs_f64() * 1000.0;
            StageTiming {
                stage,
                plugin: plugin.clone(),
                candidate: None,
                ms,
                waited_ms: 0.0,
                crops_together: 0,
            }
        };
        begun.iter().zip(ends).map(timing).collect()
    }

    /// Whether the client cancelled the job, or it is no longer ours.
    fn unwanted(&self) -> bool {
        let (job, attempt) = self.attempt;
        lock(&self.jobs.current)
            .iter()
            .any(|current| current.is(job, attempt) && current.cancelled)
    }
}

/// Stage times of the daemon's own steps and of the pipeline's, in order.
struct Clock<'a> {
    jobs: &'a Jobs,
    stages: Vec<StageTiming>,
    last: Instant,
}

impl Clock<'_> {
    fn note(&mut self, timing: StageTiming) {
        self.jobs.metrics.observe(
            names::STAGE_SECONDS,
            &[("stage", &timing.stage)],
            timing.ms / 1000.0,
        );
        self.stages.push(timing);
    }
    /// Takes over the times of the pipeline's own stages.
    fn take(&mut self, stages: &[cleanplate_pipeline::StageTiming]) {
        for timing in stages {
            let stage = timing.stage.map_or("composite".to_string(), |stage| {
                format!("{stage:?}").to_lowercase()
            });
            self.note(StageTiming {
                stage,
                plugin: timing.plugin.clone(),
                candidate: timing.candidate.clone(),
                ms: timing.ms,
                waited_ms: timing.waited_ms,
                crops_together: timing.crops_together as u32,
            });
        }
        self.last = Instant::now();
    }

    fn lap(&mut self, stage: &str) {
        let ms = self.last.elapsed().as_secs_f64() * 1000.0;
        self.last = Instant::now();
        self.note(StageTiming {
            stage: stage.to_string(),
            plugin: String::new(),
            candidate: None,
            ms,
            waited_ms: 0.0,
            crops_together: 0,
        });
    }
}

/// Runs the job. When it returns `Ok`, the files are on disk.
pub fn run(
    jobs: &Jobs,
    runner: &Runner,
    job: &Job,
    work: &JobInput,
) -> Result<JobResult, Box<JobFault>> {
    let mut clock = Clock {
        jobs,
        stages: Vec::new(),
        last: Instant::now(),
    };
    let mut files = Publication::new(&jobs.blobs, job.id, job.attempt);
    let outcome = steps(jobs, runner, job, work, &mut files, &mut clock);
    if outcome.is_ok() {
        files.keep();
    }
    outcome.map_err(|mut fault| {
        // How far it came tells as much as why it ended.
        fault.failure.timings = json!({ "stages": clock.stages });
        fault
    })
}

fn steps(
    jobs: &Jobs,
    runner: &Runner,
    job: &Job,
    work: &JobInput,
    files: &mut Publication<'_>,
    clock: &mut Clock<'_>,
) -> Result<JobResult, Box<JobFault>> {
    let attempt = (job.id, job.attempt);
    let watch = JobObserver {
        jobs,
        attempt,
        until: Instant::now() + jobs.config.queue.job_wall_max,
        begun: Mutex::default(),
    };
    let kind = format!("{} {}", job.service, job.pipeline);
    let expected = Advance::new(jobs.step_times.steps(&kind, &work.pipeline));
    let is_this = |current: &&mut Current| current.is(job.id, job.attempt);
    if let Some(current) = lock(&jobs.current).iter_mut().find(is_this) {
        current.advance = expected;
    }
    jobs.advance(attempt, "decode", 0.0);
    let decoded = decode(jobs, work);
    clock.lap("decode");
    let (photo, mask) = decoded?;
    let (mask, remarks) = mask.map_or((None, Vec::new()), |file| (Some(file.mask), file.warnings));
    photo
        .check_format(&work.encode)
        .map_err(|error| JobFault::new(FailureCode::Encode, Refusal::image("image", &error)))?;
    keep_preview(&jobs.blobs, job, &photo, jobs.config.admin.preview_px_max);
    clock.last = Instant::now();
    let request = Request {
        photo,
        mask,
        prompts: work.prompts.clone(),
        overrides: Vec::new(),
        frame: work.frame.clone(),
    };
    let service = Service::of(&job.service);
    let outcome = match service {
        Service::Removal => {
            runner.run_with_alternatives(&work.pipeline, request, work.candidates, &watch)
        }
        Service::Segmentation => runner.segment(&work.pipeline, request, &watch),
    };
    let mut outcome = outcome.map_err(|error| {
        clock.stages.extend(watch.timings(&work.pipeline));
        fault(jobs, &watch, &error)
    })?;
    outcome.warnings.extend(remarks);
    clock.take(&outcome.stages);
    jobs.advance(attempt, "encode", 0.0);
    if service == Service::Segmentation {
        let bytes = mask_png(&outcome)?;
        clock.lap("encode");
        let output = files.add(MASK, bytes, "image/png")?;
        clock.lap("store");
        let stored = Stored {
            output,
            mask: None,
            candidates: Vec::new(),
        };
        return Ok(result(job, work, &outcome, stored, clock));
    }
    let stored = keep(jobs, attempt, work, &mut outcome, files, clock)?;
    jobs.step_times.note(&kind, &clock.stages);
    Ok(result(job, work, &outcome, stored, clock))
}

/// What of a job is on disk.
struct Stored {
    output: StoredFile,
    mask: Option<StoredFile>,
    candidates: Vec<KeptCandidate>,
}

/// Encodes what a removal made and puts it on disk.
fn keep(
    jobs: &Jobs,
    attempt: (JobId, u32),
    work: &JobInput,
    outcome: &mut Outcome,
    files: &mut Publication<'_>,
    clock: &mut Clock<'_>,
) -> Result<Stored, Box<JobFault>> {
    let wanted = work.encode.format_of(outcome.photo.format);
    let bytes = outcome
        .photo
        .encode_with_warnings(&work.encode, &mut outcome.warnings)
        .map_err(|error| JobFault::new(FailureCode::Encode, Refusal::image("image", &error)))?;
    let mask_bytes = mask_png(outcome)?;
    clock.lap("encode");
    jobs.advance(attempt, "store", 0.0);
    let name = |part: &str| format!("{part}.{}", wanted.extension());
    let output = files.add(&name(""), bytes, wanted.media_type())?;
    let mask = files.add(MASK, mask_bytes, "image/png")?;
    clock.lap("store");
    let mut candidates = Vec::with_capacity(outcome.alternatives.len());
    for found in std::mem::take(&mut outcome.alternatives) {
        let file = match &found.photo {
            Some(photo) => {
                let bytes = photo
                    .encode_with_warnings(&work.encode, &mut Vec::new())
                    .map_err(|error| {
                        JobFault::new(FailureCode::Encode, Refusal::image("image", &error))
                    })?;
                let name = name(&format!(".{}", found.name));
                files.add(&name, bytes, wanted.media_type())?
            }
            None => output.clone(),
        };
        candidates.push(KeptCandidate {
            name: found.name,
            chosen: found.chosen,
            score: found.score.map(f64::from).filter(|score| score.is_finite()),
            file,
        });
    }
    if !candidates.is_empty() {
        clock.lap("candidates");
    }
    Ok(Stored {
        output,
        mask: Some(mask),
        candidates,
    })
}

fn mask_png(outcome: &Outcome) -> Result<Vec<u8>, Box<JobFault>> {
    crate::picture::mask_png(&outcome.mask)
        .map_err(|error| JobFault::new(FailureCode::Encode, Refusal::image("mask", &error)))
}

/// The pictures of a job.
fn decode(jobs: &Jobs, work: &JobInput) -> Result<(Photo, Option<MaskFile>), Box<JobFault>> {
    let wrong = |error| JobFault::new(FailureCode::Image, Refusal::image("image", &error));
    let (limits, image) = (jobs.image_limits(), Mapped::of(&work.image)?);
    let mask = work.mask.as_ref().map(Mapped::of);
    let mask = mask.transpose()?;
    let photo = cleanplate_pictures::decode(&image, &limits).map_err(wrong)?;
    let Some(mask) = mask else {
        return Ok((photo, None));
    };
    let mask = cleanplate_pictures::decode_mask(&mask, &limits, work.mask_channel)
        .map_err(|error| JobFault::new(FailureCode::Mask, Refusal::image("mask", &error)))?;
    Ok((photo, Some(mask)))
}

/// The code of a pipeline that did not come to an end.
pub fn failure_code(error: &PluginError) -> FailureCode {
    match error {
        PluginError::Cancelled { .. } => FailureCode::Cancelled,
        PluginError::EmptyMask => FailureCode::EmptyMask,
        PluginError::WholeImageMask => FailureCode::WholeImageMask,
        PluginError::Scattered { .. } => FailureCode::ScatteredMask,
        PluginError::MaskSize { .. } => FailureCode::MaskSize,
        PluginError::NothingFound { .. } => FailureCode::NothingFound,
        PluginError::WholeImageFound { .. } => FailureCode::WholeImageFound,
        PluginError::NoMask => FailureCode::MissingMask,
        PluginError::Unavailable { .. } => FailureCode::Unavailable,
        PluginError::Engine { .. } => FailureCode::Engine,
        PluginError::Model { .. } => FailureCode::Model,
        PluginError::Output { .. } => FailureCode::NetworkOutput,
        PluginError::User { .. } => FailureCode::UserPlugin,
        PluginError::Image(_) => FailureCode::Image,
        PluginError::Parameter { .. } => FailureCode::Parameter,
        PluginError::Unknown { .. } => FailureCode::UnknownName,
        PluginError::File { .. } => FailureCode::File,
    }
}

fn fault(jobs: &Jobs, watch: &JobObserver<'_>, error: &PluginError) -> Box<JobFault> {
    if let PluginError::Cancelled { before } = error {
        if watch.unwanted() {
            return JobFault::new(FailureCode::Cancelled, cancelled());
        }
        if jobs.abort.load(Ordering::Relaxed) {
            return JobFault::new(
                FailureCode::ShuttingDown,
                Refusal::new(ErrorCode::Unavailable, "shutting down").retry_after(10),
            );
        }
        let text = format!(
            "the job took longer than {} s and was stopped before {before}",
            jobs.config.queue.job_wall_max.as_secs()
        );
        let stage = jobs.progress(watch.attempt.0).map(|now| now.stage);
        tracing::warn!(stage, "{text}");
        return JobFault::new(
            FailureCode::TimedOut,
            Refusal::new(ErrorCode::Unavailable, text).retry_after(60),
        );
    }
    let refusal = Refusal::pipeline(error);
    Box::new(JobFault {
        failure: Failure::new(failure_code(error), error.to_string()),
        refusal,
        device_lost: error.retryable(),
    })
}

fn result(
    job: &Job,
    work: &JobInput,
    outcome: &Outcome,
    stored: Stored,
    clock: &mut Clock<'_>,
) -> JobResult {
    let stages = std::mem::take(&mut clock.stages);
    let models: Vec<ModelUse> = outcome
        .models
        .iter()
        .map(|m| ModelUse {
            name: m.name.clone(),
            sha256: m.sha256.clone(),
        })
        .collect();
    JobResult {
        output: stored.output,
        mask: stored.mask,
        candidates: stored.candidates,
        width: outcome.photo.width as u32,
        height: outcome.photo.height as u32,
        credits: job.price,
        processing_ms: work.accepted.elapsed().as_secs_f64() * 1000.0,
        timings: json!({ "stages": stages, "choices": outcome.choices, "mask_share": outcome.mask_share, "predicted_iou": outcome.predicted_iou }),
        models: json!(models),
        device: json!(outcome.device),
        warnings: json!(outcome.warnings),
    }
}
