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
        let wrong = |field: &str, text: String| FieldError::new(&[field], text, "");
        let named = match &tuning.pipeline {
            Some(name) if *name != self.own.name => {
                let allowed = self
                    .rules
                    .as_ref()
                    .is_none_or(|rules| *name == rules.default || rules.allowed.contains(name));
                let found = self.set.get(name).ok().filter(|_| allowed);
                found.cloned().map(Arc::new).ok_or_else(|| {
                    let text = format!("{name:?} is none that `pipelines.allowed` offers");
                    sidecar::fault(&[wrong("pipeline", text)])
                })?
            }
            _ => self.own.clone(),
        };
        let overrides = tuning.overrides();
        if overrides.is_empty() {
            return Ok(named);
        }
        let mut errors = Vec::new();
        let mut pipeline = (*named).clone();
        for (field, path, value) in overrides {
            if field == "set"
                && self
                    .rules
                    .as_ref()
                    .is_some_and(|rules| !rules.may_set(&path))
            {
                let text = format!("{path:?} is none that `pipelines.settable` lists");
                errors.push(wrong(field, text));
                continue;
            }
            match pipeline.with_overrides(&[(path, value)]) {
                Ok(tuned) => pipeline = tuned,
                Err(error) => errors.push(wrong(field, error.to_string())),
            }
        }
        if errors.is_empty() {
            Ok(Arc::new(pipeline))
        } else {
            Err(sidecar::fault(&errors))
        }
    }
}
