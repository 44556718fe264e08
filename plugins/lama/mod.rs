//! `lama`: the plugin `network` under its first name, with the small LaMa network where none is named.

use cleanplate_pipeline::PluginInfo;

use crate::network::Network;

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin(include_str!("plugin.toml"), |values| {
    Ok(Box::new(Network::new("lama", values)))
});
