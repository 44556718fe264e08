//! Which pipeline a pair goes through, and what its sidecar may change of it.

use std::sync::Arc;

use cleanplate_api::FieldError;
use cleanplate_pipeline::{Pipeline, PipelineSet};

use super::report::PairFault;
use super::sidecar;
use crate::config::Pipelines;
use crate::tuning::Tuning;

/// Pipelines of a folder.
pub struct Menu {
    /// The one of pairs that name none.
    pub own: Arc<Pipeline>,
    /// All there are.
    pub set: PipelineSet,
    /// What sidecars may choose and set; `None` = everything.
    pub rules: Option<Pipelines>,
}

impl Menu {
    /// The pipeline that a sidecar asks for.
    pub fn choose(&self, tuning: &Tuning) -> Result<Arc<Pipeline>, PairFault> {
        let rules = self.rules.as_ref();
        let pipeline = match &tuning.pipeline {
            Some(name) if *name != self.own.name => {
                let allowed = rules
                    .is_none_or(|rules| *name == rules.default || rules.allowed.contains(name));
                let found = self.set.get(name).ok().filter(|_| allowed);
                found.cloned().map(Arc::new).ok_or_else(|| {
                    let text = format!("{name:?} is none that `pipelines.allowed` offers");
                    sidecar::fault(&[FieldError::new(&["pipeline"], text, "")])
                })?
            }
            _ => self.own.clone(),
        };
        tuning
            .applied(&pipeline, rules)
            .map_err(|errors| sidecar::fault(&errors))
    }
}
