//! Runs one stage and says what it took.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::manifest::StageKind;
use crate::{PluginError, Sharing, Stage, Work};

/// Time spent in one plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageTiming {
    /// Its stage; `None` for the final blend.
    pub stage: Option<StageKind>,
    /// Plugin name, or `composite` for the final blend.
    pub plugin: String,
    /// The candidate that the step belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// Milliseconds, waiting included.
    pub ms: f64,
    /// Milliseconds of `ms` spent waiting for the device and for crops of other runs.
    pub waited_ms: f64,
    /// Most crops that went through a network together with one of this run's; 0 without a network.
    pub crops_together: usize,
}

/// Runs one stage; returns the time it took.
pub(crate) fn run_alone(
    name: &str,
    stage: &dyn Stage,
    work: &mut Work<'_>,
) -> Result<StageTiming, PluginError> {
    work.check_cancelled(name)?;
    work.observer.stage(name, 0.0);
    let started = Instant::now();
    stage.run(work)?;
    let done = timing(None, name, started, std::mem::take(&mut work.sharing));
    tracing::debug!(plugin = name, ms = done.ms, "stage done");
    work.observer.stage(name, 1.0);
    Ok(done)
}

/// What a step that began at `started` took.
pub(crate) fn timing(
    stage: Option<StageKind>,
    plugin: &str,
    started: Instant,
    sharing: Sharing,
) -> StageTiming {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let Sharing {
        waited,
        crops_together,
    } = sharing;
    StageTiming {
        stage,
        plugin: plugin.to_string(),
        candidate: None,
        ms: ms(started.elapsed()),
        waited_ms: ms(waited),
        crops_together,
    }
}
