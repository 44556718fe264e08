//! SIGHUP: takes what can change while the daemon runs, and says what cannot.

use crate::app::App;
use crate::folder::Folders;
use crate::telemetry;

/// Options, or tables of them, that take effect at once.
const AT_ONCE: [&str; 3] = ["hot_folder.", "hot_folders.", "logging.level"];

/// Reads the configuration and the keys of addresses again. Blocks.
pub fn reload(app: &App, folders: &Folders) {
    match crate::database::refresh(&app.url_keys, app.shared.as_deref(), &app.dirs) {
        Ok(keys) => tracing::info!(keys, "read the keys that sign addresses again"),
        Err(error) => tracing::error!(%error, "the keys that sign addresses stay as they were"),
    }
    // Broken configurations are told by the folders, which read it too.
    folders.reload();
    let Ok(config) = app.config.source.load() else {
        return;
    };
    telemetry::set_level(&config.logging.level);
    let changed = app.config.source.changed(&config.source);
    let at_once = |path: &&String| AT_ONCE.iter().any(|known| path.starts_with(known));
    let (now, later): (Vec<&String>, Vec<&String>) = changed.iter().partition(at_once);
    let list = |paths: &[&String]| {
        let texts: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
        texts.join(", ")
    };
    if !now.is_empty() {
        tracing::info!(options = list(&now), "changed options take effect");
    }
    if !later.is_empty() {
        tracing::warn!(
            options = list(&later),
            "changed options take effect at the next start only"
        );
    }
}
