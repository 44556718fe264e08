//! `pipelines`: what there is, and what a pipeline does.

use std::process::ExitCode;

use cleanplate_pipeline::Pipeline;
use cleanplate_pipeline::PluginRef;
use cleanplate_pipeline::manifest::Manifest;
use serde_json::json;

use super::args::PipelinesCommand;
use super::{load, open, print_json};

/// Lists or shows.
pub fn run(args: &PipelinesCommand) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let set = open::pipelines(&config)?;
    match (&args.name, args.output.json) {
        (None, true) => {
            let plugins: Vec<PluginRef> = open::plugins(&config)?.list().collect();
            let plugins: Vec<_> = plugins.iter().map(PluginRef::manifest).collect();
            print_json(
                &json!({ "default": config.pipelines.default, "pipelines": set.list(), "plugins": plugins }),
            )?;
        }
        (Some(name), true) => print_json(set.get(name)?)?,
        (None, false) => {
            for pipeline in set.list() {
                let mark = if pipeline.name == config.pipelines.default {
                    "*"
                } else {
                    " "
                };
                println!("{mark} {:14} {}", pipeline.name, pipeline.description);
            }
            println!("\nplugins:");
            for plugin in open::plugins(&config)?.list() {
                let Manifest {
                    name,
                    stage,
                    entry,
                    description,
                    ..
                } = plugin.manifest();
                println!(
                    "  {name:14} {:16} {description}",
                    format!("{stage:?}, {entry:?}").to_lowercase()
                );
            }
        }
        (Some(name), false) => show(set.get(name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(pipeline: &Pipeline) -> anyhow::Result<()> {
    println!("{}: {}", pipeline.name, pipeline.description);
    for step in &pipeline.steps {
        let manifest = step.manifest();
        println!(
            "\n{} ({:?}, {:?}): {}",
            step.plugin, step.stage, manifest.entry, manifest.description
        );
        for (name, parameter) in &manifest.parameters {
            let value = step
                .values
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| serde_json::to_string(value))
                .transpose()?;
            println!(
                "  {name} = {}   ({})\n      {}",
                value.unwrap_or_default(),
                parameter.expected().trim_start_matches("expected "),
                parameter.doc
            );
        }
    }
    Ok(())
}
