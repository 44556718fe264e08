//! `plugins`: begin one, check one.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use cleanplate_pipeline::user::UserPlugin;
use cleanplate_plugins::PLUGINS;
use serde_json::json;

use super::args::{NewEntry, PluginsCommand};
use super::{print_json, usage};
use crate::telemetry::escaped;

/// The files of a plugin to begin with; the examples of the repository.
const PROCESS: [(&str, &str); 2] = [
    (
        "plugin.toml",
        include_str!("../../../plugins/examples/match-tone/plugin.toml"),
    ),
    (
        "match_tone.py",
        include_str!("../../../plugins/examples/match-tone/match_tone.py"),
    ),
];
const WGSL: [(&str, &str); 2] = [
    (
        "plugin.toml",
        include_str!("../../../plugins/examples/film-grain/plugin.toml"),
    ),
    (
        "film-grain.wgsl",
        include_str!("../../../plugins/examples/film-grain/film-grain.wgsl"),
    ),
];
/// Longest name, characters.
const NAME_CHARS_MAX: usize = 40;

/// Does what is asked.
pub fn run(command: &PluginsCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginsCommand::New { name, entry, into } => begin(name, *entry, into.as_deref())?,
        PluginsCommand::Check { dir, output } => {
            let dir = dir
                .canonicalize()
                .with_context(|| format!("looking at {}", dir.display()))?;
            let plugin = UserPlugin::load(&dir)?;
            let manifest = plugin.manifest();
            free(&manifest.name)?;
            if output.json {
                print_json(&json!({ "ok": true, "plugin": manifest }))?;
            } else {
                println!(
                    "{}: stage {:?}, {:?}, {} parameters: no problems",
                    escaped(&manifest.name),
                    manifest.stage,
                    manifest.entry,
                    manifest.parameters.len()
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether no plugin of this program has the name.
fn free(name: &str) -> anyhow::Result<()> {
    ensure!(
        PLUGINS.iter().all(|known| known.manifest().name != name),
        "a plugin of this program is named {name:?}; choose another name"
    );
    Ok(())
}

fn begin(name: &str, entry: NewEntry, into: Option<&Path>) -> anyhow::Result<()> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let plain = name.len() <= NAME_CHARS_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(good);
    let expected = "a small letter, then small letters, digits and -, 40 characters at most";
    usage("NAME", name, expected, plain.then_some(()))?;
    free(name)?;
    let dir = into.unwrap_or(Path::new(".")).join(name);
    std::fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    let (files, example) = match entry {
        NewEntry::Process => (PROCESS, "match-tone"),
        NewEntry::Wgsl => (WGSL, "film-grain"),
    };
    for (file, text) in files {
        let text = text.replace(
            &format!("name = \"{example}\""),
            &format!("name = \"{name}\""),
        );
        let path = dir.join(file);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    UserPlugin::load(&dir.canonicalize()?)?;
    println!(
        "{0}: a copy of the example {example}, which works; change it, then\n  cleanplate plugins check {0}",
        dir.display()
    );
    Ok(())
}
