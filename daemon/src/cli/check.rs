//! `config check` and `config show`: every problem of a configuration, and every option in effect, without starting anything.

use std::path::Path;
use std::process::ExitCode;

use super::args::{Output, Place};
use super::{load, print_json};
use crate::config;
use crate::telemetry::escaped_lines;

/// Checks and reports.
pub fn run(file: Option<&Path>, output: Output) -> anyhow::Result<ExitCode> {
    let problems = match config::load(file, std::env::vars(), &[]) {
        Ok(_) => Vec::new(),
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
