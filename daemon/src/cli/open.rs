//! What commands open: the store beside a running daemon, models, pipelines, a device.

use std::sync::Arc;

use anyhow::Context;
use cleanplate_engine::{Backend, BackendChoice};
use cleanplate_models::ModelStore;
use cleanplate_pipeline::PipelineSet;
use cleanplate_pipeline::Plugins;
use cleanplate_store::{Page, PageRequest, Store, StoreError};

use crate::config::Config;
use crate::files::Dirs;

/// Who acts, in the audit table.
pub const ACTOR: &str = "command line";

/// The store of the configuration; a daemon may be running on it.
pub fn store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    crate::database::attach(config)
}

/// The models that are there.
pub fn models(config: &Config) -> anyhow::Result<Arc<ModelStore>> {
    Ok(Arc::new(ModelStore::open(&config.models.dir)?))
}

/// The plugins that are there, built in and the user's own.
pub fn plugins(config: &Config) -> anyhow::Result<Plugins> {
    Ok(cleanplate_plugins::plugins(&[&config
        .pipelines
        .plugins_dir])?)
}

/// The pipelines that are there.
pub fn pipelines(config: &Config) -> anyhow::Result<PipelineSet> {
    Ok(cleanplate_plugins::pipelines(
        &plugins(config)?,
        &[&config.pipelines.dir],
    )?)
}

/// A device. The pipeline cache is used only where the daemon's data folder already is.
pub fn device(config: &Config, choice: BackendChoice) -> anyhow::Result<Arc<dyn Backend>> {
    let dirs = Dirs::under(&config.server.data_dir);
    let dirs = dirs.cache.is_dir().then_some(&dirs);
    crate::jobs::open_device(&config.engine, dirs, choice, config.engine.adapters.first())
        .context("opening a device")
}

/// Every row of a listing, at most `rows_max`.
pub fn all<T>(
    rows_max: usize,
    mut page: impl FnMut(&PageRequest) -> Result<Page<T>, StoreError>,
) -> anyhow::Result<Vec<T>> {
    let (mut rows, mut request) = (Vec::new(), PageRequest::default());
    loop {
        let next = page(&request)?;
        rows.extend(next.items);
        match next.next {
            Some(after) if rows.len() < rows_max => request.after = Some(after),
            _ => break,
        }
    }
    rows.truncate(rows_max);
    Ok(rows)
}
