//! Runs a pipeline on one photo.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cleanplate_engine::{Backend, DeviceInfo};

use super::alternatives::{Rival, rivals};
use super::composite::composite;
use super::planes::fill_plane;
use super::shot::Shots;
use super::timing::{StageTiming, run_alone, timing};
use super::transparency::Transparency;
use super::{
    Alternative, Candidate, Choice, Embeddings, ExecutableCache, Frame, Gather, ModelUse, Observer,
    Pipeline, PluginInfo, Prompts, Sharing, Step, Work,
};
use crate::PluginError;
use crate::manifest::StageKind;
use crate::models::Networks;
use cleanplate_pictures::{Mask, Photo};

/// Bounds of a [`Runner`].
#[derive(Debug, Clone)]
pub struct RunLimits {
    /// Most compiled graphs kept between runs.
    pub executables_max: usize,
    /// Most bytes planned by the compiled graphs kept between runs.
    pub executables_bytes_max: u64,
    /// Most equal-sized crops of overlapping runs that go through a network together.
    pub micro_batch_max: usize,
    /// Longest time that a crop waits for others.
    pub micro_batch_wait_max: Duration,
    /// Most bytes of photos' embeddings kept between runs.
    pub embeddings_bytes_max: u64,
    /// Most bytes that the last frames of shots leave for the next.
    pub shots_bytes_max: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        RunLimits {
            executables_max: 16,
            executables_bytes_max: 2 << 30,
            embeddings_bytes_max: 256 << 20,
            shots_bytes_max: 128 << 20,
            micro_batch_max: 8,
            micro_batch_wait_max: Duration::from_millis(4),
        }
    }
}

/// One photo to work on.
#[derive(Debug, Clone)]
pub struct Request {
    /// The photo, displayed orientation.
    pub photo: Photo,
    /// What to remove (128 and more); wins over prompts.
    pub mask: Option<Mask>,
    /// What to remove, to be found by the segment stage.
    pub prompts: Option<Prompts>,
    /// `(plugin.parameter, value)` pairs over the pipeline's own values.
    pub overrides: Vec<(String, String)>,
    /// Which frame of a shot it is.
    pub frame: Option<Frame>,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The clean plate.
    pub photo: Photo,
    /// The hard mask that was replaced, after grow and fill.
    pub mask: Mask,
    /// Time per plugin, in the order they ran.
    pub stages: Vec<StageTiming>,
    /// Networks used.
    pub models: Vec<ModelUse>,
    /// Share of the photo's pixels in `mask`, 0..=1.
    pub mask_share: f64,
    /// How good the segmentation network thinks its mask is; `None` for masks that were sent.
    pub predicted_iou: Option<f32>,
    /// Which candidate was kept for each region, where the pipeline has candidates.
    pub choices: Vec<Choice>,
    /// What the candidates would have made alone, as far as that was asked for: the chosen one first, then by score.
    pub alternatives: Vec<Alternative>,
    /// Where it ran.
    pub device: DeviceInfo,
    /// What the user should know about this result.
    pub warnings: Vec<String>,
}

/// Runs pipelines on one device. Cheap to share; runs may overlap: the backend serialises them, and equal-sized crops of
/// overlapping runs go through a network together.
pub struct Runner {
    backend: Arc<dyn Backend>,
    networks: Arc<dyn Networks>,
    executables: ExecutableCache,
    gather: Gather,
    embeddings: Embeddings,
    shots: Shots,
}

impl Runner {
    /// A runner on `backend` with the models of `networks` (a `ModelStore`).
    pub fn new(backend: Arc<dyn Backend>, networks: Arc<dyn Networks>, limits: RunLimits) -> Self {
        let executables =
            ExecutableCache::new(limits.executables_max, limits.executables_bytes_max);
        let gather = Gather::new(limits.micro_batch_max, limits.micro_batch_wait_max);
        let embeddings = Embeddings::new(limits.embeddings_bytes_max);
        Runner {
            backend,
            networks,
            executables,
            gather,
            embeddings,
            shots: Shots::new(limits.shots_bytes_max),
        }
    }

    /// The device.
    pub fn device(&self) -> DeviceInfo {
        self.backend.device()
    }

    /// How often a network ran, and crops that went through.
    pub fn network_counts(&self) -> (u64, u64) {
        self.gather.counts()
    }

    /// How often a prompt found its photo's embedding, and how often the photo had to be encoded.
    pub fn embedding_counts(&self) -> (u64, u64) {
        self.embeddings.counts()
    }

    /// Drops compiled graphs with these weights; runs under way keep theirs. Returns how many there were.
    pub fn forget(&self, sha256: &str) -> usize {
        self.executables.forget(sha256)
    }

    /// Drops everything that is kept between runs: compiled graphs, embeddings, what frames of shots left. Runs under way keep
    /// what they use.
    pub fn forget_all(&self) {
        self.executables.clear();
        self.embeddings.clear();
        self.shots.clear();
    }

    /// Runs `pipeline` on one photo.
    pub fn run(
        &self,
        pipeline: &Pipeline,
        request: Request,
        observer: &dyn Observer,
    ) -> Result<Outcome, PluginError> {
        self.run_with_alternatives(pipeline, request, 0, observer)
    }

    /// Runs `pipeline` on one photo and finishes up to `alternatives_max` of its candidates by themselves too.
    pub fn run_with_alternatives(
        &self,
        pipeline: &Pipeline,
        request: Request,
        alternatives_max: usize,
        observer: &dyn Observer,
    ) -> Result<Outcome, PluginError> {
        let pipeline = pipeline.with_overrides(&request.overrides)?;
        let masked = request.mask.is_some();
        let frame = request.frame.clone();
        let mut work = self.begin(request, observer)?;
        work.copied = alternatives_max > 0;
        let _seat = self.gather.enter();
        let mut stages = Vec::with_capacity(pipeline.steps.len() + 1);
        let segmenting = |s: &Step| s.stage == StageKind::Segment;
        if !masked {
            pipeline.ready_for_prompts(&*self.networks)?;
        }
        let steps = pipeline.steps.iter();
        let before = steps.clone().filter(|s| s.stage < StageKind::Inpaint);
        for step in before.filter(|s| !(masked && segmenting(s))) {
            run_step(step, &mut work, &mut stages)?;
        }
        check_mask(&work)?;
        let marked = share(&work.user_mask);
        if marked > LARGE_SHARE {
            let percent = marked * 100.0;
            work.warnings.push(format!("the mask covers {percent:.0} % of the image, and what is filled in is made up from the rest: see whether it marks what was meant (white is removed)"));
        }
        if let Some(transparency) = &mut work.transparency {
            let stop = || work.observer.cancelled();
            transparency.complete(&mut work.photo, &work.alpha, &stop);
            work.check_cancelled("filling")?;
        }
        for (name, steps) in pipeline.branches() {
            run_branch(name, &steps, &mut work, &mut stages)?;
        }
        let common = steps.filter(|s| s.candidate.is_none() && s.stage >= StageKind::Inpaint);
        let (filling, finishing): (Vec<&Step>, Vec<&Step>) =
            common.partition(|s| s.stage <= StageKind::Curate);
        for step in filling {
            run_step(step, &mut work, &mut stages)?;
        }
        let rivals = rivals(&mut work, alternatives_max);
        let as_it_came = rivals
            .iter()
            .any(|rival| !rival.told.chosen)
            .then(|| work.photo.clone());
        let last = Last {
            steps: finishing,
            planes: pipeline.planes,
        };
        finish(&last, &mut work, &mut stages, None)?;
        let mut alternatives = Vec::with_capacity(rivals.len());
        for rival in rivals {
            let photo = as_it_came.as_ref().filter(|_| !rival.told.chosen);
            alternatives.push(match photo {
                Some(photo) => finish_rival(rival, photo.clone(), &last, &mut work, &mut stages)?,
                None => rival.told,
            });
        }
        observer.stage("composite", 1.0);
        if let Some((frame, shot)) = frame.zip(work.shot.take()) {
            self.shots.end(frame, shot, &work.choices);
        }
        Ok(Outcome {
            alternatives,
            ..self.outcome(work, stages)
        })
    }

    /// Runs the segment stages of `pipeline` only: the outcome's mask is what the prompts mean, its photo is as it came.
    pub fn segment(
        &self,
        pipeline: &Pipeline,
        request: Request,
        observer: &dyn Observer,
    ) -> Result<Outcome, PluginError> {
        let pipeline = pipeline.with_overrides(&request.overrides)?;
        pipeline.ready_for_prompts(&*self.networks)?;
        let mut work = self.begin(
            Request {
                mask: None,
                ..request
            },
            observer,
        )?;
        let mut stages = Vec::new();
        for step in pipeline
            .steps
            .iter()
            .filter(|step| step.stage == StageKind::Segment)
        {
            run_step(step, &mut work, &mut stages)?;
        }
        work.restore();
        Ok(self.outcome(work, stages))
    }

    fn outcome(&self, work: Work<'_>, stages: Vec<StageTiming>) -> Outcome {
        let mask_share = share(&work.mask);
        Outcome {
            photo: work.photo,
            mask: work.mask,
            stages,
            models: work.models,
            mask_share,
            predicted_iou: work.predicted_iou,
            choices: work.choices,
            alternatives: Vec::new(),
            device: self.device(),
            warnings: work.warnings,
        }
    }

    fn begin<'a>(
        &'a self,
        request: Request,
        observer: &'a dyn Observer,
    ) -> Result<Work<'a>, PluginError> {
        let Request {
            mut photo,
            mask,
            prompts,
            overrides: _,
            frame,
        } = request;
        let size = (photo.width, photo.height);
        let found = mask.is_none();
        let mut user_mask = match mask {
            Some(mask) => mask,
            None if prompts.is_some() => Mask::empty(photo.width, photo.height),
            None => return Err(PluginError::NoMask),
        };
        if (user_mask.width, user_mask.height) != size || user_mask.data.len() != size.0 * size.1 {
            return Err(PluginError::MaskSize {
                mask: (user_mask.width, user_mask.height),
                photo: size,
            });
        }
        user_mask.harden();
        let shot = frame.map(|frame| self.shots.begin(&frame, &photo));
        let (mask, alpha) = (user_mask.clone(), user_mask.clone());
        let mut warnings = photo.metadata.warnings.clone();
        let colours = photo.colours().unwrap_or_else(|why| {
            warnings.push(format!(
                "the colour profile cannot be used, so the photo was taken for sRGB: {why}"
            ));
            None
        });
        let transparency = Transparency::of(&photo);
        if let Some(transparency) = transparency.as_ref().filter(|_| found) {
            transparency.put_on_ground(&mut photo);
        }
        Ok(Work {
            photo,
            colours,
            transparency,
            prompts,
            user_mask,
            mask,
            alpha,
            crops: Vec::new(),
            candidates: Vec::new(),
            copied: false,
            choices: Vec::new(),
            backend: &*self.backend,
            networks: &*self.networks,
            executables: &self.executables,
            gather: &self.gather,
            sharing: Sharing::default(),
            embeddings: &self.embeddings,
            observer,
            warnings,
            models: Vec::new(),
            predicted_iou: None,
            shot,
        })
    }
}

/// Makes one candidate.
fn run_branch(
    name: &str,
    steps: &[&Step],
    work: &mut Work<'_>,
    stages: &mut Vec<StageTiming>,
) -> Result<(), PluginError> {
    for step in steps {
        run_step(step, work, stages)?;
    }
    let crops = std::mem::take(&mut work.crops);
    work.candidates.push(Candidate {
        name: name.to_string(),
        crops,
    });
    Ok(())
}

/// What is done with fills at last.
struct Last<'p> {
    /// Refine and finish steps.
    steps: Vec<&'p Step>,
    /// Fills alpha for fills that have none.
    planes: Option<&'static PluginInfo>,
}

/// Betters the fills of `work` and blends them into its photo; `candidate` is whose fills they are, if not those that were kept.
fn finish(
    last: &Last<'_>,
    work: &mut Work<'_>,
    stages: &mut Vec<StageTiming>,
    candidate: Option<&str>,
) -> Result<(), PluginError> {
    let first = stages.len();
    for step in &last.steps {
        run_step(step, work, stages)?;
    }
    work.check_cancelled("composite")?;
    fill_plane(last.planes, work, stages)?;
    let started = Instant::now();
    let filled = work.transparency.as_ref().map(|transparency| {
        transparency.bring_back(&mut work.photo);
        transparency.filled()
    });
    composite(&mut work.photo, &work.alpha, &work.crops, filled);
    stages.push(timing(None, "composite", started, Sharing::default()));
    for stage in &mut stages[first..] {
        stage.candidate = candidate.map(str::to_string);
    }
    Ok(())
}

/// The clean plate of one candidate alone, on `photo` as it came. The result in `work` stays as it is.
fn finish_rival(
    rival: Rival,
    photo: Photo,
    last: &Last<'_>,
    work: &mut Work<'_>,
    stages: &mut Vec<StageTiming>,
) -> Result<Alternative, PluginError> {
    let Rival { candidate, told } = rival;
    let result = std::mem::replace(&mut work.photo, photo);
    // What is said of a result is said of the one that was kept.
    let said = work.warnings.len();
    work.crops = candidate.crops;
    let done = finish(last, work, stages, Some(&told.name));
    work.warnings.truncate(said);
    let photo = std::mem::replace(&mut work.photo, result);
    done.map(|()| Alternative {
        photo: Some(photo),
        ..told
    })
}

fn run_step(
    step: &Step,
    work: &mut Work<'_>,
    stages: &mut Vec<StageTiming>,
) -> Result<(), PluginError> {
    let stage = step.info.build(&step.values)?;
    let mut done = run_alone(&step.plugin, &*stage, work)?;
    done.stage = Some(step.stage);
    done.candidate = step.candidate.clone();
    stages.push(done);
    Ok(())
}

/// From this share of the photo on, a mask that was found counts as the whole photo: nobody points at all of it.
pub const WHOLE_SHARE: f64 = 0.9;
/// From this share of the photo on, most of what the result shows is made up.
const LARGE_SHARE: f64 = 0.4;

/// The share of the pixels that a mask removes.
fn share(mask: &Mask) -> f64 {
    mask.count() as f64 / mask.data.len().max(1) as f64
}

fn check_mask(work: &Work<'_>) -> Result<(), PluginError> {
    if work.mask.data.iter().all(|&v| v == 0) {
        return Err(PluginError::EmptyMask);
    }
    // A mask that was found is none that was sent: the client can only prompt differently.
    let found = work
        .prompts
        .as_ref()
        .filter(|_| work.predicted_iou.is_some());
    let nearly = found.is_some() && share(&work.user_mask) > WHOLE_SHARE;
    if nearly || work.alpha.data.iter().all(|&v| v != 0) {
        return Err(found.map_or(PluginError::WholeImageMask, |prompts| {
            PluginError::WholeImageFound {
                given: prompts.given(),
            }
        }));
    }
    Ok(())
}
