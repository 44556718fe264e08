//! `config check`: every problem of a configuration, without starting anything.

use std::path::Path;
use std::process::ExitCode;

use super::args::Output;
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
