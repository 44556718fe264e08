//! The networks that plugins may ask for, seen from their side.

use std::sync::Arc;

use cleanplate_engine::Graph;
use cleanplate_models::arch::{Inpaint, Segment};
use cleanplate_models::{MODELS, ModelError, ModelStore, Role};

use crate::PluginError;

/// A network that fills holes. Graphs take `[image u8 [N,H,W,3], mask u8 [N,H,W]]` (mask 128 and more = hole) and give one
/// `f32 [N,3,Hp,Wp]`, colours 0..1, `Hp >= H`, `Wp >= W`. What comes of a crop does not depend on its neighbours.
pub trait InpaintNetwork: Send + Sync {
    /// Model name, as shown in results.
    fn name(&self) -> &str;
    /// Hash of the weights, hexadecimal.
    fn sha256(&self) -> &str;
    /// Least side of a crop in pixels. By default 16: what is smaller is padded to it.
    fn side_px_min(&self) -> usize {
        16
    }
    /// It pads sides to multiples of this many pixels. By default 1.
    fn side_px_multiple(&self) -> usize {
        1
    }
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
    pub network: Arc<dyn Segment>,
    /// Of the masks of a single click whose predicted quality is this near to the best, the largest is taken.
    pub click_margin: f32,
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

/// Name that means: the best network for the stage that is there. The models' manifests rank them.
pub const AUTO: &str = "auto";

/// Finds networks by name.
pub trait Networks: Send + Sync {
    /// The network that fills holes which [`Networks::inpaint_name`] gives.
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError>;

    /// Name of the network that fills holes which `name` means: itself, or for [`AUTO`] the best that is there.
    fn inpaint_name(&self, name: &str) -> Result<String, PluginError> {
        Ok(name.to_string())
    }

    /// Name of the network that finds objects which `name` means: itself, or for [`AUTO`] the best that is there. By default there is none.
    fn segment_name(&self, name: &str) -> Result<String, PluginError> {
        let remedy = "send a mask instead of points or a box".to_string();
        Err(PluginError::Unavailable {
            what: format!("model {name}"),
            remedy,
        })
    }

    /// Name of the network that [`AUTO`] means for a single click: the one that most often finds what was meant.
    fn click_name(&self) -> Result<String, PluginError> {
        self.segment_name(AUTO)
    }

    /// The network that [`Networks::segment_name`] gives.
    fn segment(&self, name: &str) -> Result<SegmentNetwork, PluginError> {
        Err(PluginError::Unavailable {
            what: format!("model {}", self.segment_name(name)?),
            remedy: "send a mask".to_string(),
        })
    }
}

impl Networks for ModelStore {
    fn inpaint(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError> {
        let name = &self.inpaint_name(name)?;
        let info = self.info(name).map_err(|e| refused(name, e))?;
        let network = ModelStore::inpaint(self, name).map_err(|e| refused(name, e))?;
        Ok(Arc::new(Stored {
            name: info.name,
            sha256: info.sha256,
            network,
        }))
    }

    fn inpaint_name(&self, name: &str) -> Result<String, PluginError> {
        if name != AUTO {
            return Ok(name.to_string());
        }
        let best = self.auto(Role::Inpaint).map_err(|e| refused(name, e))?;
        best.map(|info| info.name)
            .ok_or_else(|| lacking(self, Role::Inpaint))
    }

    fn segment_name(&self, name: &str) -> Result<String, PluginError> {
        if name == AUTO {
            let best = self.auto(Role::Segment).map_err(|e| refused(name, e))?;
            return best
                .map(|info| info.name)
                .ok_or_else(|| lacking(self, Role::Segment));
        }
        // For its message where there is nothing of that name.
        let info = self.info(name).map_err(|e| refused(name, e))?;
        if info.present {
            Ok(info.name)
        } else {
            Err(refused(name, self.absent(name)))
        }
    }

    fn click_name(&self) -> Result<String, PluginError> {
        let best = self.auto_for_click().map_err(|e| refused(AUTO, e))?;
        best.map_or_else(|| self.segment_name(AUTO), |info| Ok(info.name))
    }

    fn segment(&self, name: &str) -> Result<SegmentNetwork, PluginError> {
        let name = &self.segment_name(name)?;
        let info = self.info(name).map_err(|e| refused(name, e))?;
        let network = ModelStore::segment(self, name).map_err(|e| refused(name, e))?;
        let known = MODELS.iter().find(|model| model.name == *name);
        let manifest = known.map(|model| model.parse()).transpose();
        let manifest = manifest.map_err(|e| refused(name, e))?;
        let click = manifest.and_then(|manifest| manifest.click);
        Ok(SegmentNetwork {
            name: info.name,
            sha256: info.sha256,
            network,
            click_margin: click.map_or(0.0, |click| click.margin),
        })
    }
}

/// A network of the model store that fills holes.
struct Stored {
    name: String,
    sha256: String,
    network: Arc<dyn Inpaint>,
}

impl InpaintNetwork for Stored {
    fn name(&self) -> &str {
        &self.name
    }
    fn sha256(&self) -> &str {
        &self.sha256
    }
    fn side_px_min(&self) -> usize {
        self.network.side_px_min().max(16)
    }
    fn side_px_multiple(&self) -> usize {
        self.network.side_px_multiple()
    }
    fn graph(&self, batch: usize, height: usize, width: usize) -> Result<Graph, PluginError> {
        let graph = self.network.graph(batch, height, width);
        graph.map_err(|e| refused(&self.name, e))
    }
}

/// Why there is no network of this kind.
fn lacking(store: &ModelStore, role: Role) -> PluginError {
    if let Ok(Some(ModelError::Absent { name, remedy })) = store.lacks(role) {
        return PluginError::Unavailable {
            what: format!("model {name}"),
            remedy,
        };
    }
    let (what, remedy) = match role {
        Role::Inpaint => (
            "a network that fills holes",
            "`cleanplate models pull big-lama`, or a pipeline without a network",
        ),
        Role::Segment => (
            "a segmentation model, which points and box need,",
            "`cleanplate models pull mobile-sam`, or `cleanplate models import FILE --as mobile-sam`, or send a mask",
        ),
    };
    PluginError::Unavailable {
        what: what.to_string(),
        remedy: remedy.to_string(),
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
