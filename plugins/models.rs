//! The networks that plugins may ask for, seen from their side.

use std::sync::Arc;

use cleanplate_engine::Graph;

use crate::PluginError;

/// A network that fills holes. Graphs take `[image u8 [1,H,W,3], mask u8 [1,H,W]]` (mask 128 and more = hole) and give one
/// `f32 [1,3,Hp,Wp]`, colours 0..1, `Hp >= H`, `Wp >= W`.
pub trait InpaintNetwork: Send + Sync {
    /// Model name, as shown in results.
    fn name(&self) -> &str;
    /// Hash of the weights, hexadecimal.
    fn sha256(&self) -> &str;
    /// The graph for one crop of `height` x `width` pixels.
    fn graph(&self, height: usize, width: usize) -> Result<Graph, PluginError>;
}

/// Finds networks by name.
pub trait Networks: Send + Sync {
    /// The LaMa network `name`.
    fn lama(&self, name: &str) -> Result<Arc<dyn InpaintNetwork>, PluginError>;
}
