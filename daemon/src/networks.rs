//! The model store as the pipelines see it.

use std::sync::Arc;

use cleanplate_engine::Graph;
use cleanplate_models::lama::{Lama, LamaGraph, LamaOutput};
use cleanplate_models::{ModelError, ModelStore};
use cleanplate_plugins::PluginError;
use cleanplate_plugins::models::{InpaintNetwork, Networks};

/// Networks of a model store.
pub struct Stored(pub Arc<ModelStore>);

struct StoredLama {
    name: String,
    sha256: String,
    lama: Arc<Lama>,
}

impl Networks for Stored {
    fn lama(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        let info = self.0.info(name).map_err(|error| refused(name, &error))?;
        let lama = self.0.lama(name).map_err(|error| refused(name, &error))?;
        Ok(Arc::new(StoredLama { name: info.name, sha256: info.sha256, lama }))
    }
}

impl InpaintNetwork for StoredLama {
    fn name(&self) -> &str {
        &self.name
    }
    fn sha256(&self) -> &str {
        &self.sha256
    }
    fn graph(&self, height: usize, width: usize) -> Result<Graph, PluginError> {
        let size = LamaGraph { batch: 1, height, width, output: LamaOutput::Prediction };
        self.lama.graph(size).map_err(|error| refused(&self.name, &error))
    }
}

fn refused(name: &str, error: &ModelError) -> PluginError {
    match error {
        ModelError::Absent { remedy, .. } => PluginError::Unavailable { what: format!("model {name}"), remedy: remedy.clone() },
        other => PluginError::Model { name: name.to_string(), detail: other.to_string() },
    }
}
