//! `lama`: the plugin `network` under its first name, with the small LaMa network where none is named.

use cleanplate_pipeline::{PluginError, PluginInfo, Stage, Work};
use serde::Deserialize;

use crate::network::{Network, Parameters};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<Lama>(include_str!("plugin.toml"));

#[derive(Deserialize)]
#[serde(from = "Parameters")]
struct Lama(Network);

impl From<Parameters> for Lama {
    fn from(given: Parameters) -> Self {
        let plugin = "lama";
        Lama(Network { plugin, given })
    }
}

impl Stage for Lama {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        self.0.run(work)
    }
}
