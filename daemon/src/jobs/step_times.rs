//! How far a job is, by the time that the steps of earlier ones took.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use cleanplate_api::StageTiming;
use cleanplate_pipeline::Pipeline;
use cleanplate_pipeline::manifest::StageKind;

use super::lock;

/// Share of the job after which its own speed tells more of what is left than that of earlier ones.
const OWN_SPEED_FROM: f64 = 0.15;
/// Pipelines that are remembered.
const PIPELINES_MAX: usize = 64;

/// A job's steps in order, each with its time in milliseconds.
pub type Steps = Vec<(String, f64)>;

/// Steps of the last job of each pipeline that ended well.
#[derive(Debug, Default)]
pub struct StepTimes(Mutex<HashMap<String, Steps>>);

/// The name that a step is told by.
fn name(timing: &StageTiming) -> &str {
    if timing.plugin.is_empty() {
        &timing.stage
    } else {
        &timing.plugin
    }
}

impl StepTimes {
    /// Remembers what the steps of a job took. `kind` tells jobs apart that do different things.
    pub fn note(&self, kind: &str, stages: &[StageTiming]) {
        let steps = stages
            .iter()
            .map(|timing| (name(timing).to_string(), timing.ms));
        let mut known = lock(&self.0);
        if known.len() < PIPELINES_MAX || known.contains_key(kind) {
            known.insert(kind.to_string(), steps.collect());
        }
    }

    /// The steps that a job will take; a guess before one was measured.
    pub fn steps(&self, kind: &str, pipeline: &Pipeline) -> Steps {
        let known = lock(&self.0).get(kind).cloned();
        known.unwrap_or_else(|| guess(pipeline))
    }
}

fn guess(pipeline: &Pipeline) -> Steps {
    let weight = |kind| match kind {
        StageKind::Inpaint => 1000.0,
        StageKind::Segment | StageKind::Refine => 300.0,
        _ => 20.0,
    };
    let plugins = pipeline.steps.iter();
    let plugins = plugins.map(|step| (step.plugin.clone(), weight(step.stage)));
    let own = |name: &str, ms| (name.to_string(), ms);
    [own("decode", 100.0)]
        .into_iter()
        .chain(plugins)
        .chain([own("composite", 20.0), own("encode", 100.0)])
        .collect()
}

/// How far one job is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Advance {
    steps: Steps,
    /// Step under way.
    at: usize,
    /// Share of the job that is done; it never falls.
    done: f64,
}

impl Advance {
    /// A job that will take these steps.
    pub fn new(steps: Steps) -> Advance {
        Advance {
            steps,
            ..Advance::default()
        }
    }

    /// A job of this pipeline, before any was measured.
    pub fn guessed(pipeline: &Pipeline) -> Advance {
        Advance::new(guess(pipeline))
    }

    /// Notes that `fraction` of the step `name` is done. A step that was not expected moves nothing.
    pub fn step(&mut self, name: &str, fraction: f64) {
        let later = self.steps.iter().skip(self.at);
        let Some(ahead) = later.map(|(name, _)| name).position(|step| step == name) else {
            return;
        };
        self.at += ahead;
        let whole = self.whole();
        let before: f64 = self.steps.iter().take(self.at).map(|(_, ms)| ms).sum();
        if whole > 0.0 {
            let now = (before + fraction.clamp(0.0, 1.0) * self.steps[self.at].1) / whole;
            self.done = self.done.max(now);
        }
    }

    fn whole(&self) -> f64 {
        self.steps.iter().map(|(_, ms)| ms).sum()
    }

    /// Share of the job that is done, 0 to 1.
    pub fn done(&self) -> f64 {
        self.done
    }

    /// Time until the job ends when it took `elapsed` up to now.
    pub fn left(&self, elapsed: Duration) -> Duration {
        let left_s = if self.done >= OWN_SPEED_FROM {
            elapsed.as_secs_f64() * (1.0 - self.done) / self.done
        } else {
            (self.whole() / 1000.0 - elapsed.as_secs_f64()).max(0.0)
        };
        Duration::try_from_secs_f64(left_s).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(list: &[(&str, f64)]) -> Steps {
        list.iter()
            .map(|(name, ms)| ((*name).to_string(), *ms))
            .collect()
    }

    #[test]
    fn a_job_moves_by_the_weight_of_its_steps_and_never_back() {
        let mut job = Advance::new(steps(&[
            ("decode", 100.0),
            ("network", 300.0),
            ("grow", 0.0),
            ("patchmatch", 500.0),
            ("encode", 100.0),
        ]));
        job.step("decode", 0.0);
        assert_eq!(job.done(), 0.0);
        job.step("network", 0.5);
        assert_eq!(job.done(), 0.25);
        job.step("something else", 0.9);
        assert_eq!(job.done(), 0.25);
        job.step("patchmatch", 0.0);
        job.step("network", 1.0);
        assert_eq!(job.done(), 0.4);
        job.step("encode", 1.0);
        assert_eq!(job.done(), 1.0);
    }

    #[test]
    fn the_time_left_follows_earlier_jobs_first_and_the_own_speed_later() {
        let mut job = Advance::new(steps(&[("decode", 1000.0), ("network", 9000.0)]));
        job.step("decode", 1.0);
        assert_eq!(
            job.left(Duration::from_secs(2)),
            Duration::from_secs(8),
            "of ten seconds, two are gone"
        );
        job.step("network", 4.0 / 9.0);
        assert_eq!(
            job.left(Duration::from_secs(20)),
            Duration::from_secs(20),
            "half is done"
        );
        assert_eq!(
            Advance::new(Steps::new()).left(Duration::from_secs(1)),
            Duration::ZERO
        );
    }

    #[test]
    fn the_last_job_of_a_pipeline_is_what_counts() {
        let step_times = StepTimes::default();
        let timing = |stage: &str, plugin: &str, ms| StageTiming {
            stage: stage.to_string(),
            plugin: plugin.to_string(),
            candidate: None,
            ms,
            waited_ms: 0.0,
            crops_together: 0,
        };
        let none = Pipeline {
            name: "none".to_string(),
            description: String::new(),
            steps: Vec::new(),
            planes: None,
        };
        assert_eq!(step_times.steps("a", &none).len(), 3);
        step_times.note(
            "a",
            &[timing("decode", "", 7.0), timing("inpaint", "lama", 9.0)],
        );
        assert_eq!(
            step_times.steps("a", &none),
            steps(&[("decode", 7.0), ("lama", 9.0)])
        );
    }
}
