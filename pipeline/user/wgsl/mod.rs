//! `entry = "wgsl"`: a compute shader of the user (see README.md here).
//!
//! Its text is parsed, validated and measured when the plugin is loaded, so that a wrong shader shows at start with file
//! and line. It is compiled with all of wgpu's checks, whatever the engine's own kernels use.

mod check;
mod op;
mod stage;

use std::path::Path;

use crate::manifest::{Image, WgslTable};
pub(crate) use stage::WgslStage;

use crate::PluginError;
use crate::manifest::Manifest;
use crate::user::catalogue::read_text;

/// A user's shader, checked.
#[derive(Debug)]
pub struct Shader {
    /// Plugin name.
    pub(crate) name: &'static str,
    /// Its text; kept for as long as the program runs, see [`op::intern`].
    pub(crate) text: &'static str,
    pub(crate) table: WgslTable,
}

impl Shader {
    /// Reads and checks the shader of `manifest` in `folder`.
    pub fn load(
        manifest: &Manifest,
        folder: &Path,
        table: &WgslTable,
    ) -> Result<Shader, PluginError> {
        let path = folder.join(&table.shader);
        let text = read_text(&path)?;
        let file = path.display().to_string();
        check::check(&file, &text, table).map_err(|detail| PluginError::File { file, detail })?;
        Ok(Shader {
            name: op::intern(&manifest.name),
            text: op::intern(&text),
            table: table.clone(),
        })
    }
}
