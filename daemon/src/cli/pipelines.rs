//! `pipelines`: what there is, and what a pipeline does.

use std::process::ExitCode;

use cleanplate_plugins::pipeline::Pipeline;
use serde_json::json;

use super::args::Pipelines;
use super::{load, open, print_json};

/// Lists or shows.
pub fn run(args: &Pipelines) -> anyhow::Result<ExitCode> {
    let config = load(&args.place, Vec::new())?;
    let set = open::pipelines(&config)?;
    match (&args.name, args.output.json) {
        (None, true) => print_json(&json!({ "default": config.pipelines.default, "pipelines": set.list() }))?,
        (Some(name), true) => print_json(set.get(name)?)?,
        (None, false) => {
            for pipeline in set.list() {
                let mark = if pipeline.name == config.pipelines.default { "*" } else { " " };
                println!("{mark} {:14} {}", pipeline.name, pipeline.description);
            }
        }
        (Some(name), false) => show(set.get(name)?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(pipeline: &Pipeline) -> anyhow::Result<()> {
    println!("{}: {}", pipeline.name, pipeline.description);
    for step in &pipeline.steps {
        let manifest = cleanplate_plugins::plugin(&step.plugin)?.manifest();
        println!("\n{} ({:?}): {}", step.plugin, step.stage, manifest.description);
        for (name, parameter) in &manifest.parameters {
            let value = step.values.iter().find(|(other, _)| other == name).map(|(_, value)| serde_json::to_string(value)).transpose()?;
            println!("  {name} = {} {}\n      {}", value.unwrap_or_default(), parameter.unit, parameter.doc);
        }
    }
    Ok(())
}
