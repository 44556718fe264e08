//! The command line: parses, dispatches, turns errors into exit codes (0 done, 1 failed, 2 usage).

pub mod args;
mod check;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ConfigCommand};

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Config(ConfigCommand::Check { file, output }) => check::run(file.as_deref(), output),
        other => Err(anyhow::anyhow!("not available in this build: {other:?}")),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
