//! The networks that plugins may ask for, seen from their side.

use std::sync::Arc;

use cleanplate_engine::Graph;
use cleanplate_models::lama::{Lama, LamaGraph, LamaOutput};
use cleanplate_models::sam::Sam;
use cleanplate_models::{ModelError, ModelStore};

use crate::PluginError;

/// A network that fills holes. Graphs take `[image u8 [N,H,W,3], mask u8 [N,H,W]]` (mask 128 and more = hole) and give one
/// `f32 [N,3,Hp,Wp]`, colours 0..1, `Hp >= H`, `Wp >= W`. What comes of a crop does not depend on its neighbours.
pub trait InpaintNetwork: Send + Sync {
    /// Model name, as shown in results.
    fn name(&self) -> &str;
    /// Hash of the weights, hexadecimal.
    fn sha256(&self) -> &str;
    /// The graph for `batch` crops of `height` x `width` pixels.
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, PluginError>;
}

/// A network that turns points and boxes into masks.
#[derive(Debug, Clone)]
pub struct SegmentNetwork {
    /// Model name, as shown in results.
    pub name: String,
    /// Hash of the weights, hexadecimal.
    pub sha256: String,
    /// The network.
    pub sam: Arc<Sam>,
}

impl SegmentNetwork {
    /// An error of the network in a plugin's terms.
    pub fn refused(&self, error: &ModelError) -> PluginError {
        PluginError::Model {
            name: self.name.clone(),
            detail: error.to_string(),
        }
    }
}

/// Name that means: the best segmentation network that is there.
pub const AUTO: &str = "auto";

/// Networks that [`AUTO`] may mean, the first that is there: imported ones before the shipped one, which is smaller; MobileSAM before ViT-B,
/// which takes fifteen times as long for nearly the same masks.
const SAM_ORDER: [&str; 3] = ["mobile-sam", "sam-vit-b", "sam-small"];

/// Finds networks by name.
pub trait Networks: Send + Sync {
    /// The LaMa network `name`.
    fn lama(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError>;

    /// Name of the SAM network that `name` means: itself, or for [`AUTO`] the best that is there. By default there is none.
    fn sam_name(&self, name: &str) -> Result<String, PluginError> {
        let remedy = "send a mask instead of points or a box".to_string();
        Err(PluginError::Unavailable {
            what: format!("model {name}"),
            remedy,
        })
    }

    /// The SAM network that [`Networks::sam_name`] gives.
    fn sam(&self, name: &str) -> Result<SegmentNetwork, PluginError> {
        Err(PluginError::Unavailable {
            what: format!("model {}", self.sam_name(name)?),
            remedy: "send a mask".to_string(),
        })
    }
}

impl Networks for ModelStore {
    fn lama(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        let info = self.info(name).map_err(|e| refused(name, e))?;
        let lama = ModelStore::lama(self, name).map_err(|e| refused(name, e))?;
        Ok(Arc::new(StoredLama {
            name: info.name,
            sha256: info.sha256,
            lama,
        }))
    }

    fn sam_name(&self, name: &str) -> Result<String, PluginError> {
        let present = |name: &str| self.info(name).is_ok_and(|info| info.present);
        if name == AUTO {
            return SAM_ORDER
                .iter()
                .find(|known| present(known))
                .map(|known| known.to_string())
                .ok_or_else(no_sam);
        }
        // For its message where there is nothing of that name.
        let info = self.info(name).map_err(|e| refused(name, e))?;
        if info.present {
            Ok(info.name)
        } else {
            Err(refused(name, self.absent(name)))
        }
    }

    fn sam(&self, name: &str) -> Result<SegmentNetwork, PluginError> {
        let name = &self.sam_name(name)?;
        let info = self.info(name).map_err(|e| refused(name, e))?;
        let sam = ModelStore::sam(self, name).map_err(|e| refused(name, e))?;
        Ok(SegmentNetwork {
            name: info.name,
            sha256: info.sha256,
            sam,
        })
    }
}

/// A LaMa network of the model store.
struct StoredLama {
    name: String,
    sha256: String,
    lama: Arc<Lama>,
}

impl InpaintNetwork for StoredLama {
    fn name(&self) -> &str {
        &self.name
    }
    fn sha256(&self) -> &str {
        &self.sha256
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, PluginError> {
        let size = LamaGraph {
            batch,
            height,
            width,
            output: LamaOutput::Prediction,
        };
        self.lama.graph(size).map_err(|e| refused(&self.name, e))
    }
}

fn no_sam() -> PluginError {
    PluginError::Unavailable {
        what: "a segmentation model, which points and box need,".to_string(),
        remedy: "`cleanplate models pull mobile-sam`, or `cleanplate models import FILE --as mobile-sam`, or send a mask".to_string(),
    }
}

fn refused(name: &str, error: ModelError) -> PluginError {
    match error {
        ModelError::Absent { remedy, .. } => PluginError::Unavailable {
            what: format!("model {name}"),
            remedy,
        },
        ModelError::Engine(source) => PluginError::Engine {
            during: format!("building {name}"),
            source: Box::new(source),
        },
        other => PluginError::Model {
            name: name.to_string(),
            detail: other.to_string(),
        },
    }
}
