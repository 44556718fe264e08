//! `config check` and `config show`: every problem of a configuration, and every option in effect, without starting anything.

use std::path::Path;
use std::process::ExitCode;

use super::args::{Output, Place};
use super::{load, print_json};
use crate::config::{self, Config, FilesPlace, Problem};
use crate::files::{Blobs, Dirs};
use crate::telemetry::escaped_lines;

/// Checks and reports.
pub fn run(file: Option<&Path>, output: Output) -> anyhow::Result<ExitCode> {
    let problems = match config::load(file, std::env::vars(), &[]) {
        Ok(config) => around(&config)?,
        Err(error) => error.0,
    };
    for problem in &problems {
        eprintln!("{}", escaped_lines(&problem.to_string()));
    }
    let ok = problems.is_empty();
    if output.json {
        let list: Vec<_> = problems
            .iter()
            .map(|p| serde_json::json!({"origin": p.origin, "message": p.message}))
            .collect();
        println!("{}", serde_json::json!({"ok": ok, "problems": list}));
    } else if ok {
        println!(
            "{}: no problems",
            file.map_or_else(
                || "defaults and variables".to_string(),
                |path| escaped_lines(&path.display().to_string())
            )
        );
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is well written, but finds no folder or account here.
fn around(config: &Config) -> anyhow::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    if let Err(error) = files(config) {
        let origin = config.source.origin("files.url");
        problems.push(Problem::new(origin, format!("`files.url`: {error:#}")));
    }
    let store = match crate::database::as_it_is(config) {
        Err(error) if config.database.address.is_some() => {
            let origin = config.source.origin("store.url");
            problems.push(Problem::new(origin, format!("{error:#}")));
            None
        }
        store => store?,
    };
    for (at, folder) in config.hot_folders.iter().enumerate() {
        let mut add = |option: &str, message: String| {
            let origin = config.source.origin(&format!("hot_folder.{at}.{option}"));
            problems.push(Problem::new(origin, message));
        };
        let path = folder.path.display();
        if !folder.path.is_dir() {
            add(
                "path",
                format!("there is no folder {path}: make it, owned by the daemon's user"),
            );
        }
        let parent = folder.output.parent().is_none_or(Path::is_dir);
        if !parent && !folder.output.starts_with(&folder.path) {
            let output = folder.output.display();
            add("output", format!("the folder of {output} does not exist"));
        }
        if let (Some(store), Some(payer)) = (&store, &folder.account)
            && let Err(why) = crate::folder::payer(&**store, payer)
        {
            add("account", format!("`account` of {path}: {why}"));
        }
    }
    Ok(problems)
}

/// Tries the place of files, where that is not the data folder, with a file of its own.
fn files(config: &Config) -> anyhow::Result<()> {
    if matches!(config.files.place, FilesPlace::Data) {
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let dirs = Dirs::under(scratch.path());
    dirs.prepare()?;
    Blobs::configured(&config.files, &dirs)?.check()
}

/// Shows every option in effect, its value and where that was written. Secrets stay hidden.
pub fn show(place: &Place, changed: bool, output: Output) -> anyhow::Result<ExitCode> {
    let config = load(place, Vec::new())?;
    let options: Vec<_> = config
        .source
        .options()
        .filter(|option| !(changed && option.default))
        .collect();
    if output.json {
        let list: Vec<_> = options
            .iter()
            .map(|option| {
                serde_json::json!({
                    "option": option.path, "value": option.value, "origin": option.origin,
                    "default": option.default, "secret": option.secret,
                })
            })
            .collect();
        print_json(&serde_json::json!({ "options": list }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for option in options {
        let value = if option.secret {
            "(not shown)".to_string()
        } else {
            escaped_lines(&option.value.to_string())
        };
        println!(
            "{:36} = {value:24} # {}",
            option.path,
            escaped_lines(&option.origin)
        );
    }
    Ok(ExitCode::SUCCESS)
}
