//! `models`: list, pull, import, verify.

use std::process::ExitCode;

use cleanplate_models::store::Progress;
use cleanplate_models::{ModelInfo, ModelStore};
use indicatif::ProgressBar;
use serde_json::json;

use super::args::ModelsCommand;
use super::progress::bar;
use super::{load, open, print_json};

/// Runs one of the commands.
pub fn run(command: &ModelsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::List { place, output } => {
            let list = open::models(&load(place, Vec::new())?)?.list()?;
            if output.json {
                print_json(&json!({ "models": list }))?;
            } else {
                println!(
                    "{:14} {:9} {:>12} {:9} {:12} LICENCE",
                    "NAME", "ARCH", "BYTES", "STATE", "SHA256"
                );
                for model in &list {
                    let state = if model.embedded {
                        "built in"
                    } else if model.present {
                        "present"
                    } else {
                        "absent"
                    };
                    let hash: String = model.sha256.chars().take(12).collect();
                    println!(
                        "{:14} {:9} {:>12} {state:9} {hash:12} {}",
                        model.name, model.arch, model.bytes, model.licence
                    );
                }
                for model in &list {
                    if let Some(data) = &model.trained_on {
                        println!("\n{} was trained on {data}.", model.name);
                    }
                }
            }
        }
        ModelsCommand::Pull {
            name,
            place,
            output,
        } => {
            let store = open::models(&load(place, Vec::new())?)?;
            let info = with_bar(&store, |store, progress| store.pull(name, progress))?;
            done("pulled", &info, output.json)?;
        }
        ModelsCommand::Import {
            file,
            name,
            place,
            output,
        } => {
            let store = open::models(&load(place, Vec::new())?)?;
            let info = with_bar(&store, |store, progress| store.import(file, name, progress))?;
            done("imported", &info, output.json)?;
        }
        ModelsCommand::Verify {
            name,
            place,
            output,
        } => {
            let info = open::models(&load(place, Vec::new())?)?.verify(name)?;
            done("verified", &info, output.json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn with_bar<E>(
    store: &ModelStore,
    act: impl FnOnce(&ModelStore, &mut dyn FnMut(Progress)) -> Result<ModelInfo, E>,
) -> Result<ModelInfo, E> {
    let bar: ProgressBar = bar(
        0,
        "{msg:10} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    );
    let outcome = act(store, &mut |progress: Progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
        bar.set_message(format!("{:?}", progress.phase).to_lowercase());
    });
    bar.finish_and_clear();
    outcome
}

fn done(what: &str, info: &ModelInfo, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(info);
    }
    println!(
        "{what} {}: {} bytes, sha256 {}",
        info.name, info.bytes, info.sha256
    );
    Ok(())
}
